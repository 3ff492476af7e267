"""When the node collects garbage: in its quiet moments, never in the middle of a restart.

Python's own collector runs wherever the seven hundredth new object happens to be made. Reference counts free nearly all that
the node lets go; cycles are few, so what became of them may wait for the next look.
"""

import gc

from supervision.runtime.clock import Clock
from supervision.runtime.linux import resident_bytes, trim_heap

YOUNG = 2_000
"""Objects made and not freed since the last look that are worth one: less than a millisecond's work."""
MANY = 20_000
"""So many come with a tree that was applied: what its parsing left behind is given back to the system too."""
GREW_BYTES = 1 << 20
"""Since memory was given back last: one answer about a thousand children leaves four times that behind, free."""
EVERYTHING_EVERY_S = 900.0


class Collector:
    """Made before a node recovers anything: what it reads of a thousand children comes to stay, and to look for garbage
    among it again and again would be an eighth of the time.

    `begin` once all is set up, `look` each second.
    """

    def __init__(self, clock: Clock) -> None:
        gc.disable()
        self._clock = clock
        self._everything_at = 0.0
        self._resident = 0

    def begin(self) -> None:
        """What there is now stays for good, and is never looked at again."""
        self._settle()
        gc.freeze()

    def look(self) -> None:
        """Collect the young, and at long intervals all that is not there for good."""
        young = gc.get_count()[0]
        if young > MANY or self._clock.boot() >= self._everything_at:
            self._settle()
        elif young > YOUNG:
            gc.collect(1)
        elif resident_bytes() > self._resident + GREW_BYTES:
            self._give_back()

    def end(self) -> None:
        """As Python does it: this process goes on as something else."""
        gc.unfreeze()
        gc.enable()
        gc.collect()

    def _settle(self) -> None:
        gc.collect()
        self._give_back()
        self._everything_at = self._clock.boot() + EVERYTHING_EVERY_S

    def _give_back(self) -> None:
        trim_heap()
        self._resident = resident_bytes()
