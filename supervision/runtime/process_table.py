"""Every process below the node: leaders we started, their descendants, and strays; and how each one ends.

Guarantee: `on_gone` of a leader is called once, after its exit status is known and, with `descendants: kill`, after every
process that descended from it is gone (RUNTIME "Strays and whole trees"). A leader of ours stays a zombie until `reap`, so
that its status is not lost with us before somebody has recorded it. A direct child of node or guardian that belongs to
nobody is a stray: announced, and killed after STRAY_GRACE_S unless adopted.

How descendants are found: node and guardian are subreapers, so an orphan below us becomes a direct child of one of them.
After a leader ended, counting our own direct children (0.17 ms for 1,000) tells whether anything unknown is left; only then
is the list read. Killing one generation brings up the next, so it goes on until nothing unknown remains. What belongs to a
child that lost node and guardian at once comes up below init: `outsiders` finds it, by our control group or by its marker.

Limit: what scrubbed its environment, closed its output and left its session cannot be told from such a descendant of
another child. A stray of that kind ends with the next child that could have been its ancestor, before its grace is over: a
replacement beside a descendant of its predecessor is the worse mistake.
"""

import contextlib
import os
import signal
from collections.abc import Callable, Iterable
from typing import Protocol

from supervision.runtime.clock import Clock
from supervision.runtime.exits import ExitsFile, observe, peek
from supervision.runtime.identity import Stat, read_stat
from supervision.runtime.kinship import Kinship, Leader, Relative
from supervision.runtime.launch import Launcher, LaunchPlan
from supervision.runtime.linux import pidfd_inode, signal_group
from supervision.runtime.loop import Loop
from supervision.runtime.processes import OwnChildrenCounter, describe, direct_children
from supervision.runtime.template_order import Forked

STRAY_GRACE_S = 5.0
STRAY_SETTLE_S = 0.5
"""Right after its exec a process's environment reads empty: nobody is called a stray before this."""
STATUS_RETRY_S = 0.02
STATUS_RETRIES = 50
"""An adopted child's status is known once the guardian recorded it: asked again for a second, then `lost`."""
IDENTITY_DELAY_S = 0.02
"""Reading /proc right after a spawn blocks 0.4 ms; later it costs microseconds."""
LIST_EVERY = 10
MAX_DEPTH = 1000
"""Ancestors looked at; more only where pids are recycled while we look."""


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
        kinship: Kinship,
        events: TableEvents,
    ) -> None:
        self.loop = loop
        self.clock = clock
        self.launcher = launcher
        self.exits = exits
        self.guardian_pid = guardian_pid
        """None once it is dead: its number may be somebody else's, whose children are not ours to end."""
        self.kinship = kinship
        self.leaders = kinship.leaders
        self.events = events
        self.relatives: dict[int, Relative] = {}
        self.wanted: Callable[[str], bool] = lambda key: True
        """Whether a child is to run: what it owns ends with it otherwise."""
        self.outsiders: Callable[[], Iterable[int]] = lambda: ()
        """Pids that may be ours although no process of ours is above them; some of them are not."""
        self.known_strays: dict[int, tuple[int, float]] = {}
        """pid -> (start time, boot clock) of strays that a dead node announced: their grace goes on."""
        self.ours_beside: set[int] = set()
        """Processes of ours that are none of the users': helpers, templates, spares."""
        self.reap_of_template: Callable[[int, int], None] = lambda template, pid: None
        """Tells a template that how a child of its ended is on record."""
        self._zombies: dict[int, Leader] = {}
        """Ours, ended, kept until somebody has recorded how."""
        self._own = 0
        self._counter = OwnChildrenCounter()
        self._unidentified: list[Leader] = []
        self._started_in = -2
        self._scans = 0

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
        pid, pidfd = self.launcher.start(plan, child_first=self._is_on_its_own())
        self._own += 1
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

    def _is_on_its_own(self) -> bool:
        """Whether no other start is near. Then the process just started goes before our book-keeping: it stands in the queue
        of the processor we are on, and every microsecond of ours would be one of its own. Many starts would be held up by
        it: those come round after round of the loop."""
        on_its_own = self.loop.rounds > self._started_in + 1
        self._started_in = self.loop.rounds
        return on_its_own

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
        parent = "other" if stat is None else self._parent(stat)
        if start_time is None and stat is not None:
            start_time = stat.start_time
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
        """What a template forked for us, or made of a spare, is the leader of an incarnation from now on."""
        stray = self.relatives.pop(forked.pid, None)
        if stray is not None:  # its template died, and it came up here before it was announced
            self._close_relative(stray)
        leader = Leader(
            key,
            incarnation,
            role,
            forked.pid,
            forked.pidfd,
            "node" if forked.template is None else "template",
            on_gone,
            keep_descendants=keep_descendants,
            inode=pidfd_inode(forked.pidfd),
            template=forked.template,
        )
        if forked.template is None:
            self._own += 1
        self._register(leader)
        return leader

    def template_ended(self, template: int) -> None:
        """Its children are ours now: the living, and the zombies that nobody has recorded yet."""
        for leader in (*self.leaders.values(), *self._zombies.values()):
            if leader.template == template:
                leader.parent, leader.template = "node", None
                self._own += 1

    def missing(self, leader: Leader, status: int | None, source: str) -> None:
        """A leader that died while no node lived (`leader.pidfd` is -1). `end_missing` follows, once all are known."""
        leader.ended = True
        leader.status, leader.status_source = status, source
        self.kinship.ending[leader.pid] = leader

    def end_missing(self, leader: Leader) -> None:
        """End what it left, then `on_gone`. The caller has just called `discover`."""
        self._end_discovered(leader)

    def adopt_stray(self, pid: int, key: str) -> Relative | None:
        """Give a stray to a child, as if it descended from it. None when there is no such stray."""
        relative = self.relatives.get(pid)
        if relative is None or relative.owner is not None or relative.awaited_by:
            return None
        self._give(relative, key)
        return relative

    def _give(self, relative: Relative, key: str) -> None:
        relative.owner = key
        self.kinship.adopted[relative.pid] = (relative.start_time, key)

    def _parent(self, stat: Stat) -> str:
        return (
            "node" if stat.ppid == os.getpid() else "guardian" if stat.ppid == self.guardian_pid else "other"
        )

    def _register(self, leader: Leader) -> None:
        self.kinship.add(leader)
        self.loop.watch(leader.pidfd, lambda: self._leader_readable(leader))
        if leader.start_time is None:
            if not self._unidentified:
                self.loop.call_later(IDENTITY_DELAY_S, self._identify)
            self._unidentified.append(leader)

    def _identify(self) -> None:
        waiting, self._unidentified = self._unidentified, []
        known = []
        for leader in waiting:
            if leader.ended:
                continue
            stat = read_stat(leader.pid)
            if stat is not None:
                leader.start_time = stat.start_time
                known.append(leader)
        if known:
            self.events.identity_learnt(known)

    def guardian_died(self) -> None:
        """Its children are init's now, and so will be what they leave."""
        self.guardian_pid = None
        for leader in self.leaders.values():
            if leader.parent == "guardian":
                leader.parent = "other"

    # -- signals ----------------------------------------------------------------------------------------------------

    def signal(self, leader: Leader, number: int) -> None:
        """Send `number` to the leader itself; a dead one is ignored."""
        if leader.pidfd < 0:
            return  # it died while no node lived
        with contextlib.suppress(ProcessLookupError, PermissionError):
            signal.pidfd_send_signal(leader.pidfd, number)

    def kill(self, leader: Leader, why: str | None) -> None:
        """SIGKILL to the leader and, unless they are kept, its group; descendants elsewhere follow when it ended."""
        if leader.killed_for is None:
            leader.killed_for = why
        self._kill_group(leader)
        self.signal(leader, signal.SIGKILL)

    def _kill_group(self, leader: Leader) -> None:
        """While its leader lives or is a zombie; after the reap the number may be somebody else's."""
        if leader.pidfd >= 0 and not self._keeps(leader):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                signal_group(leader.pidfd, leader.pid, signal.SIGKILL)

    def _keeps(self, leader: Leader) -> bool:
        return leader.keep_descendants and self.kinship.keeps(leader.key)

    def helper_started(self, pid: int, *, direct: bool = True) -> None:
        """A process that is nobody's child in a tree; `direct`: a child of the node, not of a template."""
        self.ours_beside.add(pid)
        self._own += direct

    def helper_ended(self, pid: int, *, direct: bool = True) -> None:
        """After its reap, or when it becomes a leader."""
        self.ours_beside.discard(pid)
        self._own -= direct

    # -- ends -------------------------------------------------------------------------------------------------------

    def _leader_readable(self, leader: Leader) -> None:
        if leader.ended:
            return
        if leader.parent == "node":
            status, source = peek(leader.pid), "wait"
            if status is None:
                return
        else:
            self._kill_group(leader)
            seen = observe(leader.pid, leader.pidfd, leader.start_time, self.exits)
            status, source = seen.status, seen.source
            if status is None and leader.retries < STATUS_RETRIES:
                leader.retries += 1
                self.loop.unwatch(leader.pidfd)
                self.loop.call_later(STATUS_RETRY_S, lambda: self._leader_readable(leader))
                return
        leader.ended = True
        leader.status, leader.status_source = status, source
        self.kinship.remove(leader)
        if leader.parent in ("node", "template"):
            self._zombies[leader.pid] = leader
        if leader.keep_descendants and self._keeps(leader):
            self._own_newcomers(leader)
            self._gone(leader)
        elif self._nothing_unknown(leader):
            self._gone(leader)
        else:
            self._kill_group(leader)
            self.kinship.ending[leader.pid] = leader
            self._end_descendants(leader)
        if leader.pidfd >= 0:
            self.loop.unwatch(leader.pidfd)

    def _nothing_unknown(self, leader: Leader) -> bool:
        """What it left would be a direct child of ours by now, its group's members too: without one there is none."""
        if self.relatives and any(relative.may_descend_from(leader) for relative in self.relatives.values()):
            return False
        return leader.parent in ("node", "template") and self._counter.is_at_most(self._own)

    def _end_descendants(self, leader: Leader) -> None:
        """Kill what descends from an ended leader and wait for it; called again for the next generation."""
        if leader.start_time is None and leader.parent in ("node", "template"):
            stat = read_stat(leader.pid)  # still a zombie
            leader.start_time = stat.start_time if stat is not None else None
        self.discover()
        if leader.parent == "guardian" and self.guardian_pid is None:
            leader.parent = "other"
        if leader.parent == "other":
            self.discover_outside()
        self._end_discovered(leader)

    def _end_discovered(self, leader: Leader) -> None:
        victims = [relative for relative in self.relatives.values() if relative.may_descend_from(leader)]
        if not victims:
            self._gone(leader)
            return
        for victim in victims:
            leader.victims.add(victim.pid)
            victim.awaited_by.append(leader)
            self.end_relative(victim)

    def _gone(self, leader: Leader) -> None:
        self.kinship.ending.pop(leader.pid, None)
        pidfd, leader.pidfd = leader.pidfd, -1
        leader.on_gone(leader)
        if pidfd >= 0:  # behind the start of its replacement: this could wait
            self.loop.unwatch(pidfd)
            os.close(pidfd)

    def reap(self, leader: Leader) -> None:
        """How it ended is on record: let it go."""
        if self._zombies.get(leader.pid) is leader:
            del self._zombies[leader.pid]
            if leader.template is not None:
                self.reap_of_template(leader.template, leader.pid)
                return
            with contextlib.suppress(ChildProcessError):
                os.waitpid(leader.pid, os.WNOHANG)
            self._own -= 1

    # -- relatives: descendants and strays --------------------------------------------------------------------------

    def discover(self) -> list[Relative]:
        """Direct children of node and guardian that we did not know yet."""
        return self._discover_ours() + self._discover_guardians()

    def _discover_ours(self) -> list[Relative]:
        return self._look_again(lambda: direct_children(os.getpid()))

    def _discover_guardians(self) -> list[Relative]:
        above = self.guardian_pid
        if above is None:
            return []
        found = self._look_again(lambda: direct_children(above))
        guardian = read_stat(above)
        if guardian is None or guardian.is_exiting:  # so what we read of it may not be all there is
            self.guardian_died()
        return found

    def discover_outside(self) -> None:
        """What is ours and below neither node nor guardian: it escaped while both were dead, or is found only so."""
        self._look_again(lambda: [pid for pid in self.outsiders() if not self._is_below_us(pid)])

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
        return (
            pid in self.leaders
            or pid in self.relatives
            or pid in self.ours_beside
            or pid in self._zombies
            or pid == os.getpid()
        )

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
        parent = self._parent(stat)
        owner, origin = self.kinship.trace(pid, stat)
        relative = Relative(
            pid, pidfd, parent, owner, origin, self.clock.boot(), stat.start_time, describe(pid)
        )
        announced = self.known_strays.get(pid)
        if announced is not None and announced[0] == stat.start_time:
            relative.since, relative.shown = announced[1], True
        if parent == "node":
            self._own += 1
        self.relatives[pid] = relative
        self.loop.watch(pidfd, lambda: self._relative_readable(relative))
        return relative

    def _close_relative(self, relative: Relative) -> None:
        if relative.parent == "node":
            self._own -= 1
        self.loop.unwatch(relative.pidfd)
        os.close(relative.pidfd)

    def _relative_readable(self, relative: Relative) -> None:
        if relative.parent == "node":
            with contextlib.suppress(ChildProcessError):
                os.waitpid(relative.pid, os.WNOHANG)
        self._close_relative(relative)
        self.relatives.pop(relative.pid, None)
        self.kinship.adopted.pop(relative.pid, None)
        if relative.shown and relative.owner is None:
            self.events.stray("ended", relative)
        for leader in relative.awaited_by:
            leader.victims.discard(relative.pid)
            if not leader.victims:
                self._end_descendants(leader)

    def _own_newcomers(self, leader: Leader) -> None:
        """`descendants: keep`: what an ended leader left behind stays, owned by the child's key."""
        for relative in self.discover():
            if relative.owner is None and relative.may_descend_from(leader):
                self._give(relative, leader.key)
                self.events.stray("adopted", relative)

    def scan(self) -> None:
        """Once a second: find what came up since, end strays whose time is over and what a child left that is to be down.

        Our own children are counted, and listed where there is one too many; each tenth time they are listed whatever the
        count says.
        """
        self._scans += 1
        if self._scans % LIST_EVERY == 0 or not self._counter.is_at_most(self._own):
            self._discover_ours()
        self._discover_guardians()
        if not self.relatives:
            return
        now = self.clock.boot()
        busy = {leader.key for leader in (*self.leaders.values(), *self.kinship.ending.values())}
        for relative in list(self.relatives.values()):
            if relative.owner is None and not relative.awaited_by:
                self._scan_stray(relative, now)
            elif (
                relative.owner is not None and relative.owner not in busy and not self.wanted(relative.owner)
            ):
                self.end_relative(relative)

    def _scan_stray(self, relative: Relative, now: float) -> None:
        stat = read_stat(relative.pid)
        if stat is None or relative.since > now - STRAY_SETTLE_S:
            return
        relative.owner, relative.origin = self.kinship.trace(relative.pid, stat)
        if relative.owner is not None:
            return
        if not relative.shown:
            relative.shown, relative.since = True, now
            relative.facts = describe(relative.pid)
            self.events.stray("found", relative)
        if relative.since <= now - STRAY_GRACE_S:
            self.end_relative(relative)

    def _is_below_us(self, pid: int) -> bool:
        """Whether `pid` is, or descends from, a process of ours. Then its end comes with that one's, or `scan` finds it."""
        above = pid
        for _ in range(MAX_DEPTH):
            if self._is_known(above) or above == self.guardian_pid:
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
        for relative in list(self.relatives.values()):
            if relative.owner == key:
                self.end_relative(relative)

    def strays(self) -> list[Relative]:
        return [r for r in self.relatives.values() if r.owner is None and r.shown and not r.awaited_by]

    def strays_to_remember(self) -> dict[int, tuple[int, float]]:
        """For a successor, as `known_strays`."""
        return {relative.pid: (relative.start_time, relative.since) for relative in self.strays()}

    # -- handing over -----------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Close the pidfds that are not handed over; the processes live on."""
        self._counter.close()
        for leader in (*self._zombies.values(), *self.leaders.values()):
            if leader.parent == "node" and leader.pidfd >= 0:
                os.close(leader.pidfd)
        for relative in self.relatives.values():
            os.close(relative.pidfd)

    def foreign_pidfds(self) -> Iterable[tuple[int, int]]:
        """(pid, pidfd) of children that are not ours to wait for: their status lives only as long as a pidfd does."""
        return [(leader.pid, leader.pidfd) for leader in self.leaders.values() if leader.parent != "node"]
