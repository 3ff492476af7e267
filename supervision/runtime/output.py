"""Captured output of children: where the node lets them write it, and how people read it back.

Children write their files themselves (no pipe, so nothing of ours can stall them or lose a byte); output_files.py says how
the files lie. Reading needs no running node.
"""

import heapq
import os
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from supervision.runtime.inotify import Changes
from supervision.runtime.output_files import LIMITS, STREAMS, StreamName, list_streams
from supervision.runtime.output_view import LineSplitter, StreamView
from supervision.runtime.spare_files import SpareFiles

DEFAULT_MAX_BYTES = 64 << 20
DEFAULT_SEGMENTS = 8
"""Retention of a child whose tree file says nothing: bytes of all its incarnations and both streams together."""

TAIL_BYTES = 64 * 1024
FOLLOW_CHUNK = 256 * 1024


@dataclass(frozen=True, slots=True)
class OutputLine:
    """One line. `time`: Unix seconds by which it was written, true to within the rotator's period."""

    time: float
    stream: StreamName
    incarnation: int
    text: str
    key: str


class OutputStore:
    """The output of every child of an instance, below `logs_dir`."""

    def __init__(self, logs_dir: str | os.PathLike[str]) -> None:
        self.logs_dir = os.fspath(logs_dir)
        self.spares = SpareFiles(self.logs_dir, self._make)
        self._directories: dict[str, str] = {}
        self._made: set[str] = set()
        """Directories that are there, as far as we know."""

    # -- for the node -----------------------------------------------------------------------------------------------

    def paths(self, key: str, incarnation: int) -> tuple[str, str]:
        """(stdout, stderr) of an incarnation. Makes the child's directory at the first call; no system call afterwards."""
        self.make_directory(key)
        return self.names(key, incarnation)

    def names(self, key: str, incarnation: int) -> tuple[str, str]:
        """As `paths`, of which the directory may not be there yet."""
        directory = self._directories.get(key)
        if directory is None:
            directory = self._directories[key] = self.directory(key)
        return f"{directory}/{incarnation}.out", f"{directory}/{incarnation}.err"

    def make_directory(self, key: str) -> bool:
        """The child's directory: before a process makes its own files there. No system call where we know of it; True
        where it was made, or found, just now. OSError."""
        return self._make(self._directories.get(key) or self.directory(key))

    def _make(self, directory: str) -> bool:
        if directory in self._made:
            return False
        _make_directory(directory)
        self._made.add(directory)
        return True

    def has_limits(self, key: str) -> bool:
        """Whether bounds of its own were set for the output of `key`, some time."""
        return os.path.exists(os.path.join(self.directory(key), LIMITS))

    def forget(self, key: str) -> None:
        """The child was removed, or its directory was: the next start makes it again."""
        directory = self._directories.pop(key, None)
        self._made.discard(directory or self.directory(key))

    def tail(
        self, key: str, incarnation: int, stream: StreamName, lines: int = 20, max_bytes: int = TAIL_BYTES
    ) -> list[str]:
        """The last lines of one stream; empty when there is nothing to read, whatever the cause: a tail is a courtesy."""
        try:
            view = StreamView(self.directory(key), incarnation, stream)
            end = view.size()
            start = view.start_of_last(lines, end, max_bytes=max_bytes)
            return [_text(line) for _, line in view.lines(start, end)][-lines:]
        except OSError:
            return []

    # -- for people -------------------------------------------------------------------------------------------------

    def directory(self, key: str) -> str:
        """Where the files of `key` lie; ValueError for what cannot be a key."""
        parts = key.split("/")
        if any(not part or part.startswith(".") or "\0" in part for part in parts):
            raise ValueError(f"not a key: {key!r}")
        return os.path.join(self.logs_dir, *parts)

    def keys(self, key: str = "") -> list[str]:
        """Children with output: `key` itself and everything below it; all of them for ``""``."""
        top = self.directory(key) if key else self.logs_dir
        return sorted(
            os.path.relpath(directory, self.logs_dir)
            for directory, _, names in os.walk(top)
            if _has_output(names)
        )

    def size(self, key: str) -> int:
        """Bytes on disk, holes not counted."""
        total = 0
        for child in self.keys(key):
            with os.scandir(self.directory(child)) as entries:
                total += sum(
                    entry.stat().st_blocks * 512 for entry in entries if entry.is_file(follow_symlinks=False)
                )
        return total

    def read(
        self,
        key: str,
        *,
        since: float | None = None,
        until: float | None = None,
        lines: int | None = None,
        streams: Iterable[StreamName] = STREAMS,
        incarnation: int | None = None,
    ) -> Iterator[OutputLine]:
        """Lines of `key` and everything below it in the order of time; the last `lines` of them when that is given.

        `since` and `until` are Unix seconds. Of two lines of one period (0.5 s) in different streams either may come first.
        """
        wanted = frozenset(streams)
        sources = [_Child(self.directory(child), child, wanted, incarnation) for child in self.keys(key)]
        if lines is None:
            yield from _merge([source.forward(since, until) for source in sources])
        else:
            last = _merge([source.last(lines, since, until) for source in sources])
            yield from list(last)[-lines:] if lines > 0 else ()

    def last_of(
        self, keys: Iterable[str], *, lines: int, streams: Iterable[StreamName] = STREAMS
    ) -> Iterator[OutputLine]:
        """The last `lines` lines of these children together, in the order of time."""
        wanted = frozenset(streams)
        sources = [_Child(self.directory(key), key, wanted, None).last(lines, None, None) for key in keys]
        yield from deque(_merge(sources), maxlen=lines)

    def follow(
        self, key: str, *, lines: int = 10, wait_s: float = 1.0, streams: Iterable[StreamName] = STREAMS
    ) -> Iterator[list[OutputLine]]:
        """The last `lines` lines, then what is written later, in batches, for ever; a batch is empty when nothing was
        written for `wait_s`, so that the caller can look at something else or leave."""
        changes = Changes()
        follower = _Follower(self, key, frozenset(streams), changes)
        try:
            yield follower.backlog(lines)
            while True:
                batch = follower.batch()
                if not batch:
                    follower.look_again = changes.wait(wait_s, blind=follower.blind)
                    batch = follower.batch()
                yield batch
        finally:
            changes.close()


def _make_directory(directory: str) -> None:
    """As os.makedirs, which looks at each level before: of a thousand children all but the first have the one above."""
    try:
        os.mkdir(directory, 0o700)
    except FileNotFoundError:
        os.makedirs(directory, mode=0o700, exist_ok=True)
    except FileExistsError:
        if not os.path.isdir(directory):
            raise


def _has_output(names: list[str]) -> bool:
    return any(name[:1].isdecimal() and (".out" in name or ".err" in name) for name in names)


def _text(line: bytes) -> str:
    return line.removesuffix(b"\r").decode("utf-8", "replace")


def _merge(sources: list[Iterator[OutputLine]]) -> Iterator[OutputLine]:
    """By time; a source whose clock went back keeps its own order and holds nobody up."""
    if len(sources) == 1:
        return sources[0]
    return (
        line
        for _, _, line in heapq.merge(*(_rising(source, number) for number, source in enumerate(sources)))
    )


def _rising(source: Iterator[OutputLine], number: int) -> Iterator[tuple[float, int, OutputLine]]:
    latest = 0.0
    for line in source:
        latest = max(latest, line.time)
        yield latest, number, line


class _Child:
    """The output of one child: incarnations one after the other, the streams of each merged by time."""

    def __init__(
        self, directory: str, key: str, streams: frozenset[StreamName], incarnation: int | None
    ) -> None:
        self._directory, self._key = directory, key
        self._streams = sorted(
            (number, stream)
            for number, stream in list_streams(directory)
            if stream in streams and incarnation in (None, number)
        )

    def _incarnations(self) -> list[int]:
        return sorted({number for number, _ in self._streams})

    def _of(self, incarnation: int) -> list[StreamView]:
        return [StreamView(self._directory, n, stream) for n, stream in self._streams if n == incarnation]

    def forward(self, since: float | None, until: float | None) -> Iterator[OutputLine]:
        for incarnation in self._incarnations():
            yield from _merge([self._lines(view, None, since, until) for view in self._of(incarnation)])

    def last(self, count: int, since: float | None, until: float | None) -> Iterator[OutputLine]:
        """At least the last `count` lines, fewer only if there are no more."""
        if until is not None:
            yield from self.forward(since, until)
            return
        chosen: list[list[OutputLine]] = []
        missing = count
        for incarnation in reversed(self._incarnations()):
            if missing <= 0:
                break
            found = list(_merge([self._lines(view, missing, since, None) for view in self._of(incarnation)]))[
                -missing:
            ]
            chosen.append(found)
            missing -= len(found)
        for found in reversed(chosen):
            yield from found

    def _lines(
        self, view: StreamView, last: int | None, since: float | None, until: float | None
    ) -> Iterator[OutputLine]:
        times, end, latest = view.times(), view.size(), view.written_at()
        start = view.first
        if since is not None:
            start = max(start, view.line_start(times.offset_at(since)))
        if last is not None:
            start = max(start, view.start_of_last(last, end, max_bytes=end))
        for offset, line in view.lines(start, end):
            at = times.time_of(offset, latest)
            if (since is None or at >= since) and (until is None or at <= until):
                yield OutputLine(at, view.stream, view.incarnation, _text(line), self._key)


class _Follower:
    """Places in the streams of a key and everything below it, and the search for new ones."""

    def __init__(
        self, store: OutputStore, key: str, streams: frozenset[StreamName], changes: Changes
    ) -> None:
        self._store, self._key, self._streams, self._changes = store, key, streams, changes
        self._places: dict[tuple[str, int, StreamName], _Place] = {}
        self._ended: set[tuple[str, int, StreamName]] = set()
        self._watched: set[str] = set()
        self.look_again = True
        """There may be new files."""
        self.blind = False
        """True when a directory could not be watched, so that changes are found by looking only."""

    def backlog(self, lines: int) -> list[OutputLine]:
        """Begin `lines` before the end of the newest output."""
        for place in self._new_places():
            end = place.view.size()
            start = place.view.start_of_last(lines, end, max_bytes=FOLLOW_CHUNK) if lines > 0 else end
            place.splitter = LineSplitter(start)
        return self._drain()[-lines:] if lines > 0 else []

    def batch(self) -> list[OutputLine]:
        """What was written since the last call."""
        if self.look_again:
            self._new_places()
            self.look_again = False
        return self._drain()

    def _drain(self) -> list[OutputLine]:
        newest: dict[str, int] = {}
        for child, incarnation, _ in self._places:
            newest[child] = max(incarnation, newest.get(child, 0))
        found: list[list[OutputLine]] = []
        for key, place in list(self._places.items()):
            taken = place.take()
            if not taken and place.idle and place.view.incarnation < newest[key[0]]:
                taken = place.rest()
                del self._places[key]  # an incarnation that ended and said nothing more
                self._ended.add(key)
            place.idle = not taken
            found.append(taken)
        return list(_merge([iter(lines) for lines in found]))

    def _new_places(self) -> list["_Place"]:
        new: list[_Place] = []
        top = self._store.directory(self._key)
        for directory, _, names in os.walk(top):
            if directory not in self._watched:
                self._watched.add(directory)
                self.blind |= not self._changes.watch(directory)
                names = os.listdir(directory)  # what came before the watch stood
            if _has_output(names):
                new.extend(self._new_in(directory))
        if top not in self._watched:
            self.blind = True  # there is no output yet, not even a directory
        return new

    def _new_in(self, directory: str) -> list["_Place"]:
        child = os.path.relpath(directory, self._store.logs_dir)
        new: list[_Place] = []
        for incarnation, stream in sorted(list_streams(directory)):
            key = (child, incarnation, stream)
            if stream in self._streams and key not in self._places and key not in self._ended:
                self._places[key] = _Place(StreamView(directory, incarnation, stream), child)
                new.append(self._places[key])
        return new


class _Place:
    """How far one stream was followed."""

    def __init__(self, view: StreamView, key: str) -> None:
        self.view, self.key = view, key
        self.splitter = LineSplitter(0)
        self.idle = False

    def take(self) -> list[OutputLine]:
        """The lines that are complete since the last call, a chunk at most."""
        if self.view.size() <= self.splitter.offset:
            return []
        at, data = self.view.read(self.splitter.offset, FOLLOW_CHUNK)
        return self._lines(list(self.splitter.feed(at, data))) if data else []

    def rest(self) -> list[OutputLine]:
        """The last line of an ended incarnation, if no newline ended it."""
        return self._lines(list(self.splitter.finish()))

    def _lines(self, found: list[tuple[int, bytes]]) -> list[OutputLine]:
        times, latest = self.view.times(), self.view.written_at()
        return [
            OutputLine(
                times.time_of(offset, latest), self.view.stream, self.view.incarnation, _text(line), self.key
            )
            for offset, line in found
        ]
