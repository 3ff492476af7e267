"""How many restarts a supervisor may make.

OTP, "Restart Strategies": if more than `intensity` restarts occur within `period` seconds, the supervisor terminates
all its children and then itself.
"""

from collections import deque
from collections.abc import Iterable


def within(restarts: Iterable[float], *, now: float, period: float) -> list[float]:
    """Restarts that still count; one that happened exactly `period` ago does."""
    return [at for at in restarts if at >= now - period]


class Window:
    """The restarts of one supervisor that may still count, oldest first. Adding one costs the same however many."""

    __slots__ = ("restarts",)

    def __init__(self, restarts: Iterable[float] = ()) -> None:
        self.restarts = deque(restarts)

    def add(self, now: float, intensity: int, period: float) -> bool:
        """Note a restart. False: it is one too many."""
        restarts = self.restarts
        restarts.append(now)
        while restarts[0] < now - period:
            restarts.popleft()
        return len(restarts) <= intensity

    def used(self, now: float, period: float) -> int:
        return len(within(self.restarts, now=now, period=period))
