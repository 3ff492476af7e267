"""What a worker and its pool children use of the machine's memory: the proportional set size of all of them together.

Children are forked, so most of their pages are their parent's; the sum of resident sizes would count those once for each.
Reading it walks the page tables (about a millisecond for 100 MB), so it is read every few seconds and kept in between.
"""

import os
import time
from pathlib import Path

EVERY_S = 5.0


def pss_bytes(pid: int) -> int | None:
    """Proportional set size; resident size where the kernel does not tell; None for a process that is gone."""
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_bytes().splitlines():
            if line.startswith(b"Pss:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError, IndexError):
        pass
    try:
        return int(Path(f"/proc/{pid}/statm").read_bytes().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return None


def children_of(pid: int) -> list[int]:
    """Direct children, of all threads."""
    found: list[int] = []
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
    except OSError:
        return found
    for task in tasks:
        try:
            found += [int(word) for word in (task / "children").read_bytes().split()]
        except (OSError, ValueError):
            continue
    return found


class Footprint:
    """Of this process and its children."""

    def __init__(self) -> None:
        self._read_at = 0.0
        self._bytes: int | None = None

    def used(self) -> int | None:
        """Bytes, at most EVERY_S old; None where nothing can be read."""
        now = time.monotonic()
        if not self._read_at or now - self._read_at >= EVERY_S:
            self._read_at, self._bytes = now, self._read()
        return self._bytes

    @staticmethod
    def _read() -> int | None:
        pid = os.getpid()
        sizes = [pss_bytes(each) for each in (pid, *children_of(pid))]
        known = [size for size in sizes if size is not None]
        return sum(known) if known else None
