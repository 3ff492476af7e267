"""Output of many children at once: their last lines together, and what each wrote behind a place that is told.

A place is `[incarnation, bytes of stdout, bytes of stderr]`: what older incarnations wrote has been read, newer ones are
read from their beginning. So the places of hundreds of children stay small whatever they lived through. Each child has an
equal share of an answer, and one that writes more than its share is read on with the next question.
"""

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from supervision.runtime.clock import Clock
from supervision.runtime.output import OutputLine, OutputStore
from supervision.runtime.output_files import STREAMS, StreamName, list_streams
from supervision.runtime.output_view import StreamView

MAX_KEYS = 300
MAX_LINES = 5000
MAX_LINE = 4000
"""Characters of a line that are told."""
MAX_BYTES = 2 << 20
"""Of the last lines together."""
CHUNK = 256 * 1024
"""Of what was written since, together."""
LEAST_CHUNK = 4 * 1024
POLL_S = 0.5
"""Between two looks: each costs a directory listing for each child."""

Place = tuple[int, int, int]
BEGINNING: Place = (0, 0, 0)


class ManyOutputs:
    """Each method is one question: arguments as they came, seconds left; ValueError, TypeError for bad ones."""

    def __init__(self, logs_dir: Path, clock: Clock) -> None:
        self._store = OutputStore(logs_dir)
        self._clock = clock
        self._pause = threading.Event()

    def last(self, args: dict[str, Any], _left_s: float) -> dict[str, Any]:
        """The last `lines` lines of `keys` together, and the places behind them."""
        keys, wanted = _keys(args), _streams(args)
        places = {key: self._end(key) for key in keys}
        count = int(args.get("lines", 200))
        if not 0 < count <= MAX_LINES:
            raise ValueError(f"lines is a number from 1 to {MAX_LINES}")
        lines: list[dict[str, Any]] = []
        room = MAX_BYTES
        for line in reversed([*self._store.last_of(keys, lines=count, streams=wanted)]):
            room -= len(line.text[:MAX_LINE]) + 60
            if room < 0:
                break
            lines.append(_line(line))
        return {"lines": lines[::-1], "places": places}

    def follow(self, args: dict[str, Any], left_s: float) -> dict[str, Any]:
        """What came behind `places` (by key; null: from its beginning); waits for something, a while."""
        wanted = _streams(args)
        places = {key: _place(place) for key, place in dict(args["places"]).items()}
        if len(places) > MAX_KEYS:
            raise ValueError(f"{MAX_KEYS} children at most")
        until = self._clock.boot() + max(0.0, min(left_s - 0.5, 20.0))
        share = max(LEAST_CHUNK, CHUNK // max(1, len(places)))
        while True:
            lines: list[OutputLine] = []
            after: dict[str, Place] = {}
            for key, place in places.items():
                found, after[key] = self._behind(key, place, share)
                lines += found
            if any(line.stream in wanted for line in lines) or self._clock.boot() >= until:
                shown = sorted((line for line in lines if line.stream in wanted), key=lambda line: line.time)
                return {"lines": [_line(line) for line in shown], "places": after}
            places = after
            self._pause.wait(POLL_S)

    def _end(self, key: str) -> Place:
        directory = self._store.directory(key)
        newest = max((number for number, _ in list_streams(directory)), default=0)
        sizes = {stream: StreamView(directory, newest, stream).size() for stream in STREAMS} if newest else {}
        return (newest, sizes.get("out", 0), sizes.get("err", 0))

    def _behind(self, key: str, place: Place, room: int) -> tuple[list[OutputLine], Place]:
        directory = self._store.directory(key)
        numbers = sorted({number for number, _ in list_streams(directory) if number >= max(1, place[0])})
        lines: list[OutputLine] = []
        for number in numbers:
            begin = place if number == place[0] else (number, 0, 0)
            offsets = []
            for stream, offset in zip(STREAMS, begin[1:], strict=True):
                view = StreamView(directory, number, stream)
                found, end, room = _read(view, key, offset, room, is_over=number != numbers[-1])
                lines += found
                offsets.append(end)
            place = (number, offsets[0], offsets[1])
            if room <= 0:
                break  # the next question goes on here
        return lines, place


def _read(
    view: StreamView, key: str, offset: int, room: int, *, is_over: bool
) -> tuple[list[OutputLine], int, int]:
    """Whole lines behind `offset`, where they end, and the room that is left. is_over: a life that has ended writes no more,
    so its last words are a line also without an end."""
    if room <= 0:
        return [], offset, room
    at, data = view.read(offset, room)
    is_all = len(data) < room
    whole = data if is_over and is_all else data[: data.rfind(b"\n") + 1]
    if not whole and not is_all:
        whole = data  # one line that is longer than its share
    if not whole:
        return [], offset, room
    written = view.written_at()
    lines = [
        OutputLine(written, view.stream, view.incarnation, text.decode(errors="replace"), key)
        for text in whole.removesuffix(b"\n").split(b"\n")
    ]
    return lines, at + len(whole), room - len(whole)


def _line(line: OutputLine) -> dict[str, Any]:
    return {
        "time": round(line.time, 3),
        "stream": line.stream,
        "incarnation": line.incarnation,
        "text": line.text[:MAX_LINE],
        "key": line.key,
    }


def _keys(args: Mapping[str, Any]) -> list[str]:
    keys = args["keys"]
    if (
        not isinstance(keys, list)
        or len(keys) > MAX_KEYS
        or not all(isinstance(key, str) and key for key in keys)
    ):
        raise ValueError(f"keys are {MAX_KEYS} at most")
    return keys


def _place(value: Any) -> Place:
    if value is None:
        return BEGINNING
    number, out, err = (int(part) for part in value)
    if min(number, out, err) < 0:
        raise ValueError("a place has no negative numbers")
    return number, out, err


def _streams(args: Mapping[str, Any]) -> tuple[StreamName, ...]:
    stream = args.get("stream")
    if stream is None:
        return STREAMS
    for known in STREAMS:
        if stream == known:
            return (known,)
    raise ValueError(f"stream is one of {', '.join(STREAMS)}")
