"""Every process below the node: leaders we started, their descendants, and strays; and how each one ends.

Guarantee: `on_gone` of a leader is called once, after its exit status is known and, with `descendants: kill`, after every
process that descended from it is gone (RUNTIME "Strays and whole trees"). A direct child of node or guardian that belongs
to nobody is a stray: announced, and killed after STRAY_GRACE_S unless adopted.

How descendants are found: node and guardian are subreapers, so an orphan below us becomes a direct child of one of them.
After a leader was reaped, counting our own direct children (0.17 ms for 1,000) tells whether anything unknown is left;
only then is the list read. Killing one generation brings up the next, so it goes on until nothing unknown remains.
"""

import contextlib
import os
import signal
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol

from supervision.runtime.clock import Clock
from supervision.runtime.exits import ExitsFile, observe
from supervision.runtime.identity import read_stat
from supervision.runtime.launch import Launcher, LaunchPlan
from supervision.runtime.linux import pidfd_inode, signal_group
from supervision.runtime.loop import Loop
from supervision.runtime.processes import OwnChildrenCounter, describe, direct_children, read_mark

STRAY_GRACE_S = 5.0
MAX_DEPTH = 1000
"""Generations looked up before a process counts as below us."""
STATUS_RETRY_S = 0.02
STATUS_RETRIES = 50
"""An adopted child's status is known once the guardian recorded it: asked again for a second, then `lost`."""
IDENTITY_DELAY_S = 0.02
"""Reading /proc right after a spawn blocks 0.4 ms; later it costs microseconds."""


@dataclass(slots=True, eq=False)
class Leader:
    """A process we started or adopted: a child's main process, or a job that runs before, after or beside it."""

    key: str
    incarnation: int
    role: str
    pid: int
    pidfd: int
    parent: str
    on_gone: "Callable[[Leader], None]"
    keep_descendants: bool = False
    start_time: int | None = None
    inode: int | None = None
    asked_signal: int | None = None
    killed_for: str | None = None
    status: int | None = None
    status_source: str = "none"
    victims: set[int] = field(default_factory=set)
    retries: int = 0
    ended: bool = False


@dataclass(slots=True, eq=False)
class Relative:
    """A process that is not a leader: a descendant owned by `owner`, or a stray while `owner` is None."""

    pid: int
    pidfd: int
    parent: str
    owner: str | None
    since: float
    facts: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Mark:
    """What OVERSTORY_MARK says: which incarnation of which child, and which of its processes, carries it."""

    key: str
    incarnation: int
    role: str


def parse_mark(text: str | None, prefix: str) -> Mark | None:
    """`PREFIX key:incarnation:role`; None for what is not one of ours."""
    if text is None or not text.startswith(prefix):
        return None
    key, _, rest = text.removeprefix(prefix).partition(":")
    number, _, role = rest.partition(":")
    return Mark(key, int(number), role) if number.isdecimal() and role else None


class TableEvents(Protocol):
    """What the table tells its owner."""

    def identity_learnt(self, leaders: list[Leader]) -> None: ...

    def stray(self, what: str, relative: Relative) -> None: ...


class ProcessTable:
    """See the module's docstring. One owner, the node's loop."""

    def __init__(
        self,
        *,
        loop: Loop,
        clock: Clock,
        launcher: Launcher,
        exits: ExitsFile,
        guardian_pid: int | None,
        mark_prefix: str,
        events: TableEvents,
    ) -> None:
        self.loop = loop
        self.clock = clock
        self.launcher = launcher
        self.exits = exits
        self.guardian_pid = guardian_pid
        """None once it is dead: its number may be somebody else's, whose children are not ours to end."""
        self.mark_prefix = mark_prefix
        self.events = events
        self.leaders: dict[int, Leader] = {}
        self.relatives: dict[int, Relative] = {}
        self.keeps: Callable[[str], bool] = lambda key: False
        """Whether the descendants of a child outlive its incarnations."""
        self.adopted_strays: dict[int, tuple[int, str]] = {}
        self.ours_beside: set[int] = set()
        """Direct children that are none of the users': helpers."""
        self._ending: dict[int, Leader] = {}
        self._own = 0
        self._counter = OwnChildrenCounter()
        self._unidentified: list[Leader] = []

    # -- start, adopt -----------------------------------------------------------------------------------------------

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
        """Start a process; LaunchError where it cannot be."""
        pid = self.launcher.launch(plan)
        self._own += 1
        pidfd = os.pidfd_open(pid)
        leader = Leader(
            key,
            incarnation,
            role,
            pid,
            pidfd,
            "node",
            on_gone,
            keep_descendants=keep_descendants,
            inode=pidfd_inode(pidfd),
        )
        self._register(leader)
        return leader

    def adopt(
        self,
        *,
        key: str,
        incarnation: int,
        role: str,
        pid: int,
        pidfd: int,
        start_time: int | None,
        keep_descendants: bool,
        on_gone: Callable[[Leader], None],
    ) -> Leader:
        """Take over a living process that a predecessor started; the caller has compared its identity."""
        stat = read_stat(pid)
        parent = "other"
        if stat is not None:
            parent = (
                "node"
                if stat.ppid == os.getpid()
                else "guardian"
                if stat.ppid == self.guardian_pid
                else "other"
            )
            start_time = start_time if start_time is not None else stat.start_time
        leader = Leader(
            key,
            incarnation,
            role,
            pid,
            pidfd,
            parent,
            on_gone,
            keep_descendants=keep_descendants,
            start_time=start_time,
            inode=pidfd_inode(pidfd),
        )
        if parent == "node":
            self._own += 1
        self._register(leader)
        return leader

    def end_missing(self, leader: Leader, status: int | None, source: str) -> None:
        """A leader that died while no node lived (`leader.pidfd` is -1): end what it left, then `on_gone`."""
        leader.ended = True
        leader.status, leader.status_source = status, source
        self._end_descendants(leader)

    def adopt_stray(self, pid: int, key: str) -> Relative | None:
        """Give a stray to a child: it lives until that child is stopped. None when there is no such stray."""
        relative = self.relatives.get(pid)
        if relative is None or relative.owner is not None:
            return None
        relative.owner = key
        stat = read_stat(pid)
        self.adopted_strays[pid] = (stat.start_time if stat is not None else 0, key)
        return relative

    def _register(self, leader: Leader) -> None:
        self.leaders[leader.pid] = leader
        self.loop.watch(leader.pidfd, lambda: self._leader_readable(leader))
        if leader.start_time is None:
            if not self._unidentified:
                self.loop.call_later(IDENTITY_DELAY_S, self._identify)
            self._unidentified.append(leader)

    def _identify(self) -> None:
        waiting, self._unidentified = self._unidentified, []
        known = []
        for leader in waiting:
            if leader.ended or leader.pid not in self.leaders:
                continue
            stat = read_stat(leader.pid)
            if stat is not None:
                leader.start_time = stat.start_time
                known.append(leader)
        if known:
            self.events.identity_learnt(known)

    # -- signals ----------------------------------------------------------------------------------------------------

    def signal(self, leader: Leader, number: int) -> None:
        """Send `number` to the leader itself; a dead one is ignored."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            signal.pidfd_send_signal(leader.pidfd, number)

    def kill(self, leader: Leader, why: str | None) -> None:
        """SIGKILL to the leader and its group; descendants elsewhere follow when it is reaped."""
        if leader.killed_for is None:
            leader.killed_for = why
        with contextlib.suppress(ProcessLookupError):
            signal_group(leader.pidfd, leader.pid, signal.SIGKILL)
        self.signal(leader, signal.SIGKILL)

    def helper_started(self, pid: int) -> None:
        """A direct child of the node that is nobody's child in a tree."""
        self.ours_beside.add(pid)
        self._own += 1

    def helper_ended(self, pid: int) -> None:
        """After its reap."""
        self.ours_beside.discard(pid)
        self._own -= 1

    # -- ends -------------------------------------------------------------------------------------------------------

    def _leader_readable(self, leader: Leader) -> None:
        if leader.ended:
            return
        status, source = self._status_and_reap(leader)
        if status is None and leader.parent != "node" and leader.retries < STATUS_RETRIES:
            leader.retries += 1
            self.loop.unwatch(leader.pidfd)
            self.loop.call_later(STATUS_RETRY_S, lambda: self._leader_readable(leader))
            return
        leader.ended = True
        leader.status, leader.status_source = status, source
        self.loop.unwatch(leader.pidfd)
        del self.leaders[leader.pid]
        if leader.parent == "node":
            self._own -= 1
        if leader.keep_descendants and leader.asked_signal is None and leader.killed_for is None:
            self._own_newcomers(leader)
            self._gone(leader)
        elif self._nothing_unknown(leader):
            self._gone(leader)
        else:
            self._end_descendants(leader)

    def _status_and_reap(self, leader: Leader) -> tuple[int | None, str]:
        """Kill the group while its leader is still a zombie (after the reap the number may be somebody else's)."""
        whole = (
            not leader.keep_descendants or leader.asked_signal is not None or leader.killed_for is not None
        )
        if whole:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                signal_group(leader.pidfd, leader.pid, signal.SIGKILL)
        if leader.parent == "node":
            with contextlib.suppress(ChildProcessError):
                return os.waitpid(leader.pid, 0)[1], "wait"
        seen = observe(leader.pid, leader.pidfd, leader.start_time, self.exits)
        return seen.status, seen.source

    def _nothing_unknown(self, leader: Leader) -> bool:
        if any(relative.owner == leader.key for relative in self.relatives.values()):
            return False
        return leader.parent == "node" and self._counter.count() == self._own

    def _end_descendants(self, leader: Leader) -> None:
        """Kill what descends from an ended leader and wait for it; calls itself again for the next generation."""
        victims = [r for r in self.relatives.values() if r.owner == leader.key]
        victims += [r for r in self._newcomers() if self._belongs_to_ended(r, leader)]
        if not victims:
            self._gone(leader)
            return
        for victim in victims:
            victim.owner = leader.key
            leader.victims.add(victim.pid)
            self._ending[victim.pid] = leader
            with contextlib.suppress(ProcessLookupError, PermissionError):
                signal.pidfd_send_signal(victim.pidfd, signal.SIGKILL)

    def _belongs_to_ended(self, relative: Relative, leader: Leader) -> bool:
        """A newcomer that no living child claims came up because `leader` ended."""
        return relative.owner is None or relative.owner == leader.key

    def _gone(self, leader: Leader) -> None:
        if leader.pidfd >= 0:
            os.close(leader.pidfd)
            leader.pidfd = -1
        leader.on_gone(leader)

    # -- relatives: descendants and strays --------------------------------------------------------------------------

    def _newcomers(self) -> list[Relative]:
        """Direct children of node and guardian that we do not know yet, each with its owner where one can be told."""
        found = []
        for parent, pid_of_parent in (("node", os.getpid()), ("guardian", self.guardian_pid)):
            if pid_of_parent is None:
                continue
            for pid in direct_children(pid_of_parent):
                if (
                    pid in self.leaders
                    or pid in self.relatives
                    or pid in self.ours_beside
                    or pid == os.getpid()
                ):
                    continue
                relative = self._relative(pid, parent)
                if relative is not None:
                    found.append(relative)
        return found

    def _relative(self, pid: int, parent: str) -> Relative | None:
        try:
            pidfd = os.pidfd_open(pid)
        except ProcessLookupError:
            return None
        relative = Relative(
            pid, pidfd, parent, self._owner(pid), self.clock.boot(), dict(describe(pid) or {})
        )
        if parent == "node":
            self._own += 1
        self.relatives[pid] = relative
        self.loop.watch(pidfd, lambda: self._relative_readable(relative))
        return relative

    def _owner(self, pid: int) -> str | None:
        """The child a process descends from: by session or group of a living leader, else by its marker."""
        stat = read_stat(pid)
        if stat is not None:
            for number in (stat.session, stat.pgrp):
                leader = self.leaders.get(number)
                if leader is not None and number != pid:
                    return leader.key
        adopted = self.adopted_strays.get(pid)
        if adopted is not None and stat is not None and stat.start_time == adopted[0]:
            return adopted[1]
        mark = parse_mark(read_mark(pid), self.mark_prefix)
        if mark is None:
            return None
        living = any(
            leader.key == mark.key and leader.incarnation == mark.incarnation
            for leader in self.leaders.values()
        )
        return mark.key if living or self.keeps(mark.key) else None

    def _relative_readable(self, relative: Relative) -> None:
        if relative.parent == "node":
            with contextlib.suppress(ChildProcessError):
                os.waitpid(relative.pid, os.WNOHANG)
            self._own -= 1
        self.loop.unwatch(relative.pidfd)
        os.close(relative.pidfd)
        self.relatives.pop(relative.pid, None)
        self.adopted_strays.pop(relative.pid, None)
        leader = self._ending.pop(relative.pid, None)
        if leader is not None:
            leader.victims.discard(relative.pid)
            if not leader.victims:
                self._end_descendants(leader)
        elif relative.owner is None:
            self.events.stray("ended", relative)

    def _own_newcomers(self, leader: Leader) -> None:
        """`descendants: keep`: what an ended leader left behind stays, owned by the child's key."""
        for relative in self._newcomers():
            if relative.owner is None:
                relative.owner = leader.key

    def scan(self) -> None:
        """Once a second: find what came up since, end strays whose time is over."""
        for relative in self._newcomers():
            if relative.owner is None:
                self.events.stray("found", relative)
        limit = self.clock.boot() - STRAY_GRACE_S
        for relative in list(self.relatives.values()):
            if relative.owner is None and relative.since <= limit:
                relative.owner = self._owner(relative.pid)  # right after its exec the environment reads empty
                if relative.owner is None:
                    self.end_relative(relative)

    def take_outsider(self, pid: int) -> Relative | None:
        """Look at `pid`, found by its marker or in our cgroup: a stray unless somebody above it is known to us."""
        if self._is_below_us(pid):
            return None
        relative = self._relative(pid, "other")
        if relative is not None and relative.owner is None:
            self.events.stray("found", relative)
        return relative

    def _is_below_us(self, pid: int) -> bool:
        """Whether `pid` is, or descends from, a process of ours. Then its end comes with that one's, or `scan` finds it."""
        for _ in range(MAX_DEPTH):
            if pid in self.leaders or pid in self.relatives or pid in self.ours_beside:
                return True
            if pid in (os.getpid(), self.guardian_pid):
                return True
            stat = read_stat(pid)
            if stat is None or stat.ppid <= 1:
                return False
            pid = stat.ppid
        return True

    def end_relative(self, relative: Relative) -> None:
        """SIGKILL; its own descendants come up as newcomers."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            signal.pidfd_send_signal(relative.pidfd, signal.SIGKILL)

    def end_owned(self, key: str) -> None:
        """Kill the kept descendants of a child that was stopped or removed."""
        for relative in list(self.relatives.values()):
            if relative.owner == key:
                self.end_relative(relative)

    def strays(self) -> list[Relative]:
        return [relative for relative in self.relatives.values() if relative.owner is None]

    def owned_by(self, key: str) -> list[Relative]:
        return [relative for relative in self.relatives.values() if relative.owner == key]

    def close(self) -> None:
        """Close the pidfds that are not handed over; the processes live on."""
        self._counter.close()
        for leader in self.leaders.values():
            if leader.parent == "node":
                os.close(leader.pidfd)
        for relative in self.relatives.values():
            os.close(relative.pidfd)

    # -- handing over -----------------------------------------------------------------------------------------------

    def foreign_pidfds(self) -> Iterable[tuple[int, int]]:
        """(pid, pidfd) of children that are not ours to wait for: their status lives only as long as a pidfd does."""
        return [(leader.pid, leader.pidfd) for leader in self.leaders.values() if leader.parent != "node"]
