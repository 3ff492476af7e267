"""Every process below the node: the leaders we started or adopted, and how each one ends.

Guarantee: `on_gone` of a leader is called once, after its exit status is known and, with `descendants: kill`, after every
process that descended from it is gone (RUNTIME "Strays and whole trees"). A leader of ours stays a zombie until `reap`, so
that its status is not lost with us before somebody has recorded it.

After a leader ended, counting our own direct children (0.17 ms for 1,000) tells whether anything unknown is left; only then
is the list read. Killing one generation brings up the next, so it goes on until nothing unknown remains (relatives.py).
"""

import contextlib
import os
import signal
from collections.abc import Callable, Iterable
from functools import partial
from typing import Protocol

from supervision.runtime.clock import Clock
from supervision.runtime.exits import ExitsFile, observe, peek
from supervision.runtime.identity import Stat, read_stat
from supervision.runtime.kinship import Kinship, Leader, Relative
from supervision.runtime.launch import Launcher
from supervision.runtime.launch_spec import LaunchPlan, NextLife
from supervision.runtime.linux import pidfd_inode, signal_group
from supervision.runtime.loop import Loop
from supervision.runtime.own_processes import OwnProcesses
from supervision.runtime.relatives import Relatives
from supervision.runtime.template_order import Forked
from supervision.runtime.vfork import Prebuilt, encoded

STATUS_RETRY_S = 0.02
STATUS_RETRIES = 50
"""An adopted child's status is known once the guardian recorded it: asked again for a second, then `lost`."""
LATE_S = 0.05
IDENTITY_DELAY_S = 0.02
"""Reading /proc right after a spawn blocks 0.4 ms; later it costs microseconds."""
IDENTITY_AT_LATEST_S = 1.0
"""Where many start and the pidfd tells one process from another already: behind them, a tenth of a start of a thousand."""


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
        self.own = OwnProcesses(kinship, guardian_pid)
        self.kinship = kinship
        self.leaders = kinship.leaders
        self.events = events
        self.relatives = Relatives(
            own=self.own,
            kinship=kinship,
            loop=loop,
            clock=clock,
            on_victims_gone=self._end_descendants,
            on_stray=lambda what, relative: events.stray(what, relative),
        )
        self.reap_of_template: Callable[[int, int], None] = lambda template, pid: None
        """Tells a template that how a child of its ended is on record."""
        self._unidentified: list[Leader] = []
        self._first_unidentified = self._last_unidentified = 0.0
        """Boot seconds at which the first and the last of them came."""
        self._started_in = -2

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
        started = self.launcher.start(plan, child_first=self._is_on_its_own())
        return self._lead(
            started,
            key=key,
            incarnation=incarnation,
            role=role,
            keep_descendants=keep_descendants,
            on_gone=on_gone,
        )

    def prebuild(self, plan: LaunchPlan, *, without: Iterable[str]) -> Prebuilt | None:
        """As Launcher.prebuild: for `spawn_next`."""
        return self.launcher.prebuild(plan, without=without)

    def spawn_next(
        self,
        life: NextLife,
        *,
        key: str,
        incarnation: int,
        role: str,
        keep_descendants: bool,
        on_gone: Callable[[Leader], None],
    ) -> Leader | None:
        """As `spawn`, where all but the life itself was put together beforehand; None where it failed."""
        on_its_own = self._is_on_its_own()
        started = self._from_standby(life) if on_its_own else None
        if started is None:
            started = self.launcher.start_next(life, child_first=on_its_own)
        if started is None:
            return None
        return self._lead(
            started,
            key=key,
            incarnation=incarnation,
            role=role,
            keep_descendants=keep_descendants,
            on_gone=on_gone,
        )

    def stand_by(self, ledger: int) -> None:
        """Have a process ready for the next start on its own; `ledger` is the spare files'. Call by a timer: one that is
        late tells that we get no processor, and then the new process would get none either, and we wait for its exec."""
        standby = self.launcher.standby
        if standby is None or self.loop.late_s > LATE_S:
            return
        if standby.pid is not None and peek(standby.pid) is not None:
            self.end_standby()  # somebody ended it
        pid = standby.make(ledger)
        if pid is not None:
            self.own.helper_started(pid)

    def end_standby(self) -> None:
        """Before this process goes on as something else, or ends."""
        standby = self.launcher.standby
        if standby is not None and standby.pid is not None:
            self.own.helper_ended(standby.pid)
            standby.end()

    def _from_standby(self, life: NextLife) -> tuple[int, int] | None:
        """The process that stands by becomes this life; None where there is none, or it could not."""
        standby = self.launcher.standby
        if standby is None or standby.pid is None:
            return None
        self.own.helper_ended(standby.pid)
        pair = life.spare if life.spare is None else standby.note(life.spare)
        return standby.become(encoded(life.prebuilt.text(life.stdout, life.stderr, pair, life.own)))

    def _lead(
        self,
        started: tuple[int, int],
        *,
        key: str,
        incarnation: int,
        role: str,
        keep_descendants: bool,
        on_gone: Callable[[Leader], None],
    ) -> Leader:
        pid, pidfd = started
        self.own.count += 1
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
        stat: Stat | None = None,
    ) -> Leader:
        """Take over a living process that a predecessor started; the caller has compared its identity, and may have read
        its `stat`."""
        stat = stat or read_stat(pid)
        parent = "other" if stat is None else self.own.parent_of(stat)
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
            self.own.count += 1
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
        stray = self.relatives.by_pid.pop(forked.pid, None)
        if stray is not None:  # its template died, and it came up here before it was announced
            self.relatives.close_one(stray)
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
            self.own.count += 1
        self._register(leader)
        return leader

    def template_ended(self, template: int) -> None:
        """Its children are ours now: the living, and the zombies that nobody has recorded yet."""
        for leader in (*self.leaders.values(), *self.own.zombies.values()):
            if leader.template == template:
                leader.parent, leader.template = "node", None
                self.own.count += 1

    def missing(self, leader: Leader, status: int | None, source: str) -> None:
        """A leader that died while no node lived (`leader.pidfd` is -1). `end_missing` follows, once all are known."""
        leader.ended = True
        leader.status, leader.status_source = status, source
        self.kinship.ending[leader.pid] = leader

    def end_missing(self, leader: Leader) -> None:
        """End what it left, then `on_gone`. The caller has just called `discover`."""
        self._end_discovered(leader)

    def _register(self, leader: Leader) -> None:
        self.kinship.add(leader)
        self.loop.watch(leader.pidfd, partial(self._leader_readable, leader))
        if leader.start_time is None:
            self._last_unidentified = self.clock.boot()
            if not self._unidentified:
                self._first_unidentified = self._last_unidentified
                self.loop.call_at(self._last_unidentified + IDENTITY_DELAY_S, self._identify)
            self._unidentified.append(leader)

    def _identify(self) -> None:
        """Learn the start times of those that came; where all have an inode, once no other start is near."""
        if all(leader.inode for leader in self._unidentified):
            due = min(
                self._last_unidentified + IDENTITY_DELAY_S, self._first_unidentified + IDENTITY_AT_LATEST_S
            )
            if self.clock.boot() < due:
                self.loop.call_at(due, self._identify)
                return
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
        if leader.pidfd >= 0 and not self.relatives.keeps(leader):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                signal_group(leader.pidfd, leader.pid, signal.SIGKILL)

    def helper_started(self, pid: int, *, direct: bool = True) -> None:
        """As OwnProcesses.helper_started."""
        self.own.helper_started(pid, direct=direct)

    def helper_ended(self, pid: int, *, direct: bool = True) -> None:
        """As OwnProcesses.helper_ended."""
        self.own.helper_ended(pid, direct=direct)

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
            self.own.zombies[leader.pid] = leader
        if leader.keep_descendants and self.relatives.keeps(leader):
            self._learn_start_of(leader)
            self.relatives.own_newcomers(leader)
            self._end_discovered(leader)
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
        if self.relatives.victims_of(leader):
            return False
        return leader.parent in ("node", "template") and self.own.are_all()

    def _end_descendants(self, leader: Leader) -> None:
        """Kill what descends from an ended leader and wait for it; called again for the next generation."""
        self._learn_start_of(leader)
        self.relatives.discover()
        if leader.parent == "guardian" and self.own.guardian_pid is None:
            leader.parent = "other"
        if leader.parent == "other":
            self.relatives.discover_outside()
        self._end_discovered(leader)

    def _learn_start_of(self, leader: Leader) -> None:
        """Of one that ended before its start time was read: it is still a zombie."""
        if leader.start_time is None and leader.parent in ("node", "template"):
            stat = read_stat(leader.pid)
            leader.start_time = stat.start_time if stat is not None else None

    def _end_discovered(self, leader: Leader) -> None:
        victims = self.relatives.victims_of(leader)
        if not victims:
            self._gone(leader)
            return
        for victim in victims:
            leader.victims |= {victim.pid}
            victim.awaited_by.append(leader)
            self.relatives.end_relative(victim)

    def _gone(self, leader: Leader) -> None:
        self.kinship.ending.pop(leader.pid, None)
        pidfd, leader.pidfd = leader.pidfd, -1
        leader.on_gone(leader)
        if pidfd >= 0:  # behind the start of its replacement: this could wait
            self.loop.unwatch(pidfd)
            os.close(pidfd)

    def reap(self, leader: Leader) -> None:
        """How it ended is on record: let it go."""
        if self.own.zombies.get(leader.pid) is leader:
            del self.own.zombies[leader.pid]
            if leader.template is not None:
                self.reap_of_template(leader.template, leader.pid)
                return
            with contextlib.suppress(ChildProcessError):
                os.waitpid(leader.pid, os.WNOHANG)
            self.own.count -= 1

    # -- handing over -----------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Close the pidfds that are not handed over; the processes live on."""
        self.own.close()
        for leader in (*self.own.zombies.values(), *self.leaders.values()):
            if leader.parent == "node" and leader.pidfd >= 0:
                os.close(leader.pidfd)
        self.relatives.close()

    def foreign_pidfds(self) -> Iterable[tuple[int, int]]:
        """(pid, pidfd) of children that are not ours to wait for: their status lives only as long as a pidfd does."""
        return [(leader.pid, leader.pidfd) for leader in self.leaders.values() if leader.parent != "node"]
