"""A real `manage.py up` in a process of its own."""

import contextlib
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

from supervision.runtime.client import ControlClient
from supervision.runtime.observed import Observed
from supervision.runtime.paths import Paths
from tests.support import collected
from tests.support.leftovers import processes_of
from tests.support.made_stores import bring_database
from tests.support.waiting import wait_for

ROOT = Path(__file__).resolve().parents[2]
RUNNING = "Ctrl-C stops everything."
FIRST = "(first)"
"""Among the arguments: bring no database."""


class Up:
    """`manage.py up` with its output line by line. With FIRST among
    the arguments it makes everything itself, as a user's first start does."""

    def __init__(self, data_dir: Path, *arguments: str, **environment: str) -> None:
        self.data_dir = data_dir
        if "--data-dir" not in arguments:
            collected.bring(data_dir)
            if FIRST not in arguments and "DATABASE_URL" not in environment:
                bring_database(data_dir)
        inherited = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
        self.process = subprocess.Popen(
            [sys.executable, "manage.py", "up", *(word for word in arguments if word != FIRST)],
            cwd=ROOT,
            env={**inherited, "OVERSTORY_DATA_DIR": str(data_dir), **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.is_second = False
        """On data that another one runs: what is found there is not ours to end."""
        self.lines: list[str] = []
        self._queue: queue.Queue[str | None] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._queue.put(line.rstrip("\n"))
        self._queue.put(None)

    def next_line(self, timeout_s: float = 120) -> str | None:
        """The next line of output; None at its end."""
        line = self._queue.get(timeout=timeout_s)
        if line is not None:
            self.lines.append(line)
        return line

    def until(self, words: str) -> str:
        """Read until a line with `words` came, and return it."""
        while (line := self.next_line()) is not None:
            if words in line:
                return line
        raise AssertionError(f"{words!r} was not said:\n{self.output}\n{self.log}")

    @property
    def output(self) -> str:
        return "\n".join(self.lines)

    @property
    def log(self) -> str:
        path = self.data_dir / "overstory.log"
        return path.read_text()[-4000:] if path.exists() else ""

    def ends(self, status: int) -> None:
        """It ends with `status`, and nothing of it is left at that moment."""
        while self.next_line() is not None:
            pass
        assert self.process.wait(60) == status, f"{self.output}\n{self.log}"
        left = processes_of(str(self.data_dir))
        assert not left, f"left: {left}\n{self.output}\n{self.log}"

    def stop(self, number: signal.Signals = signal.SIGINT) -> None:
        self.process.send_signal(number)
        self.ends(0)

    def observed(self) -> Observed:
        with ControlClient(Paths(self.data_dir).control_socket) as client:
            return Observed.from_json(client.call("tree", timeout_s=30))

    def close(self) -> None:
        """Whatever the test did: nothing stays."""
        collected.keep(self.data_dir)
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        if not self.is_second:
            with contextlib.suppress(AssertionError):
                wait_for(lambda: not processes_of(str(self.data_dir)), timeout=30)
            for pid in processes_of(str(self.data_dir)):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        if self.process.stdout is not None:
            self._reader.join(30)
            self.process.stdout.close()


@contextlib.contextmanager
def up(data_dir: Path, *arguments: str, **environment: str) -> Iterator[Up]:
    started = Up(data_dir, *arguments, **environment)
    try:
        yield started
    finally:
        started.close()
