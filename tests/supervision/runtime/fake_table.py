"""Processes in memory for the driver: started, signalled and killed as told, ended by the test."""

import itertools
import os
import signal
from collections.abc import Callable, Iterable
from typing import Any

from supervision.runtime.kinship import Leader
from supervision.runtime.launch_errors import LaunchError
from supervision.runtime.launch_spec import LaunchPlan
from supervision.runtime.template_order import Forked


def exited(code: int) -> int:
    """The wait status of an exit with `code`."""
    return code << 8


class FakeTable:
    """What the driver needs of a ProcessTable. A killed process ends at once, any other when `end` is called."""

    def __init__(self) -> None:
        self.leaders: dict[int, Leader] = {}
        self.plans: dict[int, LaunchPlan] = {}
        self.sent: list[tuple[str, int]] = []
        """(role, signal) as sent."""
        self.reaped: list[int] = []
        self.ended_owned: list[str] = []
        self.relatives = self
        self.refuse: dict[str, Exception] = {}
        """Program -> why it cannot be started."""
        self._pids = itertools.count(100)

    def spawn(
        self,
        plan: LaunchPlan,
        *,
        key: str,
        incarnation: int,
        role: str,
        keep_descendants: bool,
        on_gone: Callable[[Leader], None],
    ) -> Leader:
        if plan.argv[0] in self.refuse:
            raise self.refuse[plan.argv[0]]
        leader = self.living(key, incarnation, role, keep_descendants=keep_descendants, on_gone=on_gone)
        self.plans[leader.pid] = plan
        return leader

    def stand_by(self, ledger: int) -> None:
        """Nobody needs to, for processes that exist in memory only."""

    def prebuild(self, plan: LaunchPlan, *, without: Iterable[str]) -> None:
        """Every life by a plan of its own."""

    def take_forked(
        self,
        forked: Forked,
        *,
        key: str,
        incarnation: int,
        role: str,
        keep_descendants: bool,
        on_gone: Callable[[Leader], None],
    ) -> Leader:
        leader = Leader(
            key,
            incarnation,
            role,
            forked.pid,
            forked.pidfd,
            "template",
            on_gone,
            keep_descendants=keep_descendants,
            template=forked.template,
        )
        self.leaders[leader.pid] = leader
        return leader

    def living(self, key: str, incarnation: int, role: str = "main", **fields: Any) -> Leader:
        """A process that is there, also without having been started here."""
        fields.setdefault("on_gone", lambda _: None)
        leader = Leader(key, incarnation, role, next(self._pids), -1, "node", **fields)
        self.leaders[leader.pid] = leader
        return leader

    def signal(self, leader: Leader, number: int) -> None:
        assert not leader.ended, "a signal to a number that may be somebody else's"
        self.sent.append((leader.role, number))

    def kill(self, leader: Leader, why: str | None) -> None:
        assert not leader.ended, "a kill of a number that may be somebody else's"
        leader.killed_for = leader.killed_for or why
        self.end(leader, signal.SIGKILL)

    def end(self, leader: Leader, status: int | None) -> None:
        """It ended with that wait status, and everything below it."""
        leader.ended, leader.status = True, status
        del self.leaders[leader.pid]
        leader.on_gone(leader)

    def reap(self, leader: Leader) -> None:
        self.reaped.append(leader.pid)

    def end_owned(self, key: str) -> None:
        self.ended_owned.append(key)


def no_such(program: str) -> LaunchError:
    return LaunchError(2, "executable", f"{program}: {os.strerror(2)}")
