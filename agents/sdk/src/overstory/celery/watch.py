"""Waiting until another worker of this host ends, or somebody wakes us: pidfds and an eventfd in one poll."""

import contextlib
import os
import select
from collections.abc import Mapping

from .holder import Holder
from .processes import stat_of, this_host
from .registry import Row


class Watch:
    """Of one thread; `wake` may be called by any."""

    def __init__(self) -> None:
        self._event = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._pidfds: dict[Holder, int] = {}
        self.gone: set[Holder] = set()

    def wake(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.eventfd_write(self._event, 1)

    def follow(self, rows: Mapping[Holder, Row]) -> None:
        """Watch the processes of these rows that are of this host, and no others."""
        for holder in [each for each in self._pidfds if each not in rows]:
            self.forget(holder)
        self.gone &= rows.keys()
        for holder, row in rows.items():
            if holder not in self._pidfds and holder not in self.gone and row.host == this_host():
                self._open(holder, row)

    def forget(self, holder: Holder) -> None:
        fd = self._pidfds.pop(holder, None)
        if fd is not None:
            os.close(fd)
        self.gone.discard(holder)

    def wait(self, seconds: float) -> None:
        """Until something ended, somebody woke us, or the time is over."""
        poll = select.poll()
        poll.register(self._event, select.POLLIN)
        names = {fd: holder for holder, fd in self._pidfds.items()}
        for fd in names:
            poll.register(fd, select.POLLIN)
        for fd, _ in poll.poll(seconds * 1000):
            if fd == self._event:
                with contextlib.suppress(BlockingIOError):
                    os.eventfd_read(self._event)
            else:
                os.close(self._pidfds.pop(names[fd]))
                self.gone.add(names[fd])

    def _open(self, holder: Holder, row: Row) -> None:
        try:
            fd = os.pidfd_open(row.pid)
        except OSError:
            self.gone.add(holder)
            return
        stat = stat_of(row.pid)  # after the open: the pid cannot be another's by now
        if stat is None or stat.start != row.start:
            os.close(fd)
            self.gone.add(holder)
        else:
            self._pidfds[holder] = fd
