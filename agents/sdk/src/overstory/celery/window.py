"""Which items of a stream run, wait to be handed out, or are still to come. Pure: no clock, no threads, no Celery.

Promise: at most `bound` items are in flight; every item that was taken has exactly one outcome; in order where that is
asked for. What ended before its turn waits in a buffer, and past `buffered` of them nothing new is begun, so that one item
that hangs at the head holds up memory no further than that.
"""

from collections import deque
from dataclasses import dataclass, field

from .outcome import Outcome

BUFFER_FACTOR = 16
BUFFER_LEAST = 128


@dataclass(slots=True)
class Window:
    """Items are numbered from 0 as they are taken."""

    bound: int
    ordered: bool = True
    taken: int = 0
    in_flight: set[int] = field(default_factory=set)
    most_in_flight: int = 0
    _ended: dict[int, Outcome] = field(default_factory=dict)
    _ready: deque[tuple[int, Outcome]] = field(default_factory=deque)
    _next: int = 0

    def __post_init__(self) -> None:
        if self.bound < 1:
            raise ValueError("at least one item is in flight")

    @property
    def room(self) -> int:
        """How many more items may begin."""
        buffered = max(BUFFER_LEAST, BUFFER_FACTOR * self.bound) - len(self._ended) - len(self._ready)
        return max(0, min(self.bound - len(self.in_flight), buffered))

    @property
    def is_idle(self) -> bool:
        """Nothing runs, and nothing waits to be handed out."""
        return not self.in_flight and not self._ended and not self._ready

    def take(self) -> int:
        """Begin the next item; its number. ValueError where there is no room."""
        if not self.room:
            raise ValueError("no room")
        number = self.taken
        self.taken += 1
        self.in_flight.add(number)
        self.most_in_flight = max(self.most_in_flight, len(self.in_flight))
        return number

    def end(self, number: int, outcome: Outcome) -> bool:
        """Item `number` ended; whether that was news. The first outcome counts."""
        if number not in self.in_flight:
            return False
        self.in_flight.discard(number)
        if not self.ordered:
            self._ready.append((number, outcome))
            return True
        self._ended[number] = outcome
        while self._next in self._ended:
            self._ready.append((self._next, self._ended.pop(self._next)))
            self._next += 1
        return True

    def pop(self) -> tuple[int, Outcome] | None:
        """The next outcome to hand out, with its item's number."""
        return self._ready.popleft() if self._ready else None
