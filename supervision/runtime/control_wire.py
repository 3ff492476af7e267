"""The lines of the control socket, without a socket: what a client sent, and what is wrong with it.

A request is one line of JSON, `{"id": 7, "op": "stop", "args": {"key": "shop/web"}}`. Everything else a client can send gets
an answer that names the fault; nothing it can send is more than an answer's work (docs/adr/0005).
"""

import json
import math
from collections import deque
from dataclasses import dataclass
from typing import Any, NoReturn

MAX_REQUEST_BYTES = 16 * 1024 * 1024
"""A tree of some 40,000 children."""
MAX_DEPTH = 200
"""Levels of arrays and objects: a tree document has 32 levels of supervisors, each three of these, and 32 more inside."""
MAX_ID_CHARS = 200
MAX_SHOWN_CHARS = 60

RequestId = int | str | None


class ControlError(Exception):
    """A request that is refused: `code` as the protocol names it, a message for people, a JSON pointer to the field."""

    def __init__(self, code: str, message: str, pointer: str | None = None, **extra: Any) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.pointer = pointer
        self.extra = extra

    def to_json(self) -> dict[str, Any]:
        body: dict[str, Any] = {"code": self.code, "message": self.message, **self.extra}
        if self.pointer is not None:
            body["pointer"] = self.pointer
        return body


class RequestError(ControlError):
    """A line that is no request; `request_id` where it says one, so that the client finds what it belongs to."""

    def __init__(self, request_id: RequestId, message: str, pointer: str | None = None) -> None:
        super().__init__("bad_request", message, pointer)
        self.request_id = request_id


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as it was sent; its arguments are not looked at yet."""

    id: RequestId
    op: str
    args: dict[str, Any]


class LineReader:
    """Cuts what comes into lines. One that is too long is None in `lines`, and the rest of it is thrown away."""

    def __init__(self, most: int = MAX_REQUEST_BYTES) -> None:
        self.lines: deque[bytes | None] = deque()
        self._most = most
        self._begun = bytearray()
        self._skipping = False

    def feed(self, data: bytes) -> None:
        *ends, rest = data.split(b"\n")
        for end in ends:
            self._grow(end)
            if not self._skipping:
                self.lines.append(bytes(self._begun))
                self._begun.clear()
            self._skipping = False
        self._grow(rest)

    def _grow(self, part: bytes) -> None:
        if self._skipping:
            return
        if len(self._begun) + len(part) > self._most:
            self._begun.clear()
            self._skipping = True
            self.lines.append(None)
        else:
            self._begun += part


def parse_request(line: bytes | None) -> Asked:
    """What `line` asks. Raises RequestError. Fields that we do not know are ignored: the client may be newer."""
    if line is None:
        raise RequestError(None, f"a request longer than {MAX_REQUEST_BYTES} bytes")
    body = decode_object(line)
    request_id = body.get("id")
    if isinstance(request_id, bool) or not isinstance(request_id, int | str | None):
        raise RequestError(None, "id is a number or text", "/id")
    if isinstance(request_id, str) and len(request_id) > MAX_ID_CHARS:
        raise RequestError(None, f"id has at most {MAX_ID_CHARS} characters", "/id")
    op = body.get("op")
    if not isinstance(op, str):
        raise RequestError(request_id, "op is needed, as text", "/op")
    args = body.get("args")
    if args is not None and not isinstance(args, dict):
        raise RequestError(request_id, "args is an object", "/args")
    return Asked(request_id, op, args or {})


def shown(value: object) -> str:
    """What a client sent, in an answer: as Python writes it, never longer than MAX_SHOWN_CHARS."""
    text = repr(value)
    return text if len(text) <= MAX_SHOWN_CHARS else text[: MAX_SHOWN_CHARS - 1] + "…"


def decode_object(line: bytes) -> dict[str, Any]:
    """The object in a line. Raises RequestError."""
    try:
        body = json.loads(line, parse_constant=_no_number, parse_float=_finite)
    except RecursionError:
        raise RequestError(None, f"not a request: nested deeper than {MAX_DEPTH} levels") from None
    except ValueError as error:
        raise RequestError(None, f"not a request: {error}") from None
    if not isinstance(body, dict):
        raise RequestError(None, "not a request: an object is needed")
    if line.count(b"[") + line.count(b"{") > MAX_DEPTH and _is_deeper(body, MAX_DEPTH):
        raise RequestError(None, f"not a request: nested deeper than {MAX_DEPTH} levels")
    return body


def _no_number(word: str) -> NoReturn:
    raise ValueError(f"{word} is no number of JSON")


def _finite(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _no_number(shown(text))


def _is_deeper(value: object, most: int) -> bool:
    """Level by level, without recursion: what takes a document apart later may recurse as deep as this allows."""
    level: list[object] = [value]
    for _ in range(most + 1):
        below: list[object] = []
        for item in level:
            if isinstance(item, dict):
                below.extend(item.values())
            elif isinstance(item, list):
                below.extend(item)
        if not below:
            return False
        level = below
    return True
