"""Reading what children use out of /proc: each process is found once, and then read through a descriptor that stays open.

A descriptor of /proc/PID/stat belongs to that very process: once it is gone reading fails, whoever has its number then. So
a process that vanished is a gap and never somebody else's value. One that has ended and that nobody reaped is counted for as
long as it stands there. What is dear to read is read in turn (sampler_turns.py).
"""

import os
from collections.abc import Collection, Iterable

from supervision.runtime.clock import Clock
from supervision.runtime.kinship import parse_mark
from supervision.runtime.processes import read_mark
from supervision.runtime.sampler_reading import (
    STAT_BYTES,
    Reading,
    count_descriptors,
    counts_descriptors,
    parse,
    read_stat,
)
from supervision.runtime.sampler_ring import Sample
from supervision.runtime.sampler_turns import Slow, Turns

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_IMAGE_BITS = 0x7FFFFFFF


class Process:
    """A process of a child: its open descriptor and what it had used when it was read last."""

    __slots__ = ("at", "child", "fd", "pid", "slow", "ticks")

    def __init__(self, pid: int, fd: int, child: "SampledChild") -> None:
        self.pid, self.fd, self.child = pid, fd, child
        self.ticks: int | None = None
        self.at = 0.0
        self.slow = Slow(pid)


class SampledChild:
    """A child's current life: its own process and those that were found below it.

    image   names what its own process runs: another number after each exec; 0 where we may not know
    disk    bytes in its data directory, where it has one; disk_left: on its file system
    """

    __slots__ = (
        "alone",
        "disk",
        "disk_left",
        "image",
        "incarnation",
        "is_job",
        "key",
        "pid",
        "processes",
        "start_time",
    )

    def __init__(self, key: str, incarnation: int, pid: int, start_time: int) -> None:
        self.key, self.incarnation, self.pid, self.start_time = key, incarnation, pid, start_time
        self.processes: dict[int, Process] = {}
        self.image = 0
        self.alone = False
        self.is_job = False
        self.disk: int | None = None
        self.disk_left: int | None = None


class SampledProcesses:
    """Every child with all that descends from it. `look` is one round."""

    def __init__(self, clock: Clock, mark_prefix: str = "") -> None:
        self.children: dict[str, SampledChild] = {}
        self._clock = clock
        self._mark_prefix = mark_prefix
        self._known: dict[int, Process] = {}
        self._strangers: set[int] = set()
        self._leaders: dict[int, SampledChild] = {}
        self._turns = Turns(clock)
        self._looked_at = 0.0
        self._counts_fds = counts_descriptors()

    def set_children(
        self,
        children: Iterable[tuple[str, int, int, int]],
        *,
        whole: bool,
        alone: Collection[str] = (),
        jobs: Collection[str] = (),
    ) -> None:
        """(key, incarnation, pid, start time or 0). `whole`: there are no others; what is below those of `alone` is not
        theirs; those of `jobs` end by themselves."""
        named = set()
        for key, incarnation, pid, start_time in children:
            named.add(key)
            known = self.children.get(key)
            if known is None or (known.incarnation, known.pid) != (incarnation, pid):
                self._forget(key)
                child = self.children[key] = SampledChild(key, incarnation, pid, start_time)
                child.alone = key in alone
                child.is_job = key in jobs
                self._leaders[pid] = child
                self._strangers.clear()  # what was seen before its leader was known is looked at once more
                self._open(pid, child)
        if whole:
            for key in self.children.keys() - named:
                self._forget(key)

    def _forget(self, key: str) -> None:
        child = self.children.pop(key, None)
        if child is not None:
            for process in list(child.processes.values()):
                self._drop(process)
            if self._leaders.get(child.pid) is child:
                del self._leaders[child.pid]

    def close(self) -> None:
        for key in list(self.children):
            self._forget(key)

    # -- one round --------------------------------------------------------------------------------------------------

    def look(self) -> dict[str, Sample]:
        """A sample of each child whose own process lives."""
        self._find_new()
        self._turns.look(process.slow for process in self._known.values())
        at = self._clock.wall()
        samples = {}
        for child in self.children.values():
            sample = self._sample(child, at)
            if sample is not None:
                samples[child.key] = sample
        self._looked_at = self._clock.boot()
        return samples

    def _sample(self, child: SampledChild, at: float) -> Sample | None:
        sums = Sums()
        rss = threads = zombies = 0
        for process in list(child.processes.values()):
            reading = self._read(process)
            if reading is None or (reading.zombie and process.pid == child.pid):
                self._drop(process)
                continue
            if reading.zombie:
                zombies += 1
                continue
            if process.pid == child.pid:
                child.image = reading.stack >> 4 & _IMAGE_BITS
            rss += reading.rss
            threads += reading.threads
            process.slow.fds = self._fds(process.pid)
            sums.add(self._cpu(process, reading), process.slow)
        if child.pid not in child.processes:
            return None
        if child.pid == os.getpid() and sums.fds is not None:
            sums.fds -= len(self._known)  # one for each process that is looked at: theirs, not ours
        return Sample(
            at=at,
            cpu=sums.cpu,
            rss=rss,
            pss=_whole(sums.pss),
            fds=_whole(sums.fds),
            threads=threads,
            children=len(child.processes) - 1 - zombies,
            zombies=zombies,
            uss=_whole(sums.uss),
            sockets=None if sums.sockets is None else len(sums.sockets),
            read=sums.read,
            written=sums.written,
            switches=sums.switches,
            disk=child.disk,
        )

    def socket_states(self, key: str) -> dict[str, int] | None:
        """How many of a child's sockets were in which state when they were looked at last; None where it is not known.

        A socket that two of its processes share counts for each of them.
        """
        counts: dict[str, int] = {}
        for process in self.children[key].processes.values():
            if process.slow.sockets is None:
                return None
            for state, number in process.slow.states.items():
                counts[state] = counts.get(state, 0) + number
        return counts

    def _cpu(self, process: Process, reading: Reading) -> float | None:
        """Of one core since it was read last. One that began since then used all it has used within that time."""
        now = self._clock.boot()
        before, since = process.ticks, process.at
        process.ticks, process.at = reading.ticks, now
        if before is None:
            began = reading.start_time / TICKS_PER_S
            if self._looked_at == 0.0 or began < self._looked_at - 1 / TICKS_PER_S:
                return None
            before, since = 0, self._looked_at
        return max(0, reading.ticks - before) / TICKS_PER_S / (now - since) if now > since else None

    def _read(self, process: Process) -> Reading | None:
        """None once it is gone; a zombie is not."""
        try:
            return parse(os.pread(process.fd, STAT_BYTES, 0))
        except (ProcessLookupError, ValueError, IndexError):
            return None

    def _fds(self, pid: int) -> int | None:
        """Not known before Linux 6.2, and where we may not look."""
        return count_descriptors(pid) if self._counts_fds else None

    # -- which processes --------------------------------------------------------------------------------------------

    def _find_new(self) -> None:
        """Whose every process is that came up since. A stranger stays one until it is gone."""
        pids = {int(name) for name in os.listdir("/proc") if name.isdecimal()}
        self._strangers &= pids
        new = pids - self._known.keys() - self._strangers
        found = {pid: reading for pid in new if (reading := read_stat(pid)) is not None}
        for pid in sorted(found, key=lambda number: found[number].start_time):
            child = self._owner(pid, found)
            if child is None:
                self._strangers.add(pid)
            else:
                self._open(pid, child)

    def _owner(self, pid: int, found: dict[int, Reading]) -> SampledChild | None:
        """By its nearest ancestor that we know; if it lost that, by its session, its group, its mark."""
        above = pid
        for _ in range(len(found) + 1):
            if above in self._leaders:
                if not self._leaders[above].alone:
                    return self._leaders[above]
                break
            if above in self._known:
                return self._known[above].child
            if above not in found:
                break
            above = found[above].ppid
        reading = found[pid]
        for number in (reading.session, reading.pgrp):
            leader = self._leaders.get(number)
            if leader is not None and not leader.alone:
                return leader
        mark = parse_mark(read_mark(pid, self._mark_prefix), self._mark_prefix) if self._mark_prefix else None
        child = self.children.get(mark.key) if mark is not None else None
        return (
            child
            if child is not None and mark is not None and child.incarnation == mark.incarnation
            else None
        )

    def _open(self, pid: int, child: SampledChild) -> None:
        try:
            fd = os.open(f"/proc/{pid}/stat", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return
        process = Process(pid, fd, child)
        reading = self._read(process)
        own = pid == child.pid
        if reading is None or (own and (reading.zombie or child.start_time not in (0, reading.start_time))):
            os.close(fd)
            return
        known = self._known.get(pid)
        if known is not None:
            self._drop(known)
        self._known[pid] = child.processes[pid] = process

    def _drop(self, process: Process) -> None:
        os.close(process.fd)
        process.fd = -1
        process.slow.gone = True
        process.child.processes.pop(process.pid, None)
        if self._known.get(process.pid) is process:
            del self._known[process.pid]


class Sums:
    """What the processes of a child come to; a sum of which a part is not known is not known."""

    __slots__ = ("cpu", "fds", "pss", "read", "sockets", "switches", "uss", "written")

    def __init__(self) -> None:
        self.cpu: float | None = 0.0
        self.pss: float | None = 0
        self.uss: float | None = 0
        self.fds: float | None = 0
        self.read: float | None = 0.0
        self.written: float | None = 0.0
        self.switches: float | None = 0.0
        self.sockets: set[int] | None = set()
        """Those that two processes share count once."""

    def add(self, cpu: float | None, slow: Slow) -> None:
        self.cpu = _plus(self.cpu, cpu)
        self.pss = _plus(self.pss, slow.pss)
        self.uss = _plus(self.uss, slow.uss)
        self.fds = _plus(self.fds, slow.fds)
        self.read = _plus(self.read, slow.pace.read)
        self.written = _plus(self.written, slow.pace.written)
        self.switches = _plus(self.switches, slow.pace.switches)
        if self.sockets is not None:
            self.sockets = None if slow.sockets is None else self.sockets | slow.sockets


def _plus(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else one + other


def _whole(value: float | None) -> int | None:
    return None if value is None else int(value)
