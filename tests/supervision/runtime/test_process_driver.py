"""Stages of one incarnation, with processes in memory and a clock moved by hand; real ones are an acceptance test."""

import signal
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from supervision.runtime.clock import ManualClock
from supervision.runtime.environmentdoc import RESERVED
from supervision.runtime.kinship import Leader
from supervision.runtime.launch import LaunchPlan
from supervision.runtime.listeners import Listeners
from supervision.runtime.loop import Loop
from supervision.runtime.nodesettings import AllowList
from supervision.runtime.output import OutputStore
from supervision.runtime.process_driver import MAIN, POST_STOP, PRE_START, ProcessDriver, Run
from supervision.runtime.treedoc import parse_tree
from tests.supervision.runtime.fake_table import FakeTable, exited, no_such

KEY = "t/a"
PROGRAM, BEFORE, BEFORE2, AFTER, AFTER2 = "/bin/sleep", "/bin/true", "/bin/echo", "/bin/false", "/bin/cat"
JOBS = {"pre_start": [[BEFORE], [BEFORE2]], "post_stop": [[AFTER], [AFTER2]]}
OURS = {
    "PATH": "/usr/bin:/bin",
    "LANG": "C.UTF-8",
    "DATABASE_URL": "postgres://hunter2",
    "REDIS_URL": "redis://hunter2",
    "SECRET_KEY": "hunter2",
    "OVERSTORY_SECRET_TOKEN": "hunter2",
    "OVERSTORY_SECRET_KEY": "hunter2",
    "OVERSTORY_GUARDIAN_FDS": "{}",
    "OVERSTORY_GUARDIAN_STATE": "{}",
    "NOTIFY_SOCKET": "/run/systemd/notify",
    "WATCHDOG_USEC": "1",
    "WATCHDOG_PID": "1",
    "LISTEN_FDS": "3",
    "LISTEN_PID": "1",
    "LISTEN_FDNAMES": "x",
    "JOURNAL_STREAM": "8:1",
    "INVOCATION_ID": "x",
    "OVERSTORY_CHILD": "outer/child",
    "OVERSTORY_MARK": "outer",
}


@dataclass
class Events:
    """What the kernel's owner hears, in words."""

    heard: list[str] = field(default_factory=list)
    records: bool = True
    """Whether a new stage can be recorded."""

    def started(self, key: str, incarnation: int, leader: Leader) -> None:
        self.heard.append(f"started {leader.role}")

    def forking(self, key: str, incarnation: int) -> None:
        self.heard.append("forking")

    def stage(self, run: Run, leader: Leader) -> bool:
        self.heard.append(f"stage {leader.role}")
        return self.records

    def start_failed(self, key: str, incarnation: int, reason: str) -> None:
        self.heard.append(reason)

    def ready(self, key: str, incarnation: int) -> None:
        self.heard.append("ready")

    def exited(self, run: Run, reason: str, leader: Leader | None) -> None:
        self.heard.append(f"exited {reason}")

    def take(self) -> list[str]:
        heard, self.heard = self.heard, []
        return heard


class Stage:
    """A driver and everything around it."""

    def __init__(self, directory: Path, environment: Mapping[str, str] = OURS, **allow: Any) -> None:
        self.clock = ManualClock()
        self.loop = Loop(self.clock)
        self.table = FakeTable()
        self.events = Events()
        self.driver = ProcessDriver(
            loop=self.loop,
            clock=self.clock,
            table=self.table,  # type: ignore[arg-type]
            events=self.events,
            output=OutputStore(directory),
            listeners=Listeners(None, {}),
            cgroup=None,
            node_id="0123456789abcdef",
            notify_path="/run/notify",
            agent_path="/run/agent",
            environment=environment,
            allow=AllowList(**{"root_children": True, **allow}),
            as_root=False,
        )
        self.incarnation = 0
        self.body: Mapping[str, Any] = {}

    def start(self, **process: Any) -> None:
        """Start the child, or its next life."""
        if process or not self.body:
            self.body = body(**process)
        self.incarnation += 1
        self.driver.start(KEY, self.incarnation, self.body)

    @property
    def run(self) -> Run:
        return self.driver.runs[KEY]

    @property
    def leader(self) -> Leader:
        assert self.run.leader is not None
        return self.run.leader

    @property
    def plan(self) -> LaunchPlan:
        return self.table.plans[self.leader.pid]

    @property
    def program(self) -> str:
        return self.plan.argv[0]

    def end(self, status: int | None = 0) -> None:
        self.table.end(self.leader, status)

    def signal(self) -> None:
        self.driver.signal(KEY, self.incarnation)

    def kill(self, cause: str) -> None:
        self.driver.kill(KEY, self.incarnation, cause)

    def later(self, seconds: float) -> None:
        self.clock.jump(seconds)
        self.loop.run_once(at_most=0)

    def timers(self) -> int:
        return sum(not timer.cancelled for _, _, timer in self.loop._timers)


def body(**process: Any) -> Mapping[str, Any]:
    """A child's body as a tree file makes it."""
    child = {"id": "a", "process": {"command": [PROGRAM, "60"], **process}}
    document = {"version": 1, "tree": "t", "supervisor": {"children": [child]}}
    return parse_tree(document).spec.children[0].body


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    made = Stage(tmp_path)
    yield made
    made.loop.close()


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
    stage.driver.start(KEY, 1, {"kind": "celery_task", "celery_task": {}})
    (reason,) = stage.events.take()
    assert reason.startswith("start_failed(")
    assert "'celery_task' is not a kind this node runs" in reason


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


# -- readiness and watchdog ---------------------------------------------------------------------------------------------


@dataclass
class Probed:
    """Who would probe."""

    under_way: set[int] = field(default_factory=set)

    def begin(self, run: Run) -> None:
        self.under_way.add(run.incarnation)

    def end(self, run: Run) -> None:
        self.under_way.discard(run.incarnation)


def test_a_child_that_is_not_ready_in_time_has_failed_to_start(stage: Stage) -> None:
    stage.driver.probes = probes = Probed()
    stage.start(readiness={"notify": True, "deadline": "10s"})
    assert probes.under_way == {1}
    stage.later(9.9)
    assert stage.events.take() == ["started main"]
    stage.later(0.2)
    assert stage.events.take() == ["exited start_failed(not ready within 10 s)"]
    assert probes.under_way == set()


def test_a_child_is_ready_once_and_its_deadline_is_over_then(stage: Stage) -> None:
    stage.driver.probes = probes = Probed()
    stage.start(readiness={"notify": True, "deadline": "10s"})
    stage.driver.mark_ready(stage.run)
    stage.driver.mark_ready(stage.run)
    stage.later(100)
    assert stage.events.take() == ["started main", "ready"]
    assert (stage.timers(), probes.under_way) == (0, set())


def test_a_stopping_child_is_neither_probed_nor_late(stage: Stage) -> None:
    stage.driver.probes = probes = Probed()
    stage.start(readiness={"notify": True, "deadline": "10s"}, watchdog="1s")
    stage.signal()
    assert probes.under_way == set()
    stage.later(100)
    assert stage.leader.killed_for is None


def test_a_child_that_stops_petting_is_killed_for_it(stage: Stage) -> None:
    stage.start(watchdog="2s")
    for _ in range(5):
        stage.later(1.5)
        stage.driver.pet(stage.run)
    stage.later(1.9)
    assert stage.events.take() == ["started main"]
    stage.later(0.2)
    assert stage.events.take() == ["exited watchdog"]


def test_however_often_a_child_pets_there_is_one_timer(stage: Stage) -> None:
    stage.start(watchdog="1h")
    for _ in range(10_000):
        stage.driver.pet(stage.run)
    assert len(stage.loop._timers) == 1
    stage.later(3599)
    stage.driver.pet(stage.run)
    stage.later(3599)
    assert stage.events.take() == ["started main"]


def test_a_watchdog_of_a_life_that_ended_bites_no_other(stage: Stage) -> None:
    stage.start(watchdog="2s")
    stage.later(1.5)
    stage.end(exited(1))
    stage.start()
    stage.later(1.9)
    assert stage.leader.killed_for is None


# -- adoption -----------------------------------------------------------------------------------------------------------


Adopt = Callable[..., Run]


@pytest.fixture
def adopt(stage: Stage) -> Adopt:
    def adopt(section: dict[str, Any], *, lives: bool = True, **how: Any) -> Run:
        role = how.get("stage", MAIN)
        leader = stage.table.living(KEY, 4, role)
        if not lives:
            leader.ended = True
        stage.incarnation = 4
        run = stage.driver.adopt(KEY, 4, body(**section), leader, **how)
        stage.driver.resume(run)
        return run

    return adopt


def test_an_adopted_child_is_nobodys_news_and_ends_like_any_other(stage: Stage, adopt: Adopt) -> None:
    adopt({}, ready=True)
    assert stage.events.take() == []
    stage.end(exited(2))
    assert stage.events.take() == ["exited exit(2)"]


def test_a_watchdog_begins_anew_at_adoption(stage: Stage, adopt: Adopt) -> None:
    adopt({"watchdog": "2s"}, ready=True)
    stage.later(1.9)
    assert stage.events.take() == []
    stage.later(0.2)
    assert stage.events.take() == ["exited watchdog"]


def test_a_child_that_was_not_ready_has_its_whole_deadline_again(stage: Stage, adopt: Adopt) -> None:
    adopt({"readiness": {"notify": True, "deadline": "10s"}})
    stage.later(9.9)
    stage.driver.mark_ready(stage.run)
    assert stage.events.take() == ["ready"]


def test_what_was_asked_to_stop_is_asked_once_more(stage: Stage, adopt: Adopt) -> None:
    adopt({"watchdog": "2s", "stop_signal": "INT"}, asked=True, ready=True)
    assert stage.table.sent == [("main", signal.SIGINT), ("main", signal.SIGCONT)]
    stage.later(5)
    stage.end(signal.SIGINT)
    assert stage.events.take() == ["exited shutdown"]


def test_a_command_goes_on_where_it_was(stage: Stage, adopt: Adopt) -> None:
    adopt(JOBS, stage=PRE_START, job=1)
    stage.end()
    assert stage.program == PROGRAM
    assert stage.events.take() == ["stage main", "ready"]


def test_an_adopted_command_has_its_limit(stage: Stage, adopt: Adopt) -> None:
    adopt({"pre_start": [{"command": [BEFORE], "timeout": "2s"}]}, stage=PRE_START)
    stage.later(2.1)
    assert stage.events.take() == [f"exited start_failed(pre_start `{BEFORE}`: timeout)"]


def test_how_the_process_ended_is_still_known_when_what_follows_is_adopted(
    stage: Stage, adopt: Adopt
) -> None:
    adopt(JOBS, stage=POST_STOP, job=1, reason="exit(9)")
    stage.end()
    assert stage.events.take() == ["exited exit(9)"]


def test_one_that_ended_while_no_node_lived_goes_on_from_its_end(stage: Stage, adopt: Adopt) -> None:
    run = adopt(JOBS, lives=False)
    assert stage.table.sent == []
    leader = run.leader
    assert leader is not None
    leader.ended = False
    stage.table.end(leader, None)
    assert stage.program == AFTER
    stage.end()
    stage.end()
    assert stage.events.take()[-1] == "exited lost"


def test_adoption_reads_no_file_and_asks_for_no_secret(stage: Stage, adopt: Adopt) -> None:
    section = {"environment": {"A": {"secret": "GONE"}}, "environment_files": ["/no/such/file"]}
    adopt({**section, "post_stop": [[AFTER]]}, ready=True)
    stage.end(exited(1))
    assert stage.events.take() == ["exited exit(1)"], "what follows could not be started without it"


# -- environment and allow-list -----------------------------------------------------------------------------------------


def test_nothing_of_ours_reaches_a_child_or_its_commands(stage: Stage) -> None:
    stage.start(**JOBS, watchdog="2s", environment={"MINE": "yes"})
    for _ in range(5):
        environment = stage.plan.variables()
        assert not any("hunter2" in value for value in environment.values())
        names = {name for name in environment if name.startswith(("OVERSTORY_", "LISTEN_", "WATCHDOG_"))}
        told = {f"OVERSTORY_{name}" for name in ("CHILD", "INCARNATION", "NODE", "MARK", "SOCKET")}
        assert names == told | ({"WATCHDOG_USEC"} if stage.run.stage == MAIN else set())
        assert environment.get("NOTIFY_SOCKET") == ("/run/notify" if stage.run.stage == MAIN else None)
        assert not {"JOURNAL_STREAM", "INVOCATION_ID", "DJANGO_SETTINGS_MODULE"} & set(environment)
        assert (environment["MINE"], environment["LANG"]) == ("yes", "C.UTF-8")
        assert environment["OVERSTORY_CHILD"] == KEY
        assert environment["OVERSTORY_MARK"] == f"01234567:{KEY}:1:{stage.run.stage}"
        stage.end()


def test_every_name_the_node_speaks_with_is_kept_from_what_it_inherited(tmp_path: Path) -> None:
    stage = Stage(tmp_path, {"PATH": "/bin", **dict.fromkeys(RESERVED, "inherited")})
    stage.start()
    assert "inherited" not in stage.plan.environment.values()
    stage.loop.close()


def test_a_secret_that_was_asked_for_is_given_and_one_that_is_not_there_is_named(stage: Stage) -> None:
    stage.start(environment={"TOKEN": {"secret": "TOKEN"}})
    assert stage.plan.environment["TOKEN"] == "hunter2"
    stage.end()
    stage.events.take()
    stage.start(environment={"TOKEN": {"secret": "NOBODY"}})
    (reason,) = stage.events.take()
    assert reason.startswith("start_failed(TOKEN: ")
    assert "OVERSTORY_SECRET_NOBODY" in reason


def test_a_file_is_read_for_every_life(stage: Stage, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("one\n")
    stage.start(environment={"TOKEN": {"secret_file": str(secret)}})
    assert stage.plan.environment["TOKEN"] == "one"
    stage.end(exited(1))
    secret.write_text("two\n")
    stage.start()
    assert stage.plan.environment["TOKEN"] == "two"
    stage.end(exited(1))
    secret.unlink()
    stage.start()
    assert stage.events.take()[-1].startswith(f"start_failed(TOKEN: secret file {secret}: No such file")


def test_what_the_node_does_not_allow_is_refused_at_the_start_too(tmp_path: Path) -> None:
    """The tree was applied under other settings, or the file behind the name changed since."""
    stage = Stage(tmp_path, executables=("/**/true",))
    stage.start()
    (reason,) = stage.events.take()
    assert (
        reason == f"start_failed({PROGRAM} is not in the allow-list of this node (executables in node.toml))"
    )
    stage.start(pre_start=[[BEFORE]])
    stage.end()
    assert stage.events.take()[-1].startswith(f"exited start_failed({PROGRAM} is not in the allow-list")
    stage.loop.close()


def test_the_allow_list_is_asked_once_for_each_command_and_not_at_every_restart(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(AllowList, "check", lambda _self, plan, *, as_root: asked.append(plan.argv[0]))
    stage.start(pre_start=[[BEFORE]])
    for _ in range(3):
        stage.end()
        stage.end(exited(1))
        stage.start()
    assert asked == [BEFORE, PROGRAM]


def test_sockets_are_for_the_process_and_not_for_its_commands(stage: Stage, session_dir: Path) -> None:
    socket = {"name": "app", "type": "unix", "address": str(session_dir / "driver")}
    stage.start(pre_start=[[BEFORE]], sockets=[socket])
    assert not stage.plan.sockets
    stage.end()
    assert [name for name, _ in stage.plan.sockets] == ["app"]
    stage.driver.listeners.close_tree("t")


# -- reload -------------------------------------------------------------------------------------------------------------


def test_those_who_wait_for_a_reload_are_told_once_how_it_went(stage: Stage) -> None:
    told: list[str] = []
    stage.start()
    stage.run.on_reloaded.append(told.append)
    stage.driver.reloaded(stage.run)
    stage.driver.reloaded(stage.run)
    stage.run.on_reloaded.append(told.append)
    stage.end(exited(1))
    assert told == ["", "it ended"]
