"""What takes too long to read of every process each second is read in turn, within a budget of time for each second.

Memory that is shared out fairly (PSS) takes a millisecond for each process and more for large ones; looking at what a
process has open, some microseconds for each descriptor. Of some hundred processes everything is new each few seconds, of
thousands it is some minutes old. First comes who was never looked at, or has another number of descriptors than when it
was; among those, who was not looked at for longest.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from supervision.runtime.clock import Clock
from supervision.runtime.sampler_reading import (
    Counters,
    read_counters,
    read_memory,
    read_network,
    read_sockets,
)
from supervision.runtime.sampler_sockets import SocketStates

MEMORY_BUDGET_S = 0.008
OPEN_BUDGET_S = 0.005
"""Of each second, and one process is read in any case."""
OPEN_AGAIN_S = 4.0
"""What a process has open is not looked at sooner again, unless its number changed."""


@dataclass(slots=True)
class Pace:
    """What a process does in a second, between the two last looks at its counters; None: not known."""

    read: float | None = None
    written: float | None = None
    switches: float | None = None


@dataclass(slots=True, eq=False)
class Slow:
    """Of one process: what was read when it was its turn."""

    pid: int
    pss: int | None = None
    uss: int | None = None
    fds: int | None = None
    """How many descriptors it has, by this second's count."""
    looked_fds: int | None = None
    looked_at: float | None = None
    sockets: frozenset[int] | None = None
    states: dict[str, int] = field(default_factory=dict)
    pace: Pace = field(default_factory=Pace)
    gone: bool = False
    _counters: Counters | None = None

    def count(self, counters: Counters, now: float) -> None:
        before, since = self._counters, self.looked_at
        self._counters = counters
        if before is not None and since is not None and now > since:
            self.pace = Pace(
                _pace(counters.read, before.read, now - since),
                _pace(counters.written, before.written, now - since),
                _pace(counters.switches, before.switches, now - since),
            )


class Turns:
    """Whose turn it is."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._states = SocketStates(clock)
        self._memory: list[Slow] = []
        self._open: list[Slow] = []

    def look(self, everybody: Iterable[Slow]) -> None:
        """This second's part of the readings."""
        known = list(everybody)
        self._look_at_memory(known)
        self._look_at_open(known)

    def _look_at_memory(self, known: list[Slow]) -> None:
        until = self._clock.boot() + MEMORY_BUDGET_S
        if not self._memory:
            self._memory = list(known)
        while self._memory:
            one = self._memory.pop()
            if not one.gone:
                one.pss, one.uss = read_memory(one.pid)
            if self._clock.boot() >= until:
                return

    def _look_at_open(self, known: list[Slow]) -> None:
        now = self._clock.boot()
        until = now + OPEN_BUDGET_S
        due = [
            one
            for one in known
            if one.looked_at is None or (one.fds is not None and one.fds != one.looked_fds)
        ]
        for one in sorted(due, key=_looked_at):  # or the first few would take the whole budget each second
            self._look_at(one)
            if self._clock.boot() >= until:
                return
        if not self._open:
            self._open = list(known)
        while self._open:
            one = self._open.pop()
            if not one.gone and (one.looked_at is None or now - one.looked_at >= OPEN_AGAIN_S):
                self._look_at(one)
            if self._clock.boot() >= until:
                return

    def _look_at(self, one: Slow) -> None:
        now = self._clock.boot()
        sockets = read_sockets(one.pid)
        if sockets:
            one.states = self._states.count(read_network(one.pid), one.pid, sockets)
        else:
            one.states = {}
        one.sockets = sockets
        one.count(read_counters(one.pid), now)
        one.looked_at, one.looked_fds = now, one.fds


def _looked_at(one: Slow) -> float:
    return float("-inf") if one.looked_at is None else one.looked_at


def _pace(value: int | None, before: int | None, seconds: float) -> float | None:
    return None if value is None or before is None else max(0, value - before) / seconds
