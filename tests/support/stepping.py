"""Lets the seconds of programs that leak pass one by one, however busy the machine is."""

import os
import select
from pathlib import Path
from types import TracebackType
from typing import Self


class Steps:
    """The two pipes of one `leaking.py` that was started with `environment`; a context manager.

    They outlive the program: another life of it opens them again.
    """

    def __init__(self, directory: Path) -> None:
        directory.mkdir()
        self.environment = {"LEAKING_STEPS": str(directory)}
        for name in ("go", "done"):
            os.mkfifo(directory / name)
        # For both ways, as Linux allows: it does not wait for the other side, and a program's end is no end of file.
        self._go = os.open(directory / "go", os.O_RDWR)
        self._done = os.open(directory / "done", os.O_RDWR)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._go)
        os.close(self._done)

    def pass_second(self, *, timeout: float = 60.0) -> None:
        """Let the program live a second more; AssertionError if it has not after `timeout` real ones."""
        os.write(self._go, b".")
        ready, _, _ = select.select([self._done], [], [], timeout)
        assert ready, "the program did not take its second"
        assert os.read(self._done, 2) == b"."
