"""The one place that reads a clock, and the clock tests move by hand.

Two scales (ADR 4): `boot` (CLOCK_BOOTTIME, seconds since boot, counts suspend, survives the node's death) for every
duration, deadline and intensity window; `wall` (UTC Unix seconds) only for timestamps that people read.
"""

import time
from typing import Protocol


class Clock(Protocol):
    """What the runtime needs to know of time."""

    def boot(self) -> float:
        """Seconds since boot, never backwards."""

    def wall(self) -> float:
        """Unix seconds; may jump."""


class SystemClock:
    """The machine's clocks. `wall_offset` moves what people would see, as an operator's clock change does."""

    def __init__(self, *, wall_offset: float = 0.0) -> None:
        self.wall_offset = wall_offset

    def boot(self) -> float:
        return time.clock_gettime(time.CLOCK_BOOTTIME)

    def wall(self) -> float:
        return time.time() + self.wall_offset


class ManualClock:
    """A clock that moves when told to. `jump` cannot go back; `set_wall` can, as real wall clocks do."""

    def __init__(self, *, boot: float = 1000.0, wall: float = 1_700_000_000.0) -> None:
        self._boot = boot
        self._wall = wall

    def boot(self) -> float:
        return self._boot

    def wall(self) -> float:
        return self._wall

    def jump(self, seconds: float) -> None:
        """Let `seconds` pass on both scales; ValueError for a negative step."""
        if seconds < 0:
            raise ValueError("a monotonic clock cannot go back")
        self._boot += seconds
        self._wall += seconds

    def set_wall(self, wall: float) -> None:
        """Change the time of day without letting any time pass."""
        self._wall = wall
