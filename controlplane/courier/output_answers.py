"""Output of children as answers: lines of a span, the last lines, and what follows them, chunk by chunk."""

import itertools
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from supervision.runtime.clock import Clock
from supervision.runtime.output import OutputLine, OutputStore
from supervision.runtime.output_files import STREAMS, StreamName, list_streams
from supervision.runtime.output_view import StreamView

MAX_LINES = 5000
MAX_BYTES = 1 << 20
"""Of one answer. What did not fit is said (`truncated`)."""
MAX_KEYS = 2000
CHUNK = 256 * 1024
FOLLOW_POLL_S = 0.2


class Output:
    """Each method is one question: arguments as they came, seconds left; ValueError, KeyError for bad ones."""

    def __init__(self, logs_dir: Path, clock: Clock) -> None:
        self._store = OutputStore(logs_dir)
        self._clock = clock
        self._pause = threading.Event()

    def keys(self, args: dict[str, Any], _left_s: float) -> dict[str, Any]:
        """Which children at or below `key` have output."""
        found = self._store.keys(_key(args, may_be_empty=True))
        return {"keys": found[:MAX_KEYS], "truncated": len(found) > MAX_KEYS}

    def lines(self, args: dict[str, Any], left_s: float) -> dict[str, Any]:
        """Lines of `key` and below: `since`, `until` (Unix seconds), the last `lines`, `stream`, `incarnation`."""
        count = _count(args)
        until = self._clock.boot() + left_s
        found = self._store.read(
            _key(args),
            since=_number(args, "since"),
            until=_number(args, "until"),
            lines=count,
            streams=_streams(args),
            incarnation=_incarnation(args),
        )
        return _bounded(itertools.takewhile(lambda _: self._clock.boot() < until, found), keep_last=True)

    def tail(self, args: dict[str, Any], _left_s: float) -> dict[str, Any]:
        """The last lines of one stream of one incarnation, as evidence."""
        key, incarnation = _key(args), _incarnation(args)
        stream: StreamName = "out" if args.get("stream") == "out" else "err"
        if incarnation is None:
            numbers = [number for number, _ in list_streams(self._store.directory(key))]
            incarnation = max(numbers, default=0)
        lines = self._store.tail(key, incarnation, stream, lines=min(_count(args), 200))
        return {"key": key, "incarnation": incarnation, "stream": stream, "lines": lines}

    def follow(self, args: dict[str, Any], left_s: float) -> dict[str, Any]:
        """What came behind `cursor` ({"incarnation:stream": offset}); waits for something, a while.

        Without a cursor: from now on, and at once. The cursor of the answer is for the next question.
        """
        key = _key(args)
        directory = self._store.directory(key)
        wanted = _streams(args)
        cursor = {str(place): int(offset) for place, offset in dict(args.get("cursor") or {}).items()}
        if "cursor" not in args or args["cursor"] is None:
            return {"key": key, "lines": [], "cursor": self._ends(directory, wanted), "truncated": False}
        until = self._clock.boot() + max(0.0, min(left_s - 0.5, 20.0))
        while True:
            answer = self._behind(key, directory, wanted, cursor)
            if answer["lines"] or self._clock.boot() >= until:
                return answer
            self._pause.wait(FOLLOW_POLL_S)

    def _ends(self, directory: str, wanted: Iterable[StreamName]) -> dict[str, int]:
        return {
            f"{incarnation}:{stream}": StreamView(directory, incarnation, stream).size()
            for incarnation, stream in list_streams(directory)
            if stream in wanted
        }

    def _behind(
        self, key: str, directory: str, wanted: Iterable[StreamName], cursor: dict[str, int]
    ) -> dict[str, Any]:
        lines: list[dict[str, Any]] = []
        after = dict(cursor)
        room = CHUNK
        for incarnation, stream in sorted(list_streams(directory)):
            if stream not in wanted or room <= 0:
                continue
            place = f"{incarnation}:{stream}"
            view = StreamView(directory, incarnation, stream)
            at, data = view.read(after.get(place, 0), room)
            whole = data[: data.rfind(b"\n") + 1]
            if not whole and len(data) == room:
                whole = data  # one line that is longer than an answer
            if whole:
                room -= len(whole)
                written = view.written_at()
                lines += [
                    _line(OutputLine(written, stream, incarnation, text.decode(errors="replace"), key))
                    for text in whole.removesuffix(b"\n").split(b"\n")
                ]
            after[place] = at + len(whole)
        return {"key": key, "lines": lines, "cursor": after, "truncated": room <= 0}


def _bounded(lines: Iterator[OutputLine], *, keep_last: bool) -> dict[str, Any]:
    kept: list[dict[str, Any]] = []
    size = 0
    truncated = False
    for line in lines:
        kept.append(_line(line))
        size += len(line.text) + 60
        while size > MAX_BYTES or len(kept) > MAX_LINES:
            truncated = True
            size -= len(kept.pop(0 if keep_last else -1)["text"]) + 60
    return {"lines": kept, "truncated": truncated}


def _line(line: OutputLine) -> dict[str, Any]:
    return {
        "time": round(line.time, 3),
        "stream": line.stream,
        "incarnation": line.incarnation,
        "text": line.text,
        "key": line.key,
    }


def _key(args: dict[str, Any], *, may_be_empty: bool = False) -> str:
    key = args.get("key", "" if may_be_empty else None)
    if not isinstance(key, str) or (not key and not may_be_empty):
        raise ValueError("key is needed")
    return key


def _count(args: dict[str, Any]) -> int:
    count = args.get("lines", 200)
    if isinstance(count, bool) or not isinstance(count, int) or not 0 < count <= MAX_LINES:
        raise ValueError(f"lines is a number from 1 to {MAX_LINES}")
    return count


def _number(args: dict[str, Any], name: str) -> float | None:
    value = args.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{name} is a time in Unix seconds")
    return float(value)


def _incarnation(args: dict[str, Any]) -> int | None:
    value = args.get("incarnation")
    if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
        raise ValueError("incarnation is a number")
    return value


def _streams(args: dict[str, Any]) -> tuple[StreamName, ...]:
    stream = args.get("stream")
    if stream is None:
        return STREAMS
    for known in STREAMS:
        if stream == known:
            return (known,)
    raise ValueError(f"stream is one of {', '.join(STREAMS)}")
