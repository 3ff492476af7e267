"""How the benchmark learns that a child runs: stamps out of a FIFO, without a look at the child or its supervisor.

Each contender has a FIFO of its own, which its children open, write one record to and close. The benchmark sleeps in
poll(2) meanwhile: the stamp was taken before it wakes, so its own waking costs the measurement nothing.
"""

import os
import select
import struct
import time
from pathlib import Path
from typing import NamedTuple

RECORD = struct.Struct("=qii")


class Stamp(NamedTuple):
    """A child's first act: CLOCK_MONOTONIC in nanoseconds, its pid, its number among the contender's children."""

    ns: int
    pid: int
    number: int


class SilentError(Exception):
    """Children did not say in time that they run."""


class Stamps:
    """Reading end of one contender's FIFO. Children of other users may write to it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        os.mkfifo(path)
        path.chmod(0o622)
        # Read and write: open returns at once, and there is no end of file while no child writes.
        self._fd = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        self._poll = select.poll()
        self._poll.register(self._fd, select.POLLIN)

    def close(self) -> None:
        self._poll.unregister(self._fd)
        os.close(self._fd)
        self.path.unlink(missing_ok=True)

    def read(self, timeout_s: float = 0.0) -> list[Stamp]:
        """What has come; waits up to `timeout_s` seconds for the first."""
        if not self._poll.poll(timeout_s * 1000):
            return []
        data = os.read(self._fd, RECORD.size * 4096)
        return [Stamp(*fields) for fields in RECORD.iter_unpack(data)]

    def collect(self, count: int, timeout_s: float) -> list[Stamp]:
        """The next `count` stamps. Raises SilentError when they are not there within `timeout_s` seconds."""
        deadline = time.monotonic() + timeout_s
        found: list[Stamp] = []
        while len(found) < count:
            left = deadline - time.monotonic()
            if left <= 0:
                raise SilentError(
                    f"{len(found)} of {count} children said within {timeout_s:g} s that they run"
                )
            found += self.read(left)
        return found
