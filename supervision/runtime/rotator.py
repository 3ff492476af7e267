"""The rotator helper: rotates and bounds captured output, and brings the journal to disk each second.

Crash-only: killed at any moment it leaves every byte where a successor and every reader find it (rotation.py). It has three
threads with one job each, because the disk may hold any of them up: the main one answers the node, one looks at output, one
syncs the journal. They share nothing but queues.
"""

import argparse
import contextlib
import json
import os
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from queue import Empty, SimpleQueue

from supervision.runtime.helper_channel import HelperChannel
from supervision.runtime.journal_segments import list_segments, sync
from supervision.runtime.link import Message
from supervision.runtime.linux import punch_hole
from supervision.runtime.output import OutputStore
from supervision.runtime.output_files import LIMITS
from supervision.runtime.paths import Paths
from supervision.runtime.rotation import ChildOutput, Limits
from supervision.runtime.rotation_files import can_punch, ignore_lease_breaks
from supervision.runtime.rotation_watch import Directories
from supervision.runtime.spare_files import DIRECTORY, MADE_AT_ONCE, MADE_WHEN_BUSY, make_pairs

PERIOD_S = 0.5
SYNC_PERIOD_S = 1.0
TIDY_EVERY = 120
"""Looks between two rounds of tidying up after children that are no more."""
KEEP_ENDED = 1000
"""Children that nobody writes for any more whose output is kept; beyond, the oldest goes. Bounds what dynamic children with
ever new names leave behind."""

Say = Callable[[str], None]


class Rotator:
    """All captured output below `logs_dir`; `look` is one round."""

    def __init__(self, logs_dir: str | os.PathLike[str], *, say: Say, defaults: Limits | None = None) -> None:
        self.logs_dir = os.fspath(logs_dir)
        self.mode = "punch" if can_punch(self.logs_dir) else "grow"
        self._say = say
        self._defaults = defaults or Limits()
        self._store = OutputStore(self.logs_dir)
        self._directories = Directories(self.logs_dir)
        self._children: dict[str, ChildOutput] = {}
        self._limits: SimpleQueue[tuple[str, Limits]] = (
            SimpleQueue()
        )  # audit: ignore[SUP501] one per spawn, taken at each look
        self._rounds = 0
        self._whole_at: int | None = None
        """When the spare files last changed, if all were there then."""
        self._emptied: set[str] = set()
        self._trouble: dict[str, str] = {}
        if self.mode == "grow":
            say(f"no holes can be made in {self.logs_dir}: output is rotated only when an incarnation ends")

    def set_limits(self, key: str, limits: Limits) -> None:
        """From any thread; takes effect at the next look and is kept on disk for the next rotator."""
        self._limits.put((key, limits))

    def look(self) -> None:
        """Look at every directory in which something changed."""
        self._take_limits()
        pending = self._directories.changed()
        is_quiet = not any(self._is_childs(directory) for directory in pending)
        while pending:
            for directory in pending:
                self._look_at(directory)
            pending = self._directories.changed() if self._directories.fresh else []
        self._make_spares(MADE_AT_ONCE if is_quiet else MADE_WHEN_BUSY)
        self._rounds += 1
        if self._rounds % TIDY_EVERY == 0:
            self.tidy()

    def _look_at(self, directory: str) -> None:
        try:
            child = self._children.get(directory)
            if child is None:
                child = self._children[directory] = self._child(directory)
            for below in child.look():
                if not os.path.basename(below).startswith("."):  # no child's: spare files
                    self._directories.add(below)
            self._trouble.pop(directory, None)
        except FileNotFoundError:
            self._children.pop(directory, None)
            self._directories.forget(directory)
        except OSError as error:  # a full disk or a broken file: the others go on, this one is tried again
            what = error.strerror or str(error)
            if self._trouble.get(directory) != what:
                self._trouble[directory] = what
                self._say(f"{directory}: {what}")
            self._directories.again(directory)

    def _is_childs(self, directory: str) -> bool:
        return directory != self.logs_dir and not os.path.basename(directory).startswith(".")

    def _make_spares(self, at_most: int) -> None:
        directory = os.path.join(self.logs_dir, DIRECTORY)
        try:
            changed_at = os.stat(directory).st_mtime_ns if os.path.isdir(directory) else 0
            if changed_at == self._whole_at:
                return  # a listing of thousands of names would tell the same
            whole = make_pairs(self.logs_dir, at_most=at_most)
            self._whole_at = changed_at if whole else None
            self._trouble.pop(DIRECTORY, None)
        except OSError as error:  # children make their own files meanwhile
            what = error.strerror or str(error)
            if self._trouble.get(DIRECTORY) != what:
                self._trouble[DIRECTORY] = what
                self._say(f"spare output files: {what}")

    def _child(self, directory: str) -> ChildOutput:
        limits = _read_limits(directory) or self._defaults
        return ChildOutput(directory, limits, punch=punch_hole if self.mode == "punch" else None)

    def _take_limits(self) -> None:
        with contextlib.suppress(Empty):
            while True:
                key, limits = self._limits.get_nowait()
                try:
                    directory = self._store.directory(key)
                    os.makedirs(directory, mode=0o700, exist_ok=True)
                    if _read_limits(directory) != limits:
                        _write_limits(directory, limits)
                except (OSError, ValueError) as error:
                    self._say(f"limits of {key}: {error}")
                    continue
                child = self._children.get(directory)
                if child is not None:
                    child.limits = limits
                    self._directories.again(directory)

    def tidy(self) -> None:
        """Remove the output of the oldest ended children beyond KEEP_ENDED, and directories emptied a round ago; look once
        more where an ended life's output was still open.

        The node is told one round before a directory goes, because it remembers which ones there are.
        """
        for directory in self._emptied:
            child = self._children.get(directory)
            if child is not None and not child.has_output:
                with contextlib.suppress(OSError):
                    _unlink(os.path.join(directory, LIMITS))
                    os.rmdir(directory)
        self._emptied.clear()
        for child in self._children.values():
            if child.awaits_a_writer:
                self._directories.again(child.directory)
        holding = [child for child in self._children.values() if child.has_output]
        if len(holding) <= KEEP_ENDED:
            return
        ended = sorted((at, child.directory) for child in holding if (at := child.written_at()) is not None)
        for _, directory in ended[: max(0, len(ended) - KEEP_ENDED)]:
            self._children[directory].remove()
            self._emptied.add(directory)
            self.on_removed(os.path.relpath(directory, self.logs_dir))

    def on_removed(self, key: str) -> None:
        """Replaced by `main`: tells the node."""

    def close(self) -> None:
        self._directories.close()


def _read_limits(directory: str) -> Limits | None:
    try:
        body = json.loads(Path(directory, LIMITS).read_bytes())
        return _limits(body["max_bytes"], body["segments"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _write_limits(directory: str, limits: Limits) -> None:
    path = Path(directory, LIMITS)
    new = path.with_name(LIMITS + ".new")
    new.write_text(json.dumps({"max_bytes": limits.max_bytes, "segments": limits.segments}))
    new.rename(path)


def _limits(max_bytes: object, segments: object) -> Limits:
    if type(max_bytes) is not int or type(segments) is not int or max_bytes < 1 or segments < 1:
        raise ValueError(f"not limits: {max_bytes!r}, {segments!r}")
    return Limits(max_bytes, segments)


def _unlink(path: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)


class JournalSync:
    """Brings what was written to the journal since the last call to disk; a disk that fails is told of once."""

    def __init__(self, directory: str | os.PathLike[str], say: Say) -> None:
        self._directory = os.fspath(directory)
        self._say = say
        self._seen: object = None
        self._trouble = ""

    def __call__(self) -> bool:
        """True when there was something to sync."""
        try:
            seen = [
                (segment.path, os.stat(segment.path).st_size)
                for segment in list_segments(self._directory)[-1:]
            ]
            if seen == self._seen:
                return False
            sync(self._directory)
        except OSError as error:
            if str(error) != self._trouble:
                self._trouble = str(error)
                self._say(f"journal not brought to disk: {error}")
            return False
        self._seen, self._trouble = seen, ""
        return True


def main(argv: list[str]) -> int:
    """`rotator --data-dir DIR [--period S]`, the channel on descriptor 3; returns when the channel closes."""
    parser = argparse.ArgumentParser(prog="rotator")
    parser.add_argument("--data-dir", required=True)
    parser.add_argument("--period", type=float, default=PERIOD_S)
    options = parser.parse_args(argv)
    paths = Paths(Path(options.data_dir))
    ignore_lease_breaks()
    channel = HelperChannel.inherited()
    outbox: SimpleQueue[tuple[str, dict[str, str]]] = SimpleQueue()
    os.makedirs(paths.logs_dir, mode=0o700, exist_ok=True)
    say: Say = lambda what: outbox.put(("problem", {"what": what}))  # noqa: E731  # one line, used twice
    rotator = Rotator(paths.logs_dir, say=say)
    rotator.on_removed = lambda key: outbox.put(("removed", {"key": key}))  # type: ignore[method-assign]
    stop = threading.Event()
    for job, period in ((rotator.look, options.period), (JournalSync(paths.journal_dir, say), SYNC_PERIOD_S)):
        threading.Thread(
            target=_every, args=(period, job, stop), daemon=True
        ).start()  # audit: ignore[SUP101] see _every
    _serve(channel, rotator, outbox)
    stop.set()
    return 0


def _every(period: float, job: Callable[[], object], stop: threading.Event) -> None:
    """Run `job` each `period` seconds. What it does not handle ends the whole helper: the node starts another."""
    try:
        while not stop.wait(period):
            job()
    except BaseException:  # noqa: BLE001  # a helper with a dead thread would answer pings for ever
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)


def _serve(
    channel: HelperChannel, rotator: Rotator, outbox: "SimpleQueue[tuple[str, dict[str, str]]]"
) -> None:
    while True:
        channel.wait()
        messages = channel.receive()
        if messages is None:
            return
        for message in messages:
            _hear(message, rotator)
        with contextlib.suppress(Empty):
            while True:
                op, body = outbox.get_nowait()
                channel.send(op, **body)


def _hear(message: Message, rotator: Rotator) -> None:
    if message.op == "limits":
        try:
            limits = _limits(message.body.get("max_bytes"), message.body.get("segments"))
        except ValueError:
            return
        rotator.set_limits(str(message.body.get("key")), limits)
