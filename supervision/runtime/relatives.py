"""Descendants and strays: processes below us that we did not start ourselves, found, given to a child, or ended.

How they are found: node and guardian are subreapers, so an orphan below us becomes a direct child of one of them. What
belongs to a child that lost node and guardian at once comes up below init: `outsiders` finds it, by our control group or by
its marker. A direct child of node or guardian that belongs to nobody is a stray: announced, and killed after STRAY_GRACE_S
unless adopted.

Limit: what scrubbed its environment, closed its output and left its session cannot be told from such a descendant of
another child. A stray of that kind ends with the next child that could have been its ancestor, before its grace is over: a
replacement beside a descendant of its predecessor is the worse mistake.
"""

import contextlib
import os
import signal
from collections.abc import Callable, Iterable
from functools import partial

from supervision.runtime.clock import Clock
from supervision.runtime.identity import read_stat
from supervision.runtime.kinship import Kinship, Leader, Relative
from supervision.runtime.loop import Loop
from supervision.runtime.own_processes import OwnProcesses
from supervision.runtime.processes import describe, direct_children

STRAY_GRACE_S = 5.0
STRAY_SETTLE_S = 0.5
"""Right after its exec a process's environment reads empty: nobody is called a stray before this."""
LIST_EVERY = 10
MAX_DEPTH = 1000
"""Ancestors looked at; more only where pids are recycled while we look."""


class Relatives:
    """A part of the process table. `on_victims_gone` is called for an ended leader when the descendants that were killed
    for it are gone: the next generation may have come up. `on_stray` hears `found`, `adopted`, `ended`."""

    def __init__(
        self,
        *,
        own: OwnProcesses,
        kinship: Kinship,
        loop: Loop,
        clock: Clock,
        on_victims_gone: Callable[[Leader], None],
        on_stray: Callable[[str, Relative], None],
    ) -> None:
        self.own, self.kinship, self.loop, self.clock = own, kinship, loop, clock
        self._on_victims_gone, self._on_stray = on_victims_gone, on_stray
        self.by_pid: dict[int, Relative] = {}
        self.wanted: Callable[[str], bool] = lambda key: True
        """Whether a child is to run: what it owns ends with it otherwise."""
        self.outsiders: Callable[[], Iterable[int]] = lambda: ()
        """Pids that may be ours although no process of ours is above them; some of them are not."""
        self.known_strays: dict[int, tuple[int, float]] = {}
        """pid -> (start time, boot clock) of strays that a dead node announced: their grace goes on."""
        self._scans = 0

    def victims_of(self, leader: Leader) -> list[Relative]:
        """Those that may descend from an ended leader, and are not to live on."""
        return [
            relative
            for relative in self.by_pid.values()
            if relative.may_descend_from(leader) and not self._stays(relative, leader)
        ]

    def _stays(self, relative: Relative, leader: Leader) -> bool:
        """Whether what an ended leader left is to live on: by its own policy, else by the child's."""
        if relative.own is not None:
            return self.kinship.own.outlives(relative.own)
        return self.keeps(leader)

    def keeps(self, leader: Leader) -> bool:
        """Whether what a leader leaves behind is the child's from then on."""
        return leader.keep_descendants and self.kinship.keeps(leader.key)

    def adopt_stray(self, pid: int, key: str) -> Relative | None:
        """Give a stray to a child, as if it descended from it. None when there is no such stray."""
        relative = self.by_pid.get(pid)
        if relative is None or relative.owner is not None or relative.awaited_by:
            return None
        self._give(relative, key)
        return relative

    def _give(self, relative: Relative, key: str) -> None:
        relative.owner = key
        self.kinship.adopted[relative.pid] = (relative.start_time, key)

    def discover(self) -> list[Relative]:
        """Direct children of node and guardian that we did not know yet."""
        return self._discover_ours() + self._discover_guardians()

    def _discover_ours(self) -> list[Relative]:
        return self._look_again(lambda: direct_children(os.getpid()))

    def _discover_guardians(self) -> list[Relative]:
        above = self.own.guardian_pid
        if above is None:
            return []
        found = self._look_again(lambda: direct_children(above))
        guardian = read_stat(above)
        if guardian is None or guardian.is_exiting:  # so what we read of it may not be all there is
            self.own.guardian_died()
        return found

    def discover_outside(self) -> None:
        """What is ours and below neither node nor guardian: it escaped while both were dead, or is found only so."""
        leaders = self.own.leaders
        self._look_again(
            lambda: [pid for pid in self.outsiders() if pid not in leaders and not self._is_below_us(pid)]
        )

    def _look_again(self, pids: Callable[[], list[int]]) -> list[Relative]:
        """Take note of every process in `pids()`. One that is gone when we come to it may have left another behind, which
        came after the list was read: then the list is read again."""
        found: list[Relative] = []
        gone: set[int] = set()
        while True:
            passed = len(gone)
            for pid in pids():
                if not self._is_known(pid):
                    relative = self._relative(pid)
                    if relative is None:
                        gone.add(pid)
                    else:
                        found.append(relative)
            if len(gone) == passed:
                return found

    def _is_known(self, pid: int) -> bool:
        return pid in self.by_pid or self.own.know(pid)

    def _relative(self, pid: int) -> Relative | None:
        """Take note of a living process; one that has ended is reaped, if it is ours to reap."""
        try:
            pidfd = os.pidfd_open(pid)
        except ProcessLookupError:
            return None
        stat = read_stat(pid)
        if stat is None or stat.is_zombie:
            os.close(pidfd)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
            return None
        parent = self.own.parent_of(stat)
        relative = Relative(pid, pidfd, parent, None, None, self.clock.boot(), stat.start_time, describe(pid))
        self.kinship.trace(relative, stat)
        if relative.own is not None and relative.owner is not None and stat.session == pid:
            self.kinship.own.kept(relative.own)
        announced = self.known_strays.get(pid)
        if announced is not None and announced[0] == stat.start_time:
            relative.since, relative.shown = announced[1], True
        if parent == "node":
            self.own.count += 1
        self.by_pid[pid] = relative
        self.loop.watch(pidfd, partial(self._relative_readable, relative))
        return relative

    def close_one(self, relative: Relative) -> None:
        if relative.parent == "node":
            self.own.count -= 1
        self.loop.unwatch(relative.pidfd)
        os.close(relative.pidfd)

    def _relative_readable(self, relative: Relative) -> None:
        if relative.parent == "node":
            with contextlib.suppress(ChildProcessError):
                os.waitpid(relative.pid, os.WNOHANG)
        self.close_one(relative)
        self.by_pid.pop(relative.pid, None)
        self.kinship.adopted.pop(relative.pid, None)
        if relative.shown and relative.owner is None:
            self._on_stray("ended", relative)
        for leader in relative.awaited_by:
            leader.victims -= {relative.pid}
            if not leader.victims:
                self._on_victims_gone(leader)

    def own_newcomers(self, leader: Leader) -> None:
        """`descendants: keep`: what an ended leader left behind stays, owned by the child's key. So does what a scan met
        between that end and our hearing of it, and has not called a stray yet."""
        self.discover()
        for relative in list(self.by_pid.values()):
            if (
                relative.owner is None
                and relative.own is None
                and not relative.shown
                and not relative.awaited_by
                and relative.may_descend_from(leader)
            ):
                self._give(relative, leader.key)
                self._on_stray("adopted", relative)

    def scan(self) -> None:
        """Once a second: find what came up since, end strays whose time is over and what a child left that is to be down.

        Our own children are counted, and listed where there is one too many; each tenth time they are listed whatever the
        count says.
        """
        self._scans += 1
        if self._scans % LIST_EVERY == 0 or not self.own.are_all():
            self._discover_ours()
        self._discover_guardians()
        if not self.by_pid:
            return
        now = self.clock.boot()
        busy = {leader.key for leader in (*self.own.leaders.values(), *self.kinship.ending.values())}
        for relative in list(self.by_pid.values()):
            if relative.owner is None and not relative.awaited_by:
                self._scan_stray(relative, now)
            elif (
                relative.owner is not None
                and relative.owner not in busy
                and not self._is_wanted(relative, relative.owner)
            ):
                self.end_relative(relative)

    def _is_wanted(self, relative: Relative, owner: str) -> bool:
        return self.wanted(owner) if relative.own is None else self.kinship.own.outlives(relative.own)

    def _scan_stray(self, relative: Relative, now: float) -> None:
        stat = read_stat(relative.pid)
        if stat is None or relative.since > now - STRAY_SETTLE_S:
            return
        self.kinship.trace(relative, stat)
        if relative.owner is not None:
            return
        if not relative.shown:
            relative.shown, relative.since = True, now
            relative.facts = describe(relative.pid)
            self._on_stray("found", relative)
        if relative.since <= now - STRAY_GRACE_S:
            self.end_relative(relative)

    def _is_below_us(self, pid: int) -> bool:
        """Whether `pid` is, or descends from, a process of ours. Then its end comes with that one's, or `scan` finds it."""
        above = pid
        for _ in range(MAX_DEPTH):
            if self._is_known(above) or above == self.own.guardian_pid:
                return True
            stat = read_stat(above)
            if stat is None:
                if above == pid:
                    return False
                above = pid  # an ancestor ended meanwhile: who is above now?
            elif stat.ppid <= 1:
                return False
            else:
                above = stat.ppid
        return True

    def end_relative(self, relative: Relative) -> None:
        """SIGKILL; its own descendants come up as newcomers."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            signal.pidfd_send_signal(relative.pidfd, signal.SIGKILL)

    def end_owned(self, key: str) -> None:
        """Kill the kept descendants of a child that was removed."""
        for relative in list(self.by_pid.values()):
            if relative.owner == key:
                self.end_relative(relative)

    def strays(self) -> list[Relative]:
        return [r for r in self.by_pid.values() if r.owner is None and r.shown and not r.awaited_by]

    def strays_to_remember(self) -> dict[int, tuple[int, float]]:
        """For a successor, as `known_strays`."""
        return {relative.pid: (relative.start_time, relative.since) for relative in self.strays()}

    def close(self) -> None:
        """Let go of them; they live on."""
        for relative in self.by_pid.values():
            os.close(relative.pidfd)
