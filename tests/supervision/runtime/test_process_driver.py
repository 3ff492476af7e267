"""Stages of one incarnation, with processes in memory and a clock moved by hand; real ones are an acceptance test."""

import signal

import pytest

from supervision.runtime.run import POST_STOP
from tests.supervision.runtime.driver_stage import (
    AFTER,
    AFTER2,
    BEFORE,
    BEFORE2,
    JOBS,
    KEY,
    PROGRAM,
    Stage,
)
from tests.supervision.runtime.fake_table import exited, no_such

# -- stages -------------------------------------------------------------------------------------------------------------


def test_a_plain_child_is_its_process(stage: Stage) -> None:
    stage.start()
    assert stage.events.take() == ["started main"]
    assert stage.plan.argv == [PROGRAM, "60"]
    stage.end(exited(3))
    assert stage.events.take() == ["exited exit(3)"]
    assert stage.driver.runs == {}


def test_commands_run_one_after_another_before_and_after_the_process(stage: Stage) -> None:
    stage.start(**JOBS)
    programs = [stage.program]
    for status in (0, 0, signal.SIGKILL, 0):
        stage.end(status)
        programs.append(stage.program)
    stage.end(0)
    assert programs == [BEFORE, BEFORE2, PROGRAM, AFTER, AFTER2]
    assert stage.events.take() == [
        "started pre_start", "stage pre_start", "stage main", "ready", "stage post_stop", "stage post_stop",
        "exited signal(9)",
    ]  # fmt: skip


def test_a_command_that_fails_before_the_start_fails_it_by_name_and_what_follows_a_stop_still_runs(
    stage: Stage,
) -> None:
    stage.start(**JOBS)
    stage.end(exited(4))
    assert (stage.run.stage, stage.program) == (POST_STOP, AFTER)
    stage.end()
    stage.end()
    assert stage.events.take()[-1] == f"exited start_failed(pre_start `{BEFORE}`: exit(4))"


def test_a_command_that_takes_too_long_before_the_start_is_killed_and_named(stage: Stage) -> None:
    stage.start(pre_start=[{"command": [BEFORE], "timeout": "2s"}])
    stage.later(1.9)
    assert stage.program == BEFORE
    stage.later(0.2)
    assert stage.events.take()[-1] == f"exited start_failed(pre_start `{BEFORE}`: timeout)"
    assert stage.timers() == 0


def test_a_command_after_the_stop_that_fails_or_hangs_changes_nothing(stage: Stage) -> None:
    stage.start(post_stop=[[AFTER], {"command": [AFTER2], "timeout": "2s"}])
    stage.end(exited(7))
    stage.end(exited(1))
    assert stage.program == AFTER2
    stage.later(3)
    assert stage.events.take()[-1] == "exited exit(7)"


def test_a_program_that_cannot_be_started_is_said_and_looked_up_again_the_next_time(stage: Stage) -> None:
    stage.table.refuse[PROGRAM] = no_such(PROGRAM)
    stage.start()
    assert stage.events.take() == [f"start_failed({PROGRAM}: No such file or directory)"]
    assert stage.driver.runs == {}
    del stage.table.refuse[PROGRAM]
    stage.start()
    assert stage.events.take() == ["started main"]


def test_a_program_that_cannot_be_started_after_its_commands_ran_is_followed_by_what_follows_a_stop(
    stage: Stage,
) -> None:
    stage.table.refuse[PROGRAM] = no_such(PROGRAM)
    stage.start(pre_start=[[BEFORE]], post_stop=[[AFTER]])
    stage.end()
    assert stage.program == AFTER
    stage.end()
    assert stage.events.take()[-1] == f"exited start_failed({PROGRAM}: No such file or directory)"


def test_a_command_after_the_stop_that_cannot_be_started_is_passed_over(stage: Stage) -> None:
    stage.table.refuse[AFTER] = no_such(AFTER)
    stage.start(**JOBS)
    for _ in range(3):
        stage.end()
    assert stage.program == AFTER2
    stage.end()
    assert stage.events.take()[-1] == "exited normal"


@pytest.mark.parametrize("error", [ValueError("embedded null byte"), OSError(24, "Too many open files")])
def test_whatever_a_start_fails_with_is_its_reason_and_nobody_elses_trouble(
    stage: Stage, error: Exception
) -> None:
    stage.table.refuse[PROGRAM] = error
    stage.start()
    assert stage.events.take() == [f"start_failed({error})"]


def test_a_body_of_a_kind_that_this_node_does_not_run_is_refused_by_name(stage: Stage) -> None:
    stage.driver.start(KEY, 1, {"kind": "oracle", "oracle": {}})
    (reason,) = stage.events.take()
    assert reason.startswith("start_failed(")
    assert "'oracle' is not a kind this node runs" in reason


def test_an_ended_process_is_reaped_once_its_end_is_on_record(stage: Stage) -> None:
    stage.start(pre_start=[[BEFORE]])
    first = stage.leader.pid
    stage.events.records = False
    stage.end()
    assert stage.table.reaped == []
    run, second = stage.run, stage.leader.pid
    stage.end()
    assert stage.table.reaped == []
    stage.driver.recorded(run)
    stage.driver.recorded(run)
    assert stage.table.reaped == [first, second]


# -- stops --------------------------------------------------------------------------------------------------------------


def test_a_stop_sends_the_stop_signal_and_wakes_what_is_stopped(stage: Stage) -> None:
    stage.start(stop_signal="INT")
    stage.signal()
    assert stage.table.sent == [("main", signal.SIGINT), ("main", signal.SIGCONT)]
    stage.end(signal.SIGINT)
    assert stage.events.take()[-1] == "exited shutdown"


@pytest.mark.parametrize(
    ("status", "reason"),
    [(0, "shutdown"), (exited(143), "shutdown"), (signal.SIGTERM, "shutdown"), (exited(1), "exit(1)"),
     (signal.SIGKILL, "signal(9)"), (signal.SIGSEGV, "signal(11)")],
)  # fmt: skip
def test_how_a_child_ends_after_a_stop_is_what_it_did(stage: Stage, status: int, reason: str) -> None:
    stage.start()
    stage.signal()
    stage.end(status)
    assert stage.events.take()[-1] == f"exited {reason}"


@pytest.mark.parametrize(("cause", "reason"), [("timeout", "timeout"), ("brutal_kill", "shutdown")])
def test_a_kill_is_called_by_its_cause(stage: Stage, cause: str, reason: str) -> None:
    stage.start()
    stage.kill(cause)
    assert stage.events.take()[-1] == f"exited {reason}"


def test_a_kill_that_comes_with_the_end_changes_nothing(stage: Stage) -> None:
    stage.start(post_stop=[[AFTER]])
    run, leader = stage.run, stage.leader
    leader.ended = True  # its descendants are being ended
    stage.kill("timeout")
    stage.signal()
    assert stage.table.sent == []
    leader.ended = False
    stage.table.end(leader, exited(5))
    assert run.reason == "exit(5)"


def test_a_stop_before_the_process_runs_ends_the_commands_and_never_starts_it(stage: Stage) -> None:
    stage.start(**JOBS)
    stage.signal()
    assert stage.table.sent == [("pre_start", signal.SIGTERM), ("pre_start", signal.SIGCONT)]
    stage.end(signal.SIGTERM)
    assert stage.program == AFTER
    stage.end()
    stage.end()
    heard = stage.events.take()
    assert heard[-1] == "exited shutdown"
    assert "stage main" not in heard


def test_a_command_that_ignores_the_stop_is_still_bounded_by_its_own_limit(stage: Stage) -> None:
    stage.start(pre_start=[{"command": [BEFORE], "timeout": "3s"}])
    stage.signal()
    stage.later(3.1)
    assert stage.events.take()[-1] == "exited timeout"


def test_a_stop_while_what_follows_the_end_runs_lets_it_finish_within_its_limit(stage: Stage) -> None:
    stage.start(post_stop=[{"command": [AFTER], "timeout": "3s"}])
    stage.end(exited(1))
    stage.signal()
    assert stage.table.sent == []
    assert stage.timers() == 1
    stage.later(3.1)
    assert stage.events.take()[-1] == "exited exit(1)"


def test_a_kill_while_what_follows_the_end_runs_ends_it_and_what_would_come_after(stage: Stage) -> None:
    stage.start(post_stop=[[AFTER], [AFTER2]])
    stage.signal()
    stage.end(0)
    stage.kill("timeout")
    assert stage.events.take() == ["started main", "stage post_stop", "exited shutdown"]
    assert stage.driver.runs == {}
    assert stage.timers() == 0


def test_a_kill_of_the_process_is_followed_by_what_follows_every_end(stage: Stage) -> None:
    stage.start(post_stop=[[AFTER]])
    stage.kill("brutal_kill")
    assert stage.program == AFTER
    stage.end()
    assert stage.events.take()[-1] == "exited shutdown"


def test_a_signal_for_another_incarnation_is_not_for_this_one(stage: Stage) -> None:
    stage.start()
    stage.driver.signal(KEY, 7)
    stage.driver.kill(KEY, 7, "timeout")
    stage.driver.signal("t/other", 1)
    assert stage.table.sent == []
    assert not stage.run.asked


def test_a_removed_child_leaves_nothing_behind(stage: Stage) -> None:
    stage.start()
    stage.end()
    stage.driver.forget(KEY)
    assert stage.table.ended_owned == [KEY]
