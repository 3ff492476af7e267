"""For how long a process has been silent through its own doing.

What it waited for a processor while others had them is not its doing: with a thousand programs that start at once each turn
of a process comes seconds late, and to replace one that only waits makes everything later still. One that hangs, spins or
is stopped does not wait, and is found as soon as ever.
"""

from typing import NamedTuple

from supervision.runtime.identity import read_stat


class Processor(NamedTuple):
    """What a process has had of the processors since it began: seconds that it ran, and that it waited for its turn; and
    whether it runs or waits now. The kernel adds a wait when it is over."""

    ran_s: float
    waited_s: float
    is_runnable: bool


class Silence:
    """Since the last `beat`. Times are boot seconds."""

    def __init__(self, now: float) -> None:
        self._last = now
        self._looked = now
        self._first: Processor | None = None
        """At the first look since the beat; `_had`: at the last."""
        self._had: Processor | None = None
        self._excused = 0.0

    def beat(self, now: float) -> None:
        self._last, self._first, self._had, self._excused = now, None, None, 0.0

    def look(self, now: float, had: Processor | None) -> float:
        """Seconds for which it was silent. `had`: None where nobody counts that, and then nothing is excused, as before the
        first look after a beat."""
        if had is not None and self._had is not None and self._first is not None:
            if had.is_runnable:  # its wait may not be over, and is not counted yet
                self._excused += max(0.0, now - self._looked - (had.ran_s - self._had.ran_s))
            self._excused = max(self._excused, had.waited_s - self._first.waited_s)
        self._first = self._first or had
        self._had, self._looked = had, now
        return max(0.0, now - self._last - self._excused)


def processor_of(pid: int) -> Processor | None:
    """Of the main thread of a process (proc(5), schedstat); None where nobody counts, or it is gone."""
    stat = read_stat(pid)
    try:
        with open(f"/proc/{pid}/schedstat") as file:
            ran, waited, *_ = file.read().split()
    except (OSError, ValueError):
        return None
    return Processor(int(ran) / 1e9, int(waited) / 1e9, stat is not None and stat.state == "R")
