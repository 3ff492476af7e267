"""Rotation and retention of one child's output, without a byte lost and without the child's help.

The order is what makes it safe. Bytes are copied behind the end of the last segment; the segment is brought to disk; only
then the active file gets a hole up to there. The end of the last segment is the record of the progress, so a kill -9 at
any moment leaves bytes in both places (read once: output_files.py) or in one, never in none. After a power cut the segment
may be shorter than its size says: what is still in the active file is compared first.

Where the file system makes no holes nothing is rotated while anybody writes (mode `grow`): files grow until their
incarnation ends. Truncating the active file instead would lose what is written between the last copy and the cut.

Limits: a child that truncates its own output is not followed; the active file keeps its apparent size (16 TiB is ext4's
end, four days at 50 MB/s), and RLIMIT_FSIZE counts that size.
"""

import contextlib
import os
from dataclasses import dataclass

from supervision.runtime.linux import punch_hole
from supervision.runtime.output import DEFAULT_MAX_BYTES, DEFAULT_SEGMENTS
from supervision.runtime.output_files import (
    STREAMS,
    Stream,
    StreamName,
    keep_times_from,
    pack_time,
    streams_of,
)
from supervision.runtime.rotation_files import (
    Punch,
    copy_range,
    first_data,
    first_difference,
    has_writer,
    opened,
)

KEEP_INCARNATIONS = 20
ROTATE_AT = 1 << 20
"""Less than this stays in the active file: copying, syncing and a hole cost the same for a line as for a megabyte."""
STEP = 8 << 20
"""Copied, synced and freed at a time, so that a nearly full disk is enough to go on."""
SMALLEST_SEGMENT = 4096
NEWLINE_SEARCH = 64 * 1024
_PAIR = len(pack_time(0, 0))


@dataclass(frozen=True, slots=True)
class Limits:
    """Retention of one child: bytes of all its incarnations and both streams, and in how many steps they are dropped."""

    max_bytes: int = DEFAULT_MAX_BYTES
    segments: int = DEFAULT_SEGMENTS

    @property
    def segment_bytes(self) -> int:
        """The active file is the one piece beside the segments."""
        return max(self.max_bytes // (self.segments + 1), SMALLEST_SEGMENT)


class StreamRotation:
    """One stream: its files, and how far indexing and rotation came."""

    def __init__(self, files: Stream, punch: Punch) -> None:
        self.files = files
        self._punch = punch
        self.closed = False
        """Nobody can write to it any more."""
        self.sizes = [os.stat(files.segment_path(start)).st_size for start in files.starts]
        self.size = self._active_size()
        self._indexed = self._recover_times()
        self._holes_to = 0
        if files.active and files.starts:
            self._recover()

    @property
    def end(self) -> int:
        """Where the segments end and the active file goes on."""
        return self.files.starts[-1] + self.sizes[-1] if self.sizes else 0

    @property
    def live(self) -> int:
        """Bytes that are only in the active file."""
        return max(0, self.size - self.end) if self.files.active else 0

    @property
    def bytes(self) -> int:
        return sum(self.sizes) + self.live

    def _active_size(self) -> int:
        return os.stat(self.files.path).st_size if self.files.active else 0

    # -- time index -------------------------------------------------------------------------------------------------

    def index(self) -> None:
        """Note when what is new was written: the file's own time of its last write."""
        if not self.files.active:
            return
        seen = os.stat(self.files.path)
        self.size = seen.st_size
        if seen.st_size > self._indexed:
            with opened(self.files.times_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND) as fd:
                written = os.write(fd, pack_time(seen.st_size, seen.st_mtime_ns))
                if written != _PAIR:  # the disk is full: no half of a pair may stay
                    os.ftruncate(fd, os.fstat(fd).st_size - written)
                    return
            self._indexed = seen.st_size
            self.files.times = True

    def _recover_times(self) -> int:
        """The last indexed offset; a torn pair is cut."""
        if not self.files.times:
            return 0
        with opened(self.files.times_path, os.O_RDWR) as fd:
            size = os.fstat(fd).st_size
            if size % _PAIR:
                size -= size % _PAIR
                os.ftruncate(fd, size)
            return int.from_bytes(os.pread(fd, 8, size - _PAIR), "little") if size else 0

    # -- rotation ---------------------------------------------------------------------------------------------------

    def rotate(self, limits: Limits, *, everything: bool) -> int:
        """Move the closed range into segments: up to the last newline, or `everything`. Bytes moved.

        Fewer than there are when the disk is full; what could not be moved stays where it is.
        """
        moved = 0
        with opened(self.files.path, os.O_RDWR) as active:
            self.size = os.fstat(active).st_size
            if self.live > limits.max_bytes:
                self._drop_to(active, self.size - limits.max_bytes)
            limit = self.size if everything else self._last_newline(active, self.size)
            while self.end < limit:
                room = limits.segment_bytes - (self.sizes[-1] if self.sizes else 0)
                if not self.sizes or room <= 0:
                    self._begin_segment(self.end)
                    continue
                upto = min(self.end + min(room, STEP), limit)
                fills = upto == self.end + room and upto < limit
                if fills:  # a segment ends at a border of lines, so that the next one begins at one
                    newline = self._last_newline(active, upto)
                    upto = newline if newline > self.end else upto
                wanted = upto - self.end
                copied = self._copy(active, wanted)
                moved += copied
                self._hole(active)
                if copied == 0:
                    break  # the disk is full; a little that fits would have freed as much
                if fills and copied == wanted:
                    self._begin_segment(self.end)
        return moved

    def _copy(self, active: int, length: int) -> int:
        segment = self.files.segment_path(self.files.starts[-1])
        with opened(segment, os.O_WRONLY) as fd:
            copied = copy_range(active, self.end, fd, self.sizes[-1], length)
            os.fdatasync(fd)
        self.sizes[-1] += copied
        return copied

    def _hole(self, active: int) -> None:
        """Free what the segments hold. A hole frees whole blocks only, so it begins well before the last one's end."""
        if self.end > self._holes_to:
            start = max(0, self._holes_to - STEP)
            self._punch(active, start, self.end - start)
            self._holes_to = self.end

    def _begin_segment(self, start: int) -> None:
        os.close(
            os.open(
                self.files.segment_path(start), os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600
            )
        )
        with opened(self.files.directory, os.O_RDONLY | os.O_DIRECTORY) as directory:
            os.fsync(directory)  # a hole must not outlive the name of the segment that holds its bytes
        self.files.starts.append(start)
        self.sizes.append(0)

    def _drop_to(self, active: int, offset: int) -> None:
        """More was written since the last look than may be kept: go over the oldest of it without copying."""
        data = os.pread(active, NEWLINE_SEARCH, offset)
        self._begin_segment(offset + data.find(b"\n") + 1)
        self._hole(active)

    def _last_newline(self, active: int, end: int) -> int:
        """Behind the last newline before `end`, if one is near; else `end`."""
        start = max(self.end, end - NEWLINE_SEARCH)
        newline = os.pread(active, end - start, start).rfind(b"\n")
        return start + newline + 1 if newline >= 0 else end if end - start >= NEWLINE_SEARCH else self.end

    def _recover(self) -> None:
        """A predecessor was killed, or the power was cut: compare what both places still have, and finish the hole."""
        start = self.files.starts[-1]
        with opened(self.files.path, os.O_RDWR) as active:
            data = first_data(active, start)
            if data is not None and data < self.end:
                with opened(self.files.segment_path(start), os.O_RDWR) as segment:
                    length = min(self.end, self.size) - data
                    same = first_difference(active, data, segment, data - start, length) if length > 0 else 0
                    if same < length:
                        os.ftruncate(segment, data - start + same)
                        self.sizes[-1] = data - start + same
            self._hole(active)

    # -- retention --------------------------------------------------------------------------------------------------

    def close(self, limits: Limits) -> int:
        """Nobody writes any more: a rotated stream becomes segments only, an empty one goes. Bytes moved."""
        moved = 0
        if self.files.active and self.sizes:
            moved = self.rotate(limits, everything=True)
            if self.live == 0:
                self._unlink_active()
        if self.bytes == 0:
            self.remove()
        return moved

    def drop_oldest(self) -> bool:
        """Drop the oldest piece; False when there is none that can go while it is written to."""
        if self.bytes == 0:
            return False
        if len(self.sizes) == 1 and not (self.closed and not self.files.active):
            if self.sizes[0] == 0:
                return self._drop_closed()
            self._begin_segment(self.end)  # the place where the active file goes on has to stay on record
        if not self.sizes:
            return self._drop_closed()
        os.unlink(self.files.segment_path(self.files.starts.pop(0)))
        self.sizes.pop(0)
        if not self.sizes:
            self.remove()
        elif self.files.times:
            keep_times_from(self.files.times_path, self.files.starts[0])
        return True

    def _drop_closed(self) -> bool:
        if not self.closed:
            return False
        self.remove()
        return True

    def remove(self) -> None:
        """Every file of the stream; the record of the progress goes after the active file it is about."""
        for start in self.files.starts[:-1]:
            _unlink(self.files.segment_path(start))
        self._unlink_active()
        for start in self.files.starts[-1:]:
            _unlink(self.files.segment_path(start))
        _unlink(self.files.times_path)
        self.files.starts, self.sizes = [], []
        self.files.times = False

    def _unlink_active(self) -> None:
        _unlink(self.files.path)
        self.files.active = False


def _unlink(path: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)


class ChildOutput:
    """The directory of one child. `look` does what there is to do, and tells which directories lie below."""

    def __init__(self, directory: str, limits: Limits, *, punch: Punch | None = punch_hole) -> None:
        self.directory = directory
        self.limits = limits
        self._punch = punch
        self._streams: dict[tuple[int, StreamName], StreamRotation] = {}
        self._listed_at = -1
        self._settled = False

    def look(self) -> list[str]:
        """Index, rotate, retain. Directories inside, when they may have changed. FileNotFoundError when it is gone."""
        below = self._list()
        newest = max((incarnation for incarnation, _ in self._streams), default=0)
        for (incarnation, _), stream in list(self._streams.items()):
            try:
                stream.index()
                self._advance(stream, ended=incarnation < newest)
            except FileNotFoundError:
                self._settled = False  # somebody tidied up by hand
        try:
            self._retain(newest)
        except FileNotFoundError:
            self._settled = False
        return below

    @property
    def awaits_a_writer(self) -> bool:
        """Whether somebody may still write for a life that is over: no event tells when that ends."""
        newest = max((incarnation for incarnation, _ in self._streams), default=0)
        return any(number < newest and not one.closed for (number, _), one in self._streams.items())

    @property
    def has_output(self) -> bool:
        return bool(self._streams)

    def written_at(self) -> float | None:
        """Unix seconds of the last write if nobody writes here any more, None while somebody may."""
        latest = 0.0
        for stream in self._streams.values():
            with contextlib.suppress(FileNotFoundError):
                if stream.files.active:
                    latest = max(latest, os.stat(stream.files.path).st_mtime)
                    if has_writer(stream.files.path) is not False:
                        return None
                elif stream.files.starts:
                    latest = max(latest, os.stat(stream.files.segment_path(stream.files.starts[-1])).st_mtime)
        return latest

    def remove(self) -> None:
        """Drop all output. The directory stays."""
        for stream in self._streams.values():
            stream.remove()
        self._streams.clear()
        self._settled = False

    def _list(self) -> list[str]:
        """Read the directory if it changed. A change in the clock tick of the last reading does not show in the
        directory's time, so it is read once more at the next look."""
        changed_at = os.stat(self.directory).st_mtime_ns
        if changed_at == self._listed_at and self._settled:
            return []
        self._settled = changed_at == self._listed_at
        self._listed_at = changed_at
        names: list[str] = []
        below: list[str] = []
        with os.scandir(self.directory) as entries:
            for entry in entries:
                (below if entry.is_dir(follow_symlinks=False) else names).append(entry.name)
        found = streams_of(self.directory, names)
        for key in [key for key in self._streams if key not in found]:
            del self._streams[key]
        for key, files in found.items():
            if key not in self._streams:
                self._streams[key] = StreamRotation(files, self._punch or punch_hole)
        return [os.path.join(self.directory, name) for name in below]

    def _advance(self, stream: StreamRotation, *, ended: bool) -> None:
        if ended and not stream.closed and stream.files.active:
            stream.closed = has_writer(stream.files.path) is False
        elif not stream.files.active:
            stream.closed = True
        if stream.closed:
            if stream.files.active:
                stream.close(self.limits)
        elif self._punch is not None and stream.live >= min(ROTATE_AT, self.limits.segment_bytes):
            stream.rotate(self.limits, everything=False)

    def _retain(self, newest: int) -> None:
        incarnations = sorted({incarnation for incarnation, _ in self._streams})
        for incarnation in incarnations[:-KEEP_INCARNATIONS]:
            for name in STREAMS:
                stream = self._streams.get((incarnation, name))
                if stream is not None and (stream.closed or has_writer(stream.files.path) is not True):
                    stream.remove()
        self._forget_empty(newest)
        while sum(stream.bytes for stream in self._streams.values()) > self.limits.max_bytes:
            # The stream with more bytes gives way: much output never pushes out a few lines of errors.
            larger = max(STREAMS, key=self._bytes_of)
            if not any(stream.drop_oldest() for stream in self._oldest_first(larger)):
                return
            self._forget_empty(newest)

    def _bytes_of(self, name: StreamName) -> int:
        return sum(stream.bytes for (_, stream_name), stream in self._streams.items() if stream_name == name)

    def _oldest_first(self, name: StreamName) -> list[StreamRotation]:
        return [self._streams[key] for key in sorted(self._streams) if key[1] == name]

    def _forget_empty(self, newest: int) -> None:
        for key, stream in list(self._streams.items()):
            if key[0] < newest and not stream.files.active and not stream.sizes:
                del self._streams[key]
