"""sd_notify messages and probes: who is believed, what they change, and that a probe is asked again."""

import os
import signal
import subprocess
from collections.abc import Iterator
from multiprocessing.connection import wait as wait_ready
from pathlib import Path
from typing import Any

import pytest

from supervision.runtime import notify
from supervision.runtime.link import Message
from supervision.runtime.readiness import ANSWER_SLACK_S, STATUS_CHARS, NotifyReceiver, Probes
from supervision.runtime.run import Run
from tests.supervision.runtime.driver_stage import KEY, Stage
from tests.supervision.runtime.fake_table import exited
from tests.support.engine import python

NOTIFY = {"readiness": {"notify": True}}
TCP = {"readiness": {"tcp": {"port": 1}, "interval": "2s", "timeout": "3s", "start_period": "1s"}}


class Told:
    """A stage with a notify socket on which this very process speaks for the child."""

    def __init__(self, stage: Stage, path: Path) -> None:
        self.stage, self.path = stage, str(path)
        self.statuses: list[str] = []
        self.sock = notify.bind(self.path)
        self.receiver = NotifyReceiver(
            stage.loop, self.sock, stage.driver, lambda run: self.statuses.append(run.status_text)
        )

    def begin(self, **process: Any) -> Run:
        self.stage.start(**process)
        self.stage.table.leaders[os.getpid()] = self.stage.leader
        self.stage.events.take()
        return self.stage.run

    def say(self, **fields: str) -> list[str]:
        """What the kernel's owner heard of it."""
        notify.send(self.path, fields)
        self.turn()
        return self.stage.events.take()

    def turn(self) -> None:
        self.stage.loop.run_once(at_most=0)


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    made = Stage(tmp_path)
    yield made
    made.loop.close()


@pytest.fixture
def told(stage: Stage, session_dir: Path) -> Iterator[Told]:
    path = session_dir / "n"
    made = Told(stage, path)
    yield made
    made.sock.close()
    path.unlink()


# -- sd_notify ------------------------------------------------------------------------------------------------------------


def test_ready_makes_a_child_ready_once(told: Told) -> None:
    told.begin(**NOTIFY)
    assert told.say(READY="1") == ["ready"]
    assert told.say(READY="1") == []
    assert told.say(READY="0") == []


def test_a_status_is_shown_and_bounded(told: Told) -> None:
    run = told.begin(**NOTIFY)
    told.say(STATUS="loading " + "x" * 1000)
    assert (len(run.status_text), len(told.statuses)) == (STATUS_CHARS, 1)
    assert run.status_text.startswith("loading x")


def test_ready_of_a_child_that_is_probed_or_must_complete_is_not_what_was_asked_for(told: Told) -> None:
    told.begin(**TCP)
    assert told.say(READY="1") == []


def test_ready_of_a_command_before_the_start_is_not_the_childs(told: Told) -> None:
    told.begin(**NOTIFY, pre_start=[["/bin/true"]])
    assert told.say(READY="1", RELOADING="1") == []
    assert not told.stage.run.is_reloading


def test_petting_counts_while_a_watchdog_runs(told: Told) -> None:
    told.begin(watchdog="2s")
    told.stage.later(1.5)
    told.say(WATCHDOG="1")
    told.stage.later(1.5)
    assert told.stage.leader.killed_for is None
    told.stage.later(1)
    assert told.stage.events.take() == ["exited watchdog"]


def test_petting_without_a_watchdog_starts_none(told: Told) -> None:
    told.begin()
    told.say(WATCHDOG="1")
    assert told.stage.timers() == 0


def test_a_child_may_bite_itself(told: Told) -> None:
    told.begin()
    assert told.say(WATCHDOG="trigger") == ["exited watchdog"]


def test_a_reload_is_over_when_the_child_says_ready_after_it_said_reloading(told: Told) -> None:
    run = told.begin(**NOTIFY)
    told.say(READY="1")
    ends: list[str] = []
    run.on_reloaded += (ends.append,)
    told.say(READY="1")
    assert ends == []
    told.say(RELOADING="1", MONOTONIC_USEC="123")
    assert ends == []
    told.say(READY="1")
    assert ends == [""]


def test_one_message_that_says_reloading_and_ready_is_no_end_of_the_reload(told: Told) -> None:
    """As systemd reads it: READY=1 has to come after."""
    run = told.begin(**NOTIFY)
    ends: list[str] = []
    run.on_reloaded += (ends.append,)
    told.say(RELOADING="1", READY="1")
    assert ends == []


def test_a_stranger_is_not_believed(told: Told) -> None:
    told.begin(**NOTIFY)
    del told.stage.table.leaders[os.getpid()]
    told.stage.table.leaders.pop(os.getsid(0), None)
    assert told.say(READY="1") == []


def test_a_descendant_in_the_childs_session_speaks_for_it(told: Told) -> None:
    told.begin(**NOTIFY)
    del told.stage.table.leaders[os.getpid()]
    code = (
        "import os, socket, sys\n"
        "pid = os.fork()\n"
        "if pid: os.waitpid(pid, 0)\n"
        "else:\n"
        f"    s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); s.sendto(b'READY=1', {told.path!r})\n"
        "    sys.stdin.read()\n"
    )
    with subprocess.Popen(python(code), stdin=subprocess.PIPE, start_new_session=True) as child:
        told.stage.table.leaders[child.pid] = told.stage.leader
        assert wait_ready([told.sock], 30)
        told.turn()
        assert told.stage.events.take() == ["ready"]
        child.send_signal(signal.SIGKILL)


def test_what_a_former_life_said_is_not_this_ones(told: Told) -> None:
    told.begin(**NOTIFY)
    former = told.stage.leader
    told.stage.table.end(former, exited(1))
    told.begin()
    told.stage.table.leaders[os.getpid()] = former
    assert told.say(READY="1") == []


def test_what_was_said_while_nobody_listened_is_heard_later(stage: Stage, session_dir: Path) -> None:
    path = session_dir / "kept"
    sock = notify.bind(str(path))
    stage.start(**NOTIFY)
    stage.table.leaders[os.getpid()] = stage.leader
    stage.events.take()
    notify.send(str(path), {"READY": "1"})
    NotifyReceiver(stage.loop, sock, stage.driver, lambda _: None)
    stage.loop.run_once(at_most=0)
    assert stage.events.take() == ["ready"]
    sock.close()


def test_a_closed_receiver_leaves_the_socket_to_its_owner(told: Told) -> None:
    fd = told.sock.fileno()
    told.receiver.close()
    os.fstat(fd)
    assert told.say(STATUS="x") == []
    os.close(fd)


# -- probes ---------------------------------------------------------------------------------------------------------------


class Checkers:
    """The helper, as far as the node sees it."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.takes = True

    def send(self, op: str, **body: Any) -> bool:
        if self.takes:
            self.asked.append((op, body))
        return self.takes

    def take(self) -> list[str]:
        asked, self.asked = self.asked, []
        return [op for op, _ in asked]


class Probed:
    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.checkers = Checkers()
        self.probes = Probes(stage.loop, stage.driver)
        self.probes.checkers = self.checkers  # type: ignore[assignment]
        stage.driver.deadlines.probes = self.probes

    def answer(self, *, ok: bool, detail: str = "", probe_id: int | None = None) -> None:
        if probe_id is None:
            probe_id = self.checkers.asked[-1][1]["id"]
        self.probes.on_message(Message("result", {"id": probe_id, "ok": ok, "detail": detail}))


@pytest.fixture
def probed(stage: Stage) -> Probed:
    return Probed(stage)


def test_a_child_is_probed_after_its_start_period_until_it_is_ready(stage: Stage, probed: Probed) -> None:
    stage.start(**TCP)
    stage.later(0.9)
    assert probed.checkers.take() == []
    stage.later(0.2)
    (asked,) = probed.checkers.asked
    assert asked[0] == "probe"
    assert (asked[1]["deadline_s"], asked[1]["probe"]["tcp"]["port"]) == (3.0, 1)
    assert "environment" not in asked[1], "only what runs as the child gets its environment"
    probed.answer(ok=False, detail="refused")
    assert stage.run.status_text == "not ready: refused"
    probed.checkers.take()
    stage.later(1.9)
    assert probed.checkers.take() == []
    stage.later(0.2)
    probed.answer(ok=True)
    assert stage.events.take() == ["started main", "ready"]
    assert stage.run.status_text == ""
    probed.checkers.take()
    stage.later(100)
    assert probed.checkers.take() == []
    assert stage.timers() == 0


def test_one_probe_of_a_child_at_a_time(stage: Stage, probed: Probed) -> None:
    stage.start(**TCP)
    stage.later(1.1)
    stage.later(3 + ANSWER_SLACK_S - 0.5)
    assert probed.checkers.take() == ["probe"]


def test_a_probe_that_nobody_answered_is_asked_again(stage: Stage, probed: Probed) -> None:
    stage.start(**TCP)
    stage.later(1.1)
    probed.checkers.take()
    stage.later(3 + ANSWER_SLACK_S)
    assert probed.checkers.take() == ["probe"]


def test_a_new_helper_is_asked_what_its_predecessor_was(stage: Stage, probed: Probed) -> None:
    stage.start(**TCP)
    stage.later(1.1)
    old = probed.checkers.asked[-1][1]["id"]
    probed.checkers.take()
    probed.probes.helper_started()
    stage.later(2.1)
    assert probed.checkers.asked[-1][1]["id"] != old
    probed.answer(ok=True, probe_id=old)
    assert stage.events.take() == ["started main"], "an answer to nobody's question"
    probed.answer(ok=True)
    assert stage.events.take() == ["ready"]


def test_while_there_is_no_helper_it_is_tried_again(stage: Stage, probed: Probed) -> None:
    probed.checkers.takes = False
    stage.start(**TCP)
    stage.later(1.1)
    probed.checkers.takes = True
    stage.later(2.1)
    assert probed.checkers.take() == ["probe"]


def test_the_probe_of_a_child_that_ends_is_withdrawn(stage: Stage, probed: Probed) -> None:
    stage.start(**TCP)
    stage.later(1.1)
    stage.end(exited(1))
    assert probed.checkers.take() == ["probe", "cancel"]
    stage.later(100)
    assert probed.checkers.take() == []
    assert stage.timers() == 0


def test_a_late_answer_about_an_ended_life_makes_the_next_one_not_ready(stage: Stage, probed: Probed) -> None:
    stage.start(**TCP)
    stage.later(1.1)
    old = probed.checkers.asked[-1][1]["id"]
    stage.end(exited(1))
    stage.start()
    stage.events.take()
    probed.answer(ok=True, probe_id=old)
    assert stage.events.take() == []


def test_an_exec_probe_runs_as_the_child_would(stage: Stage, probed: Probed) -> None:
    section = {
        "readiness": {"exec": {"command": ["/bin/true"]}, "start_period": 0},
        "environment": {"A": "b"},
        "cwd": "/tmp",
    }
    stage.start(**section)
    stage.later(0)
    settings = probed.checkers.asked[-1][1]
    assert (settings["cwd"], settings["environment"]["A"]) == ("/tmp", "b")
    assert not any("hunter2" in value for value in settings["environment"].values())


def test_an_exec_probe_whose_environment_cannot_be_made_says_so_and_is_tried_again(
    stage: Stage, probed: Probed, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("x")
    stage.start(
        readiness={"exec": {"command": ["/bin/true"]}, "start_period": "1s", "interval": "1s"},
        environment={"A": {"secret_file": str(secret)}},
    )
    secret.unlink()
    stage.later(1.1)
    assert probed.checkers.take() == []
    assert "No such file" in stage.run.status_text
    secret.write_text("x")
    stage.later(1.1)
    assert probed.checkers.take() == ["probe"]


def test_messages_that_are_no_result_are_passed_over(stage: Stage, probed: Probed) -> None:
    stage.start(**TCP)
    probed.probes.on_message(Message("weather", {"id": 1, "ok": True}))
    probed.probes.on_message(Message("result", {"ok": True}))
    assert stage.events.take() == ["started main"]
    assert KEY in stage.driver.runs
