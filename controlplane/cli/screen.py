"""A full-screen view that redraws in place and scrolls; the terminal is given back as it was, however the view ends."""

import contextlib
import os
import select
import signal
import sys
import termios
import tty
from collections.abc import Iterator
from typing import Any

from controlplane.cli.terminal import Terminal

ENTER = "\x1b[?1049h\x1b[?25l\x1b[?7l"
LEAVE = "\x1b[?7h\x1b[?25h\x1b[?1049l"

KEYS = {
    "q": "quit",
    "\x1b[A": "up",
    "k": "up",
    "\x1b[B": "down",
    "j": "down",
    "\x1b[5~": "page_up",
    "b": "page_up",
    "\x1b[6~": "page_down",
    " ": "page_down",
    "\x1b[H": "top",
    "\x1b[1~": "top",
    "g": "top",
    "\x1b[F": "end",
    "\x1b[4~": "end",
    "G": "end",
}


class Screen:
    """Lines between a title and a foot. `position` is the first line shown."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self.position = 0
        self._lines = 0

    @property
    def input(self) -> int | None:
        """Descriptor that is readable when a key was pressed; None where standard input is no terminal."""
        try:
            fd = sys.stdin.fileno()
        except (OSError, ValueError):
            return None
        return fd if os.isatty(fd) else None

    @property
    def page(self) -> int:
        """Lines between title and foot."""
        return max(1, self._terminal.rows - 2)

    @contextlib.contextmanager
    def shown(self) -> Iterator["Screen"]:
        """Take the terminal over. Ctrl-C and SIGTERM end the view as any exception does; Ctrl-Z is not served."""
        saved: list[Any] | None = None
        fd = self.input
        handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGTSTP)}
        signal.signal(signal.SIGTERM, _terminated)
        signal.signal(signal.SIGTSTP, signal.SIG_IGN)
        try:
            if fd is not None:
                saved = termios.tcgetattr(fd)
                tty.setcbreak(fd)
            self._write(ENTER)
            yield self
        finally:
            with contextlib.suppress(OSError):
                self._write(LEAVE)
            if fd is not None and saved is not None:
                with contextlib.suppress(termios.error):
                    termios.tcsetattr(fd, termios.TCSADRAIN, saved)
            for number, handler in handlers.items():
                signal.signal(number, handler)

    def draw(self, title: str, lines: list[str], foot: str) -> None:
        """One frame, written at once so that it does not flicker."""
        self._lines = len(lines)
        self._clamp()
        body = lines[self.position : self.position + self.page]
        body += [""] * (self.page - len(body))
        self._write(
            "\x1b[H"
            + "".join(line + "\x1b[0m\x1b[K\n" for line in (title, *body))
            + foot
            + "\x1b[0m\x1b[K\x1b[J"
        )

    def take_keys(self) -> bool:
        """Act on the keys that were pressed; False when the operator wants to leave."""
        fd = self.input
        if fd is None or not select.select([fd], [], [], 0)[0]:
            return True
        pressed = os.read(fd, 1024).decode(errors="replace")
        if not pressed:
            return False
        while pressed:
            word = next((known for known in KEYS if pressed.startswith(known)), pressed[0])
            pressed = pressed[len(word) :]
            if not self._obey(KEYS.get(word, "")):
                return False
        return True

    def _obey(self, meaning: str) -> bool:
        steps = {
            "up": -1,
            "down": 1,
            "page_up": -self.page,
            "page_down": self.page,
            "top": -(1 << 30),
            "end": 1 << 30,
        }
        self.position += steps.get(meaning, 0)
        self._clamp()
        return meaning != "quit"

    def _clamp(self) -> None:
        self.position = max(0, min(self.position, self._lines - self.page))

    def _write(self, text: str) -> None:
        self._terminal.out.write(text)
        self._terminal.out.flush()


def _terminated(_number: int, _frame: object) -> None:
    raise SystemExit(128 + signal.SIGTERM)
