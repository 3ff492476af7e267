"""How much is in the data directories of children: walked in a thread, so that a disk that hangs delays no sample.

One directory after another; a walk that takes long makes the pause after it longer. What was not measured for a minute is
not known any more.
"""

import os
import threading
import traceback
from collections.abc import Mapping

from supervision.runtime.clock import Clock

EVERY_S = 5.0
SHARE = 0.05
"""Of the time that may be spent walking."""
MOST_ENTRIES = 200_000
"""Of one directory; of one that holds more, nothing is known."""
KNOWN_FOR_S = 60.0


class DiskUse:
    """By directory: bytes on the disk."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._directories: dict[str, str] = {}
        self._known: dict[str, tuple[float, int | None, int | None]] = {}
        """When it was measured, what is in it, and what its file system has left."""

    def watch(self, directories: Mapping[str, str], *, whole: bool) -> None:
        """Key to directory. `whole`: there are no others."""
        self._directories = dict(directories) if whole else self._directories | dict(directories)

    def of(self, key: str) -> tuple[int | None, int | None]:
        """What is in a child's directory, and what its file system has left; None where nothing is known."""
        at, size, left = self._known.get(self._directories.get(key, ""), (0.0, None, None))
        return (size, left) if self._clock.boot() - at < KNOWN_FOR_S else (None, None)

    def start(self) -> None:
        """A daemon: where it hangs in a dead disk it holds up nobody, the end of this process included."""
        threading.Thread(  # audit: ignore[SUP101,SUP102] crash-only: it ends with the helper
            target=self._run, name="disk", daemon=True
        ).start()

    def _run(self) -> None:
        pause = threading.Event()
        try:
            while True:
                began = self._clock.boot()
                self._measure_all()
                pause.wait(max(EVERY_S, (self._clock.boot() - began) / SHARE))
        except BaseException:  # noqa: BLE001  a bug of ours ends the helper: the node starts another
            traceback.print_exc()
            os._exit(1)

    def _measure_all(self) -> None:
        wanted = set(self._directories.values())
        for directory in sorted(wanted):
            self._known[directory] = self._clock.boot(), measure(directory), _left(directory)
        self._known = {name: one for name, one in self._known.items() if name in wanted}


def _left(directory: str) -> int | None:
    try:
        found = os.statvfs(directory)
    except OSError:
        return None
    return found.f_bavail * found.f_frsize


def measure(directory: str) -> int | None:
    """Bytes that everything below it takes on the disk, a file with several names once; None where it cannot be read.

    Links are not followed, and other file systems are not entered.
    """
    try:
        top = os.lstat(directory)
    except OSError:
        return None
    total, left, entries = top.st_blocks * 512, [directory], 0
    seen: set[int] = set()
    while left:
        try:
            found = os.scandir(left.pop())
        except OSError:
            continue  # gone meanwhile, or not ours to read
        with found:
            for entry in found:
                entries += 1
                if entries > MOST_ENTRIES:
                    return None
                try:
                    status = entry.stat(follow_symlinks=False)
                except OSError:
                    continue
                if status.st_dev != top.st_dev or (status.st_nlink > 1 and status.st_ino in seen):
                    continue
                total += status.st_blocks * 512
                if entry.is_dir(follow_symlinks=False):
                    left.append(entry.path)
                elif status.st_nlink > 1:
                    seen.add(status.st_ino)
    return total
