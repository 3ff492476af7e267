"""A progress bar on a terminal: nothing anywhere else, so that no log fills with it."""

import os
import sys
import time
from typing import TextIO

EVERY_S = 0.1
WIDTH = 24


class Bar:
    """Of one stream. `total`: None where nobody knows how many there will be."""

    def __init__(
        self, label: str, total: int | None, *, wanted: bool | None, stream: TextIO | None = None
    ) -> None:
        """`wanted`: None for "if this is a terminal"."""
        self._out = stream or sys.stderr
        self._label, self._total = label, total
        self._on = self._out.isatty() if wanted is None else wanted
        self._began = self._last = time.monotonic()
        self._done = self._failed = 0

    def add(self, *, failed: bool) -> None:
        """One item more."""
        self._done += 1
        self._failed += failed
        now = time.monotonic()
        if self._on and now - self._last >= EVERY_S:
            self._last = now
            self._show(now)

    def close(self) -> None:
        if self._on:
            self._show(time.monotonic())
            self._out.write("\n")
            self._out.flush()

    def text(self, now: float) -> str:
        """One line: how many of how many, how fast, how many failed."""
        rate = self._done / max(now - self._began, 1e-9)
        words = f"{self._label} {self._done}"
        if self._total:
            full = min(WIDTH, WIDTH * self._done // self._total)
            left = (self._total - self._done) / rate if rate else 0.0
            words = f"{self._label} [{'=' * full}{' ' * (WIDTH - full)}] {self._done}/{self._total}"
            words += f" {left:.0f} s left" if self._done < self._total else ""
        return words + f" {rate:.0f}/s" + (f" {self._failed} failed" if self._failed else "")

    def _show(self, now: float) -> None:
        try:
            columns = os.get_terminal_size(self._out.fileno()).columns
        except (OSError, ValueError):
            columns = 80
        self._out.write("\r" + self.text(now)[: columns - 1].ljust(columns - 1))
        self._out.flush()
