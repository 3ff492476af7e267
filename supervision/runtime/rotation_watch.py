"""Which directories of captured output have to be looked at: those in which something was written or made.

Each directory has a one-shot watch: the first write fires and removes it, so a busy child costs one event for each look, and
an idle one nothing at all. It is set again before the look, so that nothing written during the look is missed. Without
inotify every directory is looked at each time. That a file is closed is not watched for: the last to close it is a process
that ends, and what the watch then does (0.04 ms) would stand between that end and our hearing of it.
"""

import os

from supervision.runtime import inotify
from supervision.runtime.inotify import Inotify

_MASK = inotify.MODIFY | inotify.CREATE | inotify.MOVED_TO | inotify.ONLYDIR | inotify.ONESHOT


class Directories:
    """The known directories below a root, and which of them changed."""

    def __init__(self, root: str, *, watch: bool = True) -> None:
        self._watches: dict[int, str] = {}
        self._known: set[str] = {root}
        self._changed: set[str] = {root}
        self._retry: set[str] = set()
        self._unwatched: set[str] = set()
        self._inotify: Inotify | None = None
        if watch:
            try:
                self._inotify = Inotify()
            except OSError:
                self._inotify = None

    @property
    def blind(self) -> int:
        """Directories that are looked at each time because no watch was to be had."""
        return len(self._unwatched)

    def add(self, directory: str) -> None:
        """A directory that was found; it has to be looked at first. Known ones are left alone."""
        if directory not in self._known:
            self._known.add(directory)
            self._changed.add(directory)

    @property
    def fresh(self) -> bool:
        """Directories were added since `changed`: they need not wait for the next round."""
        return bool(self._changed - self._retry)

    def again(self, directory: str) -> None:
        """Look at it in the next round whether it changes or not."""
        self._changed.add(directory)
        self._retry.add(directory)

    def changed(self) -> list[str]:
        """What to look at now, watched again; sorted, parents first."""
        if self._inotify is not None:
            for event in self._inotify.read():
                if event.mask & inotify.QUEUE_OVERFLOW:
                    self._changed.update(self._known)
                directory = self._watches.pop(event.watch, None)
                if directory is not None:
                    self._changed.add(directory)
        found = sorted(self._changed | self._unwatched)
        self._changed, self._retry = set(), set()
        for directory in found:
            self._watch(directory)
        return found

    def forget(self, directory: str) -> None:
        """It is gone."""
        for known in (self._known, self._unwatched, self._changed):
            known.discard(directory)

    def close(self) -> None:
        if self._inotify is not None:
            self._inotify.close()
            self._inotify = None

    def _watch(self, directory: str) -> None:
        if self._inotify is not None:
            try:
                self._watches[self._inotify.add(directory, _MASK)] = directory
            except OSError:
                pass
            else:
                self._unwatched.discard(directory)
                return
        if os.path.isdir(directory):
            self._unwatched.add(directory)
