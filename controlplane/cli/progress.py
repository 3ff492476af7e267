"""Progress of long work, on standard error: one line that rewrites itself on a terminal, one line a change in a pipe."""

from controlplane.cli.terminal import Terminal, Tone
from controlplane.cli.text import cut
from supervision.explain.words import duration
from supervision.runtime.clock import Clock

QUIET_S = 0.3
"""Work that is done sooner shows no progress: a line that flashes by tells nobody anything."""

PIPE_EVERY_S = 1.0

TURNS = "◐◓◑◒"
PLAIN_TURNS = "|/-\\"


class Progress:
    """Say `show(text)` as often as you like. Nothing is shown with --json: who reads that has `watch`."""

    def __init__(self, terminal: Terminal, clock: Clock) -> None:
        self._terminal = terminal
        self._clock = clock
        self._began = clock.boot()
        self._shown = ""
        self._shown_at = self._began
        self._drawn = False
        self._live = _is_tty(terminal)

    def show(self, text: str) -> None:
        """What is being waited for, now."""
        now = self._clock.boot()
        if self._terminal.json or now - self._began < QUIET_S:
            return
        if self._live:
            turns = TURNS if self._terminal.unicode else PLAIN_TURNS
            turn = turns[int((now - self._began) * 4) % len(turns)]
            line = cut(f"{turn} {text}  {duration(now - self._began)}", self._terminal.columns - 1)
            self._terminal.err.write("\r" + self._terminal.paint(line, Tone.BUSY) + "\x1b[K")
            self._terminal.err.flush()
            self._drawn = True
        elif text != self._shown and (not self._shown or now - self._shown_at >= PIPE_EVERY_S):
            self._terminal.note(text)
            self._shown, self._shown_at = text, now

    def clear(self) -> None:
        """Take the line away; what follows is the answer."""
        if self._drawn:
            self._terminal.err.write("\r\x1b[K")
            self._terminal.err.flush()
            self._drawn = False


def _is_tty(terminal: Terminal) -> bool:
    try:
        return terminal.err.isatty()
    except ValueError:
        return False
