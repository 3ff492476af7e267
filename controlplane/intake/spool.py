"""Reports on disk while the database is away: files of lines, each synced before its request is answered.

A file belongs to the process that writes it, for as long as it holds a lock on it; a file that nobody holds is anybody's.
Each line is whole or is not taken: a torn last line was never acknowledged.
"""

import base64
import contextlib
import datetime as dt
import fcntl
import json
import os
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

MOST_BYTES = 1024**3
"""Of all files together."""
PART_BYTES = 1024 * 1024
"""A file that is longer is closed, and the next one begun. What it holds is committed in one transaction."""


class SpoolFullError(Exception):
    """More than MOST_BYTES wait for the database."""


@dataclass(frozen=True, slots=True)
class Row:
    """What is committed of one item. `body` is JSON, compressed."""

    project: int
    kind: str
    event_id: str
    body: bytes
    drift_s: float
    child: str
    incarnation: int | None
    received_at: dt.datetime


@dataclass(frozen=True, slots=True)
class Part:
    """A file of the spool, ours alone until `release`."""

    rows: Sequence[Row]
    path: Path
    handle: int

    def forget(self) -> None:
        """Its rows are committed."""
        self.path.unlink(missing_ok=True)

    def set_aside(self, rows: Sequence[Row]) -> None:
        """Those of its rows that are refused; the others are committed. Nobody takes them again; their lines stay, to be
        looked at."""
        refused = os.open(
            self.path.with_suffix(".refused"), os.O_WRONLY | os.O_TRUNC | os.O_CREAT | os.O_CLOEXEC, 0o600
        )
        with os.fdopen(refused, "wb") as file:
            file.write(b"".join(_line(row) for row in rows))
            file.flush()
            os.fsync(file.fileno())
        self.forget()

    def release(self) -> None:
        """Anybody may take it, if it is still there."""
        os.close(self.handle)


class Spool:
    """Of one process."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._handle: int | None = None
        self._path: Path | None = None

    def append(self, rows: Sequence[Row]) -> None:
        """On disk when it returns. SpoolFullError; OSError, and then nothing of it will be taken."""
        if self.size() > MOST_BYTES:
            raise SpoolFullError(f"{self._directory} holds {MOST_BYTES} bytes")
        handle = self._file()
        end = os.fstat(handle).st_size
        data = b"".join(_line(row) for row in rows)
        try:
            while data:
                data = data[os.write(handle, data) :]
            os.fdatasync(handle)
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(handle, end)
            raise
        if os.fstat(handle).st_size > PART_BYTES:
            self.close()

    def size(self) -> int:
        """Bytes that wait."""
        total = 0
        for path in self._directory.glob("*.jsonl") if self._directory.exists() else ():
            with contextlib.suppress(FileNotFoundError):  # another process has just committed it
                total += path.stat().st_size
        return total

    def waiting(self) -> list[Path]:
        """Files in which something waits: our own too, which is closed by this; some may be held by others."""
        self.close()
        return sorted(self._directory.glob("*.jsonl")) if self._directory.exists() else []

    def take(self, path: Path) -> Part | None:
        """One of those that wait, for us alone until it is released; None if another holds it or it is gone. OSError."""
        try:
            handle = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if path.exists():  # else its last owner forgot it while we came
                return Part(_rows(path.read_bytes()), path, handle)
        except BlockingIOError:
            pass
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)
        return None

    def close(self) -> None:
        if self._handle is not None:
            os.close(self._handle)
        self._handle = self._path = None

    def _file(self) -> int:
        if self._handle is None:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._path = self._directory / f"{uuid.uuid4().hex}.jsonl"
            self._handle = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._handle, fcntl.LOCK_EX)
        return self._handle


def _line(row: Row) -> bytes:
    at = row.received_at.isoformat()
    body = base64.b64encode(row.body).decode()
    made = [row.project, row.kind, row.event_id, body, row.drift_s, row.child, row.incarnation, at]
    return json.dumps(made).encode() + b"\n"


def _rows(data: bytes) -> list[Row]:
    rows = []
    for line in data.split(b"\n")[:-1]:
        try:
            project, kind, event_id, body, drift_s, child, incarnation, received_at = json.loads(line)
            at = dt.datetime.fromisoformat(received_at)
            body = base64.b64decode(body)
            rows.append(Row(project, kind, event_id, body, drift_s, child, incarnation, at))
        except (ValueError, TypeError):
            continue  # torn, and never acknowledged
    return rows
