"""Helpers as the node has them: replaced when they die, stop, spin or never read; asked again what they were asked."""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from supervision.runtime import boot, helper_process
from supervision.runtime.clock import SystemClock
from supervision.runtime.helper_process import HelperProcess
from supervision.runtime.link import Message
from supervision.runtime.log import Log
from supervision.runtime.loop import Loop
from supervision.runtime.silence import Processor
from tests.support.engine import alive

DEADLINE = 30.0


class Table:
    """Notes which helpers are direct children."""

    def __init__(self) -> None:
        self.beside: list[int] = []

    def helper_started(self, pid: int) -> None:
        self.beside.append(pid)

    def helper_ended(self, pid: int) -> None:
        self.beside.remove(pid)


class Owner:
    """A loop with one helper."""

    def __init__(self, role: str, log: Path) -> None:
        self.clock = SystemClock()
        self.loop = Loop(self.clock)
        self.table = Table()
        self.log = log
        self.heard: list[Message] = []
        self.lives: list[int | None] = []
        self.helper = HelperProcess(
            role, loop=self.loop, table=self.table, log=Log(str(log), "test"), args=(),  # type: ignore[arg-type]
            on_message=self.heard.append, on_start=lambda: self.lives.append(self.helper.pid),
        )  # fmt: skip

    def until(self, probe: Callable[[], Any]) -> float:
        """Turn the loop until `probe` is true; how long that took."""
        begun = self.clock.boot()
        while not probe():
            assert self.clock.boot() - begun < DEADLINE, self.log.read_text()
            self.loop.run_once(at_most=0.05)
        return self.clock.boot() - begun

    def up(self) -> int:
        """Its pid once it answers."""
        self.helper.ping()
        self.until(lambda: not self.helper._asked and self.helper.pid)
        assert self.helper.pid is not None
        return self.helper.pid

    def replaced(self, old: int) -> float:
        return self.until(lambda: self.helper.pid not in (None, old))


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[[str], Owner]]:
    made: list[Owner] = []

    def owner(role: str) -> Owner:
        made.append(Owner(role, tmp_path / "log"))
        made[-1].helper.start()
        return made[-1]

    yield owner
    for each in made:
        each.helper.close()
        each.loop.close()


Make = Callable[[str], Owner]


def scripted(monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    """Helpers run `code`, with `link` as their channel."""
    prelude = (
        f"import os, socket, sys, time; sys.path.insert(0, {str(boot.ROOT)!r})\n"
        "from supervision.runtime.link import Link\n"
        "link = Link(socket.socket(fileno=3)); link.sock.setblocking(True)\n"
    )
    monkeypatch.setattr(boot, "command", lambda *_: [sys.executable, "-I", "-S", "-c", prelude + code])


def test_a_helper_answers_and_is_known_as_a_child_of_nobodys(make: Make) -> None:
    owner = make("checkers")
    pid = owner.up()
    assert owner.table.beside == [pid]
    assert (owner.helper.starts, owner.lives) == (1, [pid])


def test_its_environment_holds_nothing_of_ours(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OVERSTORY_SECRET_X", "hunter2")
    monkeypatch.setenv("DATABASE_URL", "postgres://hunter2")
    pid = make("checkers").up()
    assert b"hunter2" not in Path(f"/proc/{pid}/environ").read_bytes()


def test_a_killed_one_is_replaced_and_told_again_what_it_needs(make: Make) -> None:
    owner = make("checkers")
    pid = owner.up()
    os.kill(pid, signal.SIGKILL)
    assert owner.replaced(pid) < 10 * helper_process.RESPAWN_DELAY_S
    assert owner.lives == [pid, owner.helper.pid]
    assert owner.table.beside == [owner.helper.pid]
    owner.up()


def test_a_stopped_one_is_replaced_when_it_left_a_ping_unanswered(make: Make) -> None:
    owner = make("checkers")
    pid = owner.up()
    os.kill(pid, signal.SIGSTOP)
    owner.helper.ping()
    took = owner.replaced(pid)
    assert helper_process.ANSWER_LIMIT_S <= took < 5 * helper_process.ANSWER_LIMIT_S
    assert not alive(pid)
    assert "helper silent, replaced" in owner.log.read_text()
    owner.up()


def test_one_that_only_waits_for_a_processor_is_not_replaced_until_it_is_silent_itself(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(helper_process, "LOOK_EVERY_S", 0.05)
    monkeypatch.setattr(helper_process, "ANSWER_LIMIT_S", 0.5)
    owner = make("checkers")
    pid = owner.up()
    is_starved = True
    looks: list[float] = []

    def told(_pid: int) -> Processor:
        """All the time since the last look it could run and did not; later it sleeps."""
        now = owner.clock.boot()
        looks.append(now if is_starved or not looks else looks[-1])
        return Processor(0.0, looks[-1], is_runnable=is_starved)

    monkeypatch.setattr(helper_process, "processor_of", told)
    os.kill(pid, signal.SIGSTOP)
    owner.helper.ping()
    owner.until(lambda: looks and looks[-1] - looks[0] > 2.0)
    assert owner.helper.pid == pid
    is_starved = False
    owner.replaced(pid)


def test_one_that_spins_is_replaced(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        scripted(patch, "link.receive\nlink.sock.recv(100); link.send('pong')\nwhile True: pass")
        owner = make("checkers")
        pid = owner.up()
    owner.helper.ping()
    owner.replaced(pid)
    owner.up()


def test_one_that_does_not_read_and_takes_no_ping_any_more_is_replaced(make: Make) -> None:
    owner = make("checkers")
    pid = owner.up()
    os.kill(pid, signal.SIGSTOP)
    while owner.helper.send("cancel", id=0):
        pass
    owner.helper.ping()
    owner.replaced(pid)


def test_one_that_is_slow_to_start_is_waited_for(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(helper_process, "ANSWER_LIMIT_S", 0.05)
    scripted(
        monkeypatch, "time.sleep(0.5)\nwhile link.sock.recv(100): link.send('pong')"
    )  # as a busy machine would
    owner = make("checkers")
    owner.up()
    assert owner.helper.starts == 1


def test_an_answer_that_is_here_counts_however_late_we_look(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = make("checkers")
    pid = owner.up()
    owner.helper.ping()
    channel = owner.helper._channel
    assert channel is not None
    owner.loop.unwatch(channel.fileno())  # busy with other things
    owner.until(lambda: not owner.helper._asked)
    assert owner.helper.pid == pid


def test_one_that_closes_its_channel_is_replaced(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        scripted(patch, "link.close(); time.sleep(3600)")
        owner = make("checkers")
        first = owner.helper.pid
        assert first is not None
    owner.replaced(first)
    assert not alive(first)


def test_a_closed_one_is_reaped_and_never_started_again(make: Make) -> None:
    owner = make("checkers")
    pid = owner.up()
    owner.helper.close()
    assert not Path(f"/proc/{pid}").exists()
    assert owner.table.beside == []
    owner.helper.start()
    assert owner.helper.pid is None
    assert not owner.helper.send("ping")


def test_one_that_cannot_be_started_is_tried_again(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(sys, "executable", "/no/such/python")
        owner = make("checkers")
        assert owner.helper.pid is None
    owner.until(lambda: owner.helper.pid)
    owner.up()
