"""Reading what children use out of /proc: each process is found once, and then read through a descriptor that stays open.

A descriptor of /proc/PID/stat belongs to that very process: once it is gone reading fails, whoever has its number then. So
a process that vanished is a gap and never somebody else's value. Memory that is shared out fairly (PSS) takes a millisecond
for each process and more for large ones, so it is read in turn, within a budget of time.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass

from supervision.runtime.clock import Clock
from supervision.runtime.kinship import parse_mark
from supervision.runtime.processes import read_mark
from supervision.runtime.sampler_ring import Sample

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
PSS_BUDGET_S = 0.008
"""Of each second; one process is read in any case."""
_STAT_BYTES = 1024


@dataclass(frozen=True, slots=True)
class Reading:
    """One line of /proc/PID/stat, as far as it is needed. Times in clock ticks, memory in bytes."""

    zombie: bool
    ppid: int
    pgrp: int
    session: int
    ticks: int
    threads: int
    start_time: int
    rss: int


def parse(line: bytes) -> Reading:
    """The command's name may hold blanks and parentheses: what counts stands behind the last one."""
    field = line[line.rindex(b")") + 2 :].split(b" ", 22)
    return Reading(
        field[0] == b"Z",
        int(field[1]),
        int(field[2]),
        int(field[3]),
        int(field[11]) + int(field[12]),
        int(field[17]),
        int(field[19]),
        int(field[21]) * PAGE,
    )


class Process:
    """A process of a child: its open descriptor and what it had used when it was read last."""

    __slots__ = ("at", "child", "fd", "pid", "pss", "ticks")

    def __init__(self, pid: int, fd: int, child: "SampledChild") -> None:
        self.pid, self.fd, self.child = pid, fd, child
        self.ticks: int | None = None
        self.at = 0.0
        self.pss: int | None = None


class SampledChild:
    """A child's current life: its own process and how many were found below it."""

    __slots__ = ("incarnation", "key", "pid", "processes", "start_time")

    def __init__(self, key: str, incarnation: int, pid: int, start_time: int) -> None:
        self.key, self.incarnation, self.pid, self.start_time = key, incarnation, pid, start_time
        self.processes: dict[int, Process] = {}


class SampledProcesses:
    """Every child with all that descends from it. `look` is one round."""

    def __init__(self, clock: Clock, mark_prefix: str = "") -> None:
        self.children: dict[str, SampledChild] = {}
        self._clock = clock
        self._mark_prefix = mark_prefix
        self._known: dict[int, Process] = {}
        self._strangers: set[int] = set()
        self._leaders: dict[int, SampledChild] = {}
        self._turn: list[Process] = []
        self._looked_at = 0.0
        self._counts_fds = _counts_descriptors()

    def set_children(self, children: Iterable[tuple[str, int, int, int]], *, whole: bool) -> None:
        """(key, incarnation, pid, start time or 0). `whole`: there are no others."""
        named = set()
        for key, incarnation, pid, start_time in children:
            named.add(key)
            known = self.children.get(key)
            if known is None or (known.incarnation, known.pid) != (incarnation, pid):
                self._forget(key)
                child = self.children[key] = SampledChild(key, incarnation, pid, start_time)
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
        self._read_pss()
        at = self._clock.wall()
        samples = {}
        for child in self.children.values():
            sample = self._sample(child, at)
            if sample is not None:
                samples[child.key] = sample
        self._looked_at = self._clock.boot()
        return samples

    def _sample(self, child: SampledChild, at: float) -> Sample | None:
        cpu: float | None = 0.0
        pss: int | None = 0
        fds: int | None = 0
        rss = threads = 0
        for process in list(child.processes.values()):
            reading = self._read(process)
            if reading is None:
                self._drop(process)
                continue
            used = self._cpu(process, reading)
            cpu = None if cpu is None or used is None else cpu + used
            rss += reading.rss
            threads += reading.threads
            pss = None if pss is None or process.pss is None else pss + process.pss
            count = self._fds(process.pid)
            fds = None if fds is None or count is None else fds + count
        if child.pid not in child.processes:
            return None
        return Sample(at, cpu, rss, pss, fds, threads, len(child.processes) - 1)

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
        """None once it is gone, a zombie included: that has nothing left."""
        try:
            reading = parse(os.pread(process.fd, _STAT_BYTES, 0))
        except (ProcessLookupError, ValueError, IndexError):
            return None
        return None if reading.zombie else reading

    def _fds(self, pid: int) -> int | None:
        """The size of the directory is the count (Linux 6.2); before, and where we may not look, it is not known."""
        if not self._counts_fds:
            return None
        try:
            return os.stat(f"/proc/{pid}/fd").st_size or None
        except OSError:
            return None

    def _read_pss(self) -> None:
        """The next processes in turn."""
        until = self._clock.boot() + PSS_BUDGET_S
        if not self._turn:
            self._turn = list(self._known.values())
        while self._turn:
            process = self._turn.pop()
            if process.fd >= 0:
                process.pss = read_pss(process.pid)
            if self._clock.boot() >= until:
                break

    # -- which processes --------------------------------------------------------------------------------------------

    def _find_new(self) -> None:
        """Whose every process is that came up since. A stranger stays one until it is gone."""
        pids = {int(name) for name in os.listdir("/proc") if name.isdecimal()}
        self._strangers &= pids
        new = pids - self._known.keys() - self._strangers
        found = {pid: reading for pid in new if (reading := _read_once(pid)) is not None}
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
                return self._leaders[above]
            if above in self._known:
                return self._known[above].child
            if above not in found:
                break
            above = found[above].ppid
        reading = found[pid]
        for number in (reading.session, reading.pgrp):
            if number in self._leaders:
                return self._leaders[number]
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
        if reading is None or (pid == child.pid and child.start_time not in (0, reading.start_time)):
            os.close(fd)
            return
        known = self._known.get(pid)
        if known is not None:
            self._drop(known)
        self._known[pid] = child.processes[pid] = process

    def _drop(self, process: Process) -> None:
        os.close(process.fd)
        process.fd = -1
        process.child.processes.pop(process.pid, None)
        if self._known.get(process.pid) is process:
            del self._known[process.pid]


def _read_once(pid: int) -> Reading | None:
    try:
        with open(f"/proc/{pid}/stat", "rb", buffering=0) as file:
            return parse(file.read(_STAT_BYTES) or b"")
    except (OSError, ValueError, IndexError):
        return None


def read_pss(pid: int) -> int | None:
    """Bytes; None where the kernel does not say or we may not know."""
    try:
        with open(f"/proc/{pid}/smaps_rollup", "rb", buffering=0) as file:
            text = file.read(4096)
    except OSError:
        return None
    at = text.find(b"\nPss:")
    if at < 0:
        return None
    return int(text[at + 5 : text.index(b"kB", at)]) * 1024


def _counts_descriptors() -> bool:
    return os.stat("/proc/self/fd").st_size > 0
