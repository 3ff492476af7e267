"""One contender with its children, seen from outside: what lives, how long a kill, a start, a stop took.

Everything is learnt from the children's stamps and from pidfds; the contender is not asked.
"""

import contextlib
import os
import select
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.contenders.contender import Contender, Program, Room
from bench.processes import cpu_s, pss_mb
from bench.stamps import SilentError, Stamp, Stamps

VICTIM_AGE_NS = 1_050_000_000
"""runit and s6 wait a second before they restart what lived for less; a victim is older, for all."""
RETURN_S = 60.0
"""How long a killed child may stay away. supervisord takes up to 2 s with imports, on a busy machine more."""


@dataclass(frozen=True, slots=True)
class Living:
    """A child that runs."""

    stamp: Stamp
    pidfd: int


class Fleet:
    """`start`, then kills and looks, then `stop`; `close` at the end whatever happened."""

    def __init__(self, contender: Contender, stamps: Stamps) -> None:
        self.contender = contender
        self.stamps = stamps
        self.living: dict[int, Living] = {}
        """By number, the oldest first."""

    @property
    def name(self) -> str:
        return self.contender.name

    def start(self) -> float:
        """Launch; seconds until the last child's first act. Raises SilentError when some never say they run."""
        room = self.contender.room
        began_ns = time.monotonic_ns()
        self.contender.launch()
        stamps = self.stamps.collect(room.count, 60 + room.count * room.program.start_s / 20)
        for stamp in stamps:
            self._take(stamp)
        if len(self.living) != room.count:
            raise SilentError(f"{self.name}: {len(self.living)} of {room.count} children, others came twice")
        return (max(stamp.ns for stamp in stamps) - began_ns) / 1e9

    def kill_oldest(self, *, since_ns: int | None = None) -> float:
        """kill -9 of the child that runs longest; milliseconds from that, or `since_ns`, to its replacement's first act."""
        self.absorb()
        number, victim = next(iter(self.living.items()))
        too_young_ns = victim.stamp.ns + VICTIM_AGE_NS - time.monotonic_ns()
        if too_young_ns > 0:
            time.sleep(too_young_ns / 1e9)
        began_ns = time.monotonic_ns()
        signal.pidfd_send_signal(victim.pidfd, signal.SIGKILL)
        stamp = self._returned(number, victim, began_ns)
        return (stamp.ns - (since_ns or began_ns)) / 1e6

    def _returned(self, number: int, victim: Living, began_ns: int) -> Stamp:
        deadline_ns = began_ns + int(RETURN_S * 1e9)
        while (left_ns := deadline_ns - time.monotonic_ns()) > 0:
            for stamp in self.stamps.read(left_ns / 1e9):
                self._take(stamp)
                if stamp.number == number and stamp.pid != victim.stamp.pid:
                    return stamp
        raise SilentError(
            f"{self.name}: child {number} did not come back within {RETURN_S:g} s of its kill -9"
        )

    def absorb(self) -> list[Stamp]:
        """Take what was started without us having killed anything; normally nothing."""
        found = []
        while stamps := self.stamps.read():
            found += stamps
        for stamp in found:
            self._take(stamp)
        return found

    def _take(self, stamp: Stamp) -> None:
        before = self.living.pop(stamp.number, None)
        if before is not None:
            os.close(before.pidfd)
        with contextlib.suppress(ProcessLookupError):
            self.living[stamp.number] = Living(stamp, os.pidfd_open(stamp.pid))

    def stop(self) -> float:
        """Have all stopped; seconds until every one is gone and the contender says so."""
        epoll = select.epoll()
        for child in self.living.values():
            epoll.register(child.pidfd, select.EPOLLIN | select.EPOLLONESHOT)
        began_ns = time.monotonic_ns()
        self.contender.halt()
        left = len(self.living)
        while left > 0:
            ended = epoll.poll(RETURN_S, left)
            if not ended:
                raise SilentError(f"{self.name}: {left} children still run {RETURN_S:g} s after the stop")
            left -= len(ended)
        self.contender.halted()
        epoll.close()
        seconds = (time.monotonic_ns() - began_ns) / 1e9
        self._forget()
        return seconds

    def _forget(self) -> None:
        for child in self.living.values():
            os.close(child.pidfd)
        self.living.clear()

    def memory_mb(self) -> float:
        """PSS of the contender's own processes."""
        return pss_mb(self.contender.daemons())

    def cpu_s(self) -> float:
        """CPU seconds of the contender's own processes so far."""
        return cpu_s(self.contender.daemons())

    def close(self) -> None:
        """End the contender and every child of it."""
        self.contender.close()
        self.absorb()
        for child in self.living.values():
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(child.pidfd, signal.SIGKILL)
        self._forget()
        self.stamps.close()


@contextlib.contextmanager
def fleet(
    kind: type[Contender],
    program: Program,
    count: int,
    *,
    below: Path,
    tools: Path,
    user: str | None = None,
    stop: str = "ordered",
) -> Iterator[Fleet]:
    """A prepared contender with `count` children of `program`, not started yet; gone at the end."""
    directory = below / f"{kind.__name__.lower()}-{time.monotonic_ns() % 10**9}"
    directory.mkdir(mode=0o711)
    room = Room(directory, directory / "stamps", program, count, tools, user, stop)
    one = Fleet(kind(room), Stamps(room.fifo))
    try:
        one.contender.prepare()
        yield one
    finally:
        one.close()
