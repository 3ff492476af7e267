"""Wake-ups when files change: inotify through libc, for readers that follow files and for the rotator.

A wake-up is a hint to look again, never the truth: every user of it also looks when nothing was said for a while, so a
machine that gives no inotify instance (`max_user_instances`) only answers later.
"""

import ctypes
import os
import select
import struct
from collections.abc import Iterator
from dataclasses import dataclass

MODIFY = 0x2
CLOSE_WRITE = 0x8
MOVED_TO = 0x80
CREATE = 0x100
DELETE = 0x200
QUEUE_OVERFLOW = 0x4000
IGNORED = 0x8000
ONLYDIR = 0x0100_0000
ONESHOT = 0x8000_0000

_EVENT = struct.Struct("iIII")
_BUFFER = 64 * 1024


@dataclass(frozen=True, slots=True)
class Event:
    """What happened to which watch; `name` of the entry in a watched directory."""

    watch: int
    mask: int
    name: str


class Inotify:
    """One inotify instance; OSError when the machine gives none."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._fd = self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self._fd < 0:
            raise self._error("inotify")

    def fileno(self) -> int:
        return int(self._fd)

    def add(self, path: str, mask: int) -> int:
        """Watch `path`; the watch's number. OSError: FileNotFoundError, or ENOSPC when the user has no watch left."""
        watch = self._libc.inotify_add_watch(self._fd, os.fsencode(path), ctypes.c_uint32(mask))
        if watch < 0:
            raise self._error(path)
        return int(watch)

    def remove(self, watch: int) -> None:
        """Stop watching; a watch that is gone already is no error."""
        self._libc.inotify_rm_watch(self._fd, watch)

    def read(self) -> Iterator[Event]:
        """What is waiting, without blocking."""
        while True:
            try:
                data = os.read(self._fd, _BUFFER)
            except BlockingIOError:
                return
            at = 0
            while at < len(data):
                watch, mask, _cookie, length = _EVENT.unpack_from(data, at)
                at += _EVENT.size
                yield Event(watch, mask, os.fsdecode(data[at : at + length].rstrip(b"\0")))
                at += length

    def wait(self, timeout_s: float) -> bool:
        """Wait for an event at most so long; True when one is there."""
        poll = select.poll()
        poll.register(self._fd, select.POLLIN)
        return bool(poll.poll(max(0.0, timeout_s) * 1000))

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _error(self, path: str) -> OSError:
        number = ctypes.get_errno()
        return OSError(number, os.strerror(number), path)


class Changes:
    """`wait` until something changed in the watched directories, or for a short while without inotify."""

    POLL_S = 0.2
    """How often to look when there is no inotify."""

    def __init__(self) -> None:
        self._inotify: Inotify | None
        try:
            self._inotify = Inotify()
        except OSError:
            self._inotify = None

    def watch(self, directory: str) -> bool:
        """False when changes there will only be found by looking."""
        if self._inotify is None:
            return False
        try:
            self._inotify.add(directory, MODIFY | CREATE | MOVED_TO | ONLYDIR)
        except OSError:
            return False
        return True

    def wait(self, timeout_s: float, *, blind: bool = False) -> bool:
        """Return when something may have changed, at the latest after `timeout_s`; `blind`: a watch is missing.

        True when there may be new or renamed entries, not only more bytes.
        """
        if self._inotify is None:
            select.select([], [], [], max(0.0, min(timeout_s, self.POLL_S)))
            return True
        self._inotify.wait(min(timeout_s, self.POLL_S) if blind else timeout_s)
        seen = 0
        for event in self._inotify.read():
            seen |= event.mask
        return blind or bool(seen & (CREATE | MOVED_TO | QUEUE_OVERFLOW))

    def close(self) -> None:
        if self._inotify is not None:
            self._inotify.close()
            self._inotify = None
