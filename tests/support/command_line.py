"""Running operator's commands in the test's own process, and in a process of their own with or without a terminal."""

import contextlib
import io
import json
import os
import pty
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from dataclasses import dataclass
from fcntl import ioctl
from multiprocessing.connection import wait as wait_ready
from pathlib import Path
from typing import Any

from controlplane.cli.main import run

ROOT = Path(__file__).resolve().parents[2]
TAKE_TERMINAL = "import fcntl, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); "
"""So that Ctrl-C typed there is SIGINT here."""

PROGRAM = (
    "import sys; from controlplane.cli.main import run; run(sys.argv) or sys.exit('no operator command')"
)


@dataclass(frozen=True, slots=True)
class Ran:
    """What a command did."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one JSON document on standard output."""
        return json.loads(self.out)

    @property
    def records(self) -> list[Any]:
        """One JSON document a line."""
        return [json.loads(line) for line in self.out.splitlines()]


def manage(*argv: str) -> Ran:
    """Run `manage.py ARGV` in this process, without a terminal."""
    out, err = io.StringIO(), io.StringIO()
    code = 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            assert run(["manage.py", *argv]), f"{argv[0]} is no operator's command"
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1
    return Ran(code, out.getvalue(), err.getvalue())


@contextlib.contextmanager
def spawn(*argv: str, **options: Any) -> Iterator["Spawned"]:
    """`manage.py ARGV` as a process of its own, with pipes; gone at the end."""
    command = [sys.executable, "-c", PROGRAM, *argv]
    pipes = {
        "stdin": subprocess.DEVNULL,
        "stdout": subprocess.PIPE,
        "stderr": subprocess.PIPE,
        "text": True,
        **options,
    }
    with subprocess.Popen(command, cwd=ROOT, **pipes) as process:
        try:
            yield Spawned(process)
        finally:
            process.kill()


@dataclass(frozen=True, slots=True)
class Spawned:
    """A command that runs."""

    process: "subprocess.Popen[str]"

    def line(self) -> str:
        """The next line of standard output; AssertionError with standard error where there is none."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            assert self.process.stderr is not None
            raise AssertionError(f"ended without another line: {self.process.stderr.read()}")
        return line

    def until(self, text: str) -> str:
        """The next line with `text` in it."""
        while text not in (line := self.line()):
            pass
        return line

    def end(self, *, timeout: float = 30.0) -> Ran:
        """Wait for its end."""
        out, err = self.process.communicate(timeout=timeout)
        return Ran(self.process.returncode, out, err)


class OnTerminal:
    """`manage.py ARGV` on a pseudo-terminal of its own."""

    def __init__(self, *argv: str, rows: int = 24, columns: int = 80) -> None:
        self.fd, theirs = pty.openpty()
        ioctl(theirs, termios.TIOCSWINSZ, struct.pack("4H", rows, columns, 0, 0))
        self.process = subprocess.Popen(
            [sys.executable, "-c", TAKE_TERMINAL + PROGRAM, *argv],
            cwd=ROOT,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env={
                **{k: v for k, v in os.environ.items() if k not in ("COLUMNS", "LINES")},
                "TERM": "xterm-256color",
            },
            start_new_session=True,
        )
        os.close(theirs)
        self.seen = ""

    def until(self, text: str, *, timeout: float = 20.0) -> str:
        """Read until `text` was written; everything read since the last call. AssertionError past `timeout`."""
        deadline = time.monotonic() + timeout
        while text not in self.seen:
            left = deadline - time.monotonic()
            ready = wait_ready([self.fd], max(0.0, left))
            data = b""
            if ready:
                with contextlib.suppress(OSError):  # EIO: the other end is closed
                    data = os.read(self.fd, 65536)
            if not data:
                raise AssertionError(f"never saw {text!r} in {self.seen[-4000:]!r}")
            self.seen += data.decode(errors="replace")
        read, _, self.seen = self.seen.partition(text)
        return read + text

    def type(self, text: str) -> None:
        os.write(self.fd, text.encode())

    def resize(self, rows: int, columns: int) -> None:
        ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("4H", rows, columns, 0, 0))

    def wait(self, *, timeout: float = 20.0) -> int:
        """Its exit code; reads on meanwhile, so that a full terminal does not keep it."""
        deadline = time.monotonic() + timeout
        while self.process.poll() is None:
            if time.monotonic() > deadline:
                raise AssertionError(f"did not end; wrote {self.seen[-2000:]!r}")
            if wait_ready([self.fd], 0.05):
                with contextlib.suppress(OSError):
                    self.seen += os.read(self.fd, 65536).decode(errors="replace")
        with contextlib.suppress(OSError):
            while wait_ready([self.fd], 0):
                self.seen += os.read(self.fd, 65536).decode(errors="replace")
        return self.process.returncode

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self.fd)


@contextlib.contextmanager
def on_terminal(*argv: str, rows: int = 24, columns: int = 80) -> Iterator[OnTerminal]:
    """An OnTerminal that is gone at the end."""
    running = OnTerminal(*argv, rows=rows, columns=columns)
    try:
        yield running
    finally:
        running.close()
