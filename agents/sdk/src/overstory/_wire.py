"""Lines of the channel: JSON objects with a newline behind, and raw bytes where a line announced some. No socket in here."""

import json
from collections import deque
from typing import Any

VERSION = 1
MAX_LINE = 1024 * 1024
"""The gateway takes no longer line."""
MAX_PAYLOAD = 64 * 1024 * 1024
"""No answer carries more raw bytes."""
MAX_KIND_CHARS = 100


class WireError(Exception):
    """What came is not the protocol: the connection is of no use any more."""


def encode(message: dict[str, Any]) -> bytes:
    """One line. ValueError for what JSON cannot say, or a line longer than MAX_LINE."""
    data = json.dumps(message, separators=(",", ":"), allow_nan=False).encode() + b"\n"
    if len(data) > MAX_LINE:
        raise ValueError(f"{len(data)} bytes are more than the {MAX_LINE} of one message")
    return data


def check_kind(kind: str) -> str:
    """`kind` itself: words of lower-case letters, digits and `_`, joined by dots. ValueError otherwise."""
    words = kind.split(".")
    if len(kind) > MAX_KIND_CHARS or not all(
        word.isascii() and word.replace("_", "a").isalnum() and word == word.lower() for word in words
    ):
        raise ValueError(f"no kind: {kind!r} (lower-case words joined by dots)")
    return kind


class Lines:
    """What came, as messages. A message with `bytes` is followed by so many raw bytes, found under `payload`."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._waiting: dict[str, Any] | None = None
        self._found: deque[dict[str, Any]] = deque()

    def feed(self, data: bytes) -> None:
        """Take what was read. WireError for what is no message."""
        self._buffer += data
        while self._next():
            pass

    def pop(self) -> dict[str, Any] | None:
        """The next whole message."""
        return self._found.popleft() if self._found else None

    def _next(self) -> bool:
        if self._waiting is not None:
            size = int(self._waiting["bytes"])
            if len(self._buffer) < size:
                return False
            self._waiting["payload"] = bytes(self._buffer[:size])
            del self._buffer[:size]
            self._found.append(self._waiting)
            self._waiting = None
            return True
        end = self._buffer.find(b"\n")
        if end < 0:
            if len(self._buffer) > MAX_LINE:
                raise WireError("a line without an end")
            return False
        message = _decode(bytes(self._buffer[:end]))
        del self._buffer[: end + 1]
        if message.get("bytes"):
            self._waiting = message
        else:
            self._found.append(message)
        return True


def _decode(line: bytes) -> dict[str, Any]:
    try:
        message = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise WireError(f"not a message: {error}") from None
    if not isinstance(message, dict) or not isinstance(message.get("op"), str):
        raise WireError("not a message: an object with op is needed")
    size = message.get("bytes", 0)
    if type(size) is not int or not 0 <= size <= MAX_PAYLOAD:
        raise WireError("not a message: bytes is a size")
    return message
