"""Checkpoints on disk: whole or not there, the newest that can be read, never over a newer life's.

One directory for each child. A file is a line of JSON about the state, the state, and a SHA-256 of both; it is written
beside, brought to disk, renamed, and the directory is brought to disk before the version is answered. Its name says version
and incarnation, so the fence holds whatever the content: a save by an older incarnation than any that saved, or that has
loaded since, is refused. Versions of a child only grow, also where a corrupt one is passed over.

Blocking; for threads. One owner per directory, the gateway: two processes must not write one.
"""

import contextlib
import hashlib
import json
import os
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

SUFFIX = ".checkpoint"
UNFINISHED = ".new"
CORRUPT = ".corrupt"
FENCE = ".fence"
CARRIED = ".carried"
ASKED = ".asked"
_NAME = re.compile(r"(\d{12})-(\d{10})" + re.escape(SUFFIX))
_DIGEST = hashlib.sha256().digest_size
VERSION = 1


class StaleIncarnation(Exception):  # noqa: N818  the answer's name
    """A newer life of the child has saved or loaded: this one's state is history."""

    def __init__(self, incarnation: int, newest: int) -> None:
        super().__init__(f"incarnation {incarnation} may not save: incarnation {newest} has begun")
        self.newest = newest


@dataclass(frozen=True, slots=True)
class Meta:
    """What is known of a state. `epoch`: of the tree's placement; `content`: `json` or `bytes`; `at`: Unix seconds."""

    version: int
    incarnation: int
    epoch: int
    schema: int
    content: str
    at: float


@dataclass(frozen=True, slots=True)
class Kept:
    """How many versions are kept, and how old they may be; the newest always stays."""

    keep: int = 3
    max_age_s: float | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """One file, by its name."""

    version: int
    incarnation: int
    path: str


@dataclass(frozen=True, slots=True)
class Found:
    """The newest state that can be read, and the versions that could not, newest first, with why."""

    meta: Meta | None
    data: bytes
    corrupt: tuple[tuple[int, str], ...] = ()


class CheckpointFiles:
    """All children's, below `directory`."""

    def __init__(self, directory: str) -> None:
        self.directory = directory

    def path_of(self, key: str) -> str:
        """The child's directory. ValueError for what cannot be a key."""
        parts = key.split("/")
        if any(not part or part.startswith(".") or "\0" in part for part in parts):
            raise ValueError(f"not a key: {key!r}")
        return os.path.join(self.directory, *parts)

    def entries(self, key: str) -> list[Entry]:
        """Newest first."""
        path = self.path_of(key)
        try:
            names = os.listdir(path)
        except (FileNotFoundError, NotADirectoryError):
            return []
        found = [
            Entry(int(match[1]), int(match[2]), os.path.join(path, name))
            for name in names
            if (match := _NAME.fullmatch(name))
        ]
        return sorted(found, key=lambda entry: entry.version, reverse=True)

    def save(self, key: str, meta: Meta, data: bytes, kept: Kept) -> Meta:
        """Keep `data` as the next version (`meta.version` is the least it may be); StaleIncarnation, OSError."""
        path = self.path_of(key)
        os.makedirs(path, mode=0o700, exist_ok=True)
        entries = self.entries(key)
        newest = max([self._fence(path), *(entry.incarnation for entry in entries)])
        if meta.incarnation < newest:
            raise StaleIncarnation(meta.incarnation, newest)
        version = max([meta.version, self._last_version(path) + 1])
        meta = Meta(version, meta.incarnation, meta.epoch, meta.schema, meta.content, meta.at)
        name = f"{version:012d}-{meta.incarnation:010d}{SUFFIX}"
        _write_whole(os.path.join(path, name), encode(meta, data))
        self._prune(key, kept, meta.at)
        return meta

    def load(self, key: str, incarnation: int) -> Found:
        """The newest whole state, for `incarnation`, before which nobody saves any more. What cannot be read is put aside.

        StaleIncarnation for one that is itself history.
        """
        path = self.path_of(key)
        entries = self.entries(key)
        newest = max([self._fence(path), *(entry.incarnation for entry in entries)])
        if incarnation < newest:
            raise StaleIncarnation(incarnation, newest)
        if entries and incarnation > self._fence(path):
            _write_whole(os.path.join(path, FENCE), b"%d\n" % incarnation)
        corrupt: list[tuple[int, str]] = []
        for entry in entries:
            try:
                meta, data = decode(_read(entry.path))
            except FileNotFoundError:
                continue
            except (ValueError, OSError) as error:
                corrupt.append((entry.version, str(error)))
                with contextlib.suppress(OSError):
                    os.rename(entry.path, entry.path + CORRUPT)
                continue
            return Found(meta, data, tuple(corrupt))
        return Found(None, b"", tuple(corrupt))

    def read(self, key: str, version: int) -> tuple[Meta, bytes] | None:
        """One version, if it is there and whole."""
        for entry in self.entries(key):
            if entry.version == version:
                with contextlib.suppress(OSError, ValueError):
                    return decode(_read(entry.path))
        return None

    def carried(self, key: str) -> int:
        """The last version that is on its way to the store."""
        return _number(os.path.join(self.path_of(key), CARRIED))

    def set_carried(self, key: str, version: int) -> None:
        _write_whole(os.path.join(self.path_of(key), CARRIED), b"%d\n" % version)

    def asked(self, key: str) -> int:
        """The last placement under which the store was asked for what it has."""
        return _number(os.path.join(self.path_of(key), ASKED))

    def set_asked(self, key: str, epoch: int) -> None:
        path = self.path_of(key)
        os.makedirs(path, mode=0o700, exist_ok=True)
        _write_whole(os.path.join(path, ASKED), b"%d\n" % epoch)

    def forget(self, key: str) -> None:
        """The child is no more: nothing of it is kept. Children below it in the tree keep theirs."""
        path = self.path_of(key)
        with contextlib.suppress(OSError):
            for name in os.listdir(path):
                inside = os.path.join(path, name)
                if not os.path.isdir(inside):
                    os.unlink(inside)
        while path != self.directory:
            try:
                os.rmdir(path)
            except OSError:
                return
            path = os.path.dirname(path)

    def keys(self) -> Iterator[str]:
        """Children that have a checkpoint."""
        for directory, _, names in os.walk(self.directory):
            if any(_NAME.fullmatch(name) for name in names):
                yield os.path.relpath(directory, self.directory)

    def _fence(self, path: str) -> int:
        return _number(os.path.join(path, FENCE))

    def _last_version(self, path: str) -> int:
        """Also of those that were put aside, so that a number means one state for ever."""
        numbers = [int(name[:12]) for name in os.listdir(path) if _NAME.match(name)]
        return max(numbers, default=0)

    def _prune(self, key: str, kept: Kept, now: float) -> None:
        path = self.path_of(key)
        for index, entry in enumerate(self.entries(key)):
            is_old = kept.max_age_s is not None and now - _mtime(entry.path) > kept.max_age_s
            if index >= kept.keep or (index and is_old):
                with contextlib.suppress(OSError):
                    os.unlink(entry.path)
        aside = sorted(name for name in os.listdir(path) if name.endswith((CORRUPT, UNFINISHED)))
        for name in aside[:-1]:  # the newest is left for who wants to know what happened
            with contextlib.suppress(OSError):
                os.unlink(os.path.join(path, name))


def encode(meta: Meta, data: bytes) -> bytes:
    """The content of a file."""
    head = (
        json.dumps({"v": VERSION, **asdict(meta), "bytes": len(data)}, separators=(",", ":")).encode() + b"\n"
    )
    digest = hashlib.sha256(head)
    digest.update(data)
    return b"".join((head, data, digest.digest()))


def decode(content: bytes) -> tuple[Meta, bytes]:
    """ValueError with the fault, for what is not whole."""
    if len(content) < _DIGEST or hashlib.sha256(content[:-_DIGEST]).digest() != content[-_DIGEST:]:
        raise ValueError(f"its checksum is wrong ({len(content)} bytes)")
    end = content.find(b"\n") + 1
    head: dict[str, Any] = json.loads(content[:end])
    if head.get("v") != VERSION:
        raise ValueError(f"its format is version {head.get('v')!r}")
    fields = ("version", "incarnation", "epoch", "schema", "content", "at")
    return Meta(**{name: head[name] for name in fields}), content[end:-_DIGEST]


def _write_whole(path: str, content: bytes) -> None:
    """There as a whole or not at all, also after a power cut."""
    new = path + UNFINISHED
    fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        view = memoryview(content)
        while view:
            view = view[os.write(fd, view) :]
        os.fdatasync(fd)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(new)
        raise
    finally:
        os.close(fd)
    os.rename(new, path)
    directory = os.open(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def _number(path: str) -> int:
    try:
        return int(_read(path)[:32])
    except (OSError, ValueError):
        return 0


def _mtime(path: str) -> float:
    try:
        return os.stat(path).st_mtime
    except OSError:
        return 0.0
