"""Lines that say what is going on, each with the seconds since the start."""

from typing import TextIO

from supervision.runtime.clock import Clock


class Progress:
    """Writes to `out` until that fails: a terminal that went away must not keep us from stopping in order."""

    def __init__(self, out: TextIO, clock: Clock) -> None:
        self._out = out
        self._clock = clock
        self._began = clock.boot()
        self._gone = False

    @property
    def elapsed_s(self) -> float:
        return self._clock.boot() - self._began

    def step(self, text: str) -> None:
        """One line of progress."""
        self.say(f"{self.elapsed_s:7.2f} s  {text}")

    def say(self, text: str = "") -> None:
        if self._gone:
            return
        try:
            self._out.write(text + "\n")
            self._out.flush()
        except (OSError, ValueError):
            self._gone = True
