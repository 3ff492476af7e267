"""Space taken ahead for the journal, so that a full disk is found while what must be recorded still fits.

Two ways. `Preallocation`: blocks behind the end of the segment (FALLOC_FL_KEEP_SIZE); what is written into them cannot meet
a full disk. `Ballast`, where the file system has no fallocate: a file of real bytes that is shortened when a write finds the
disk full. Both say how much is certain (`room`).
"""

import errno
import os
from collections.abc import Callable
from typing import Protocol

Allocate = Callable[[int, int, int], None]
"""(fd, offset, length); OSError ENOSPC for a full disk, EOPNOTSUPP where it cannot be done."""

FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
UNSUPPORTED = frozenset({errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL, errno.ENODEV})

RETRY_S = 1.0
"""While the disk is full the reservation is tried again this often: ext4 may commit its journal before it says no."""

BALLAST = "reserve"
GIVE_BYTES = 32 * 1024
_ZEROS = bytes(256 * 1024)


class Reserve(Protocol):
    """How the space ahead is kept."""

    whole: bool
    """False while the disk is too full to keep all of it."""

    def room(self, size: int) -> int:
        """Bytes that can certainly be written behind `size`."""

    def prepare(self, fd: int, size: int, now: float, *, need: int = 0, force: bool = False) -> None:
        """Make what is behind `size` whole again, `need` bytes more if it can be; while the disk is full at most each
        RETRY_S unless `force`. Never raises for a full disk."""

    def give(self, wanted: int) -> bool:
        """A write found the disk full: free `wanted` bytes if there are any to free, True when a new try makes sense."""


class Preallocation:
    """Blocks of the segment itself, behind its end."""

    def __init__(self, ahead: int, allocate: Allocate) -> None:
        self.ahead = ahead
        self.whole = True
        self._allocate = allocate
        self._end = 0
        self._tried_at = float("-inf")

    def moved(self, end: int) -> None:
        """The journal goes on in a file whose blocks are taken up to `end`."""
        self._end = end
        self.whole = True
        self._tried_at = float("-inf")

    def take(self, fd: int, length: int) -> None:
        """Take the first blocks of another file, which the journal may then move to; OSError for a full disk."""
        self._allocate(fd, 0, length)

    def room(self, size: int) -> int:
        return max(0, self._end - size)

    def prepare(self, fd: int, size: int, now: float, *, need: int = 0, force: bool = False) -> None:
        if self._end - size >= self.ahead + need or (
            not self.whole and not force and now - self._tried_at < RETRY_S
        ):
            return
        self._tried_at = now
        start = max(self._end, size)
        missing = need + self.ahead - (start - size)
        for step in (max(missing, self.ahead * 2), max(missing, self.ahead), self.ahead // 8):
            try:
                self._allocate(fd, start, step)
            except OSError as error:
                if error.errno not in FULL:
                    raise
            else:
                self._end = start + step
                break
        self.whole = self._end - size >= self.ahead

    def give(self, wanted: int) -> bool:
        return False


class Ballast:
    """A file of zeros beside the segments, shortened from its end when the disk is full."""

    def __init__(self, directory: str, ahead: int) -> None:
        self.ahead = ahead
        self.whole = False
        self._fd = os.open(os.path.join(directory, BALLAST), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._size = os.fstat(self._fd).st_size
        self._tried_at = float("-inf")
        self._gave = False

    def room(self, size: int) -> int:
        return self._size

    def prepare(self, fd: int, size: int, now: float, *, need: int = 0, force: bool = False) -> None:
        if self._gave:  # what was just freed is for records
            self._gave, self._tried_at = False, now
        if self.whole or (not force and now - self._tried_at < RETRY_S):
            return
        self._tried_at = now
        try:
            while self._size < self.ahead:
                self._size += os.pwrite(self._fd, _ZEROS[: self.ahead - self._size], self._size)
            self.whole = True
        except OSError as error:
            if error.errno not in FULL:
                raise

    def give(self, wanted: int) -> bool:
        if self._size == 0:
            return False
        # More than asked for: the file system may need a block for itself, and the next record comes soon.
        self._size = max(0, self._size - max(wanted + 4096, GIVE_BYTES))
        self._gave = True
        os.ftruncate(self._fd, self._size)
        self.whole = False
        return True

    def close(self) -> None:
        os.close(self._fd)
