"""How much a project may send: a bucket for each project and category, refilled steadily. Counted here, before anything
is stored.

The buckets are this process's own; with n web processes each grants an n-th. They count while Redis, which has those of all
processes together (shared_quota.py), does not answer.
"""

from collections import OrderedDict
from collections.abc import Callable
from typing import Protocol

MOST = 10_000


class Limiter(Protocol):
    """What the intake asks before it takes a report."""

    async def take(self, project: int, category: str, count: int, per_minute: int) -> float:
        """Take `count`; 0.0 when they were there, else the seconds until they will be, and nothing is taken."""

    async def close(self) -> None: ...


class Quota:
    """One owner, the event loop. `clock` is monotonic, in seconds."""

    def __init__(self, clock: Callable[[], float], *, share: float = 1.0) -> None:
        self._clock, self._share = clock, share
        self._buckets: OrderedDict[tuple[int, str], tuple[float, float]] = OrderedDict()
        """(tokens, when they were counted)."""

    async def take(self, project: int, category: str, count: int, per_minute: int) -> float:
        """Take `count`; 0.0 when they were there, else the seconds until they will be, and nothing is taken."""
        most = max(1.0, per_minute * self._share)
        now = self._clock()
        tokens, at = self._buckets.get((project, category), (most, now))
        tokens = min(most, tokens + (now - at) * most / 60)
        enough = tokens >= min(count, most)
        self._buckets[project, category] = (tokens - count if enough else tokens, now)
        self._buckets.move_to_end((project, category))
        while len(self._buckets) > MOST:
            self._buckets.popitem(last=False)
        return 0.0 if enough else max(1.0, (min(count, most) - tokens) * 60 / most)

    async def close(self) -> None:
        """It holds nothing."""
