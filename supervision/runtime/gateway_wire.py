"""What a program may say on its socket: lines of JSON, and raw bytes where a line announced some. Pure; no socket.

Nothing that a program can send is more than the work of an answer, or of closing its connection (docs/gateway.md).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from supervision.runtime.control_wire import RequestError, decode_object

VERSION = 1
MAX_LINE = 1024 * 1024
MAX_PAYLOAD = 64 * 1024 * 1024
KIND = re.compile(r"[a-z0-9_]+(\.[a-z0-9_]+)*", re.ASCII)
MAX_KIND_CHARS = 100
STREAM = re.compile(r"[0-9a-f]{8,64}", re.ASCII)
MAX_ASK_S = 5.0
"""With the store away a question fails by name within 5 s."""
MAX_GAUGES = 64
GAUGE = re.compile(r"[a-z][a-z0-9_.]{0,63}", re.ASCII)


class WireFault(Exception):  # noqa: N818  the program's, and the end of its connection
    """What came is not the protocol."""


class Refusal(Exception):  # noqa: N818  an answer like others
    """What was asked is refused: `code` for programs, a message for people."""

    def __init__(self, code: str, message: str, **more: Any) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.more = more

    def to_json(self) -> dict[str, Any]:
        return {"code": self.code, "message": self.message, **self.more}


@dataclass(slots=True)
class Said:
    """One message: its op, its fields, and the raw bytes behind it."""

    op: str
    fields: dict[str, Any]
    payload: bytes = field(default=b"")
    is_too_large: bool = False
    """More raw bytes followed than were taken; they were thrown away."""


class Framer:
    """Cuts what comes into messages. Of raw bytes it keeps no more than `most`, and throws longer ones away."""

    def __init__(self, most: int = 0) -> None:
        self.most = most
        self._buffer = bytearray()
        self._waiting: Said | None = None
        self._needed = 0

    def feed(self, data: bytes) -> None:
        self._buffer += data

    def pop(self) -> Said | None:
        """The next whole message; None when more has to come first. WireFault."""
        if self._waiting is None:
            end = self._buffer.find(b"\n")
            if end < 0:
                if len(self._buffer) > MAX_LINE:
                    raise WireFault(f"a line longer than {MAX_LINE} bytes")
                return None
            said = parse(bytes(self._buffer[:end]))
            del self._buffer[: end + 1]
            self._needed = payload_size(said.fields)
            said.is_too_large = self._needed > self.most
            self._waiting = said
        return self._with_payload(self._waiting)

    def _with_payload(self, said: Said) -> Said | None:
        if said.is_too_large:
            thrown = min(self._needed, len(self._buffer))
            del self._buffer[:thrown]
            self._needed -= thrown
            if self._needed:
                return None
        elif len(self._buffer) < self._needed:
            return None
        elif self._needed:
            said.payload = bytes(self._buffer[: self._needed])
            del self._buffer[: self._needed]
        self._waiting = None
        return said


def parse(line: bytes) -> Said:
    """WireFault for what is no message."""
    if len(line) > MAX_LINE:
        raise WireFault(f"a line longer than {MAX_LINE} bytes")
    try:
        fields = decode_object(line)
    except RequestError as error:
        raise WireFault(error.message) from None
    op = fields.pop("op", None)
    if not isinstance(op, str):
        raise WireFault("op is needed, as text")
    return Said(op, fields)


def payload_size(fields: Mapping[str, Any]) -> int:
    """How many raw bytes follow. WireFault."""
    size = fields.get("bytes", 0)
    if type(size) is not int or not 0 <= size <= MAX_PAYLOAD:
        raise WireFault(f"bytes is a size of at most {MAX_PAYLOAD}")
    return size


# -- fields: each raises Refusal ------------------------------------------------------------------------------------------


def text(fields: Mapping[str, Any], name: str, *, most: int = 2300) -> str:
    value = fields.get(name)
    if not isinstance(value, str) or len(value) > most:
        raise Refusal("bad_request", f"{name} is needed, as text of at most {most} characters")
    return value


def number(fields: Mapping[str, Any], name: str, *, least: int = 0) -> int:
    value = fields.get(name)
    if type(value) is not int or not least <= value < 2**63:
        raise Refusal("bad_request", f"{name} is needed, as a whole number from {least} on")
    return value


def kind(fields: Mapping[str, Any]) -> str:
    value = fields.get("kind")
    if not isinstance(value, str) or len(value) > MAX_KIND_CHARS or KIND.fullmatch(value) is None:
        raise Refusal("bad_request", "kind is needed: lower-case words joined by dots")
    return value


def body(fields: Mapping[str, Any]) -> dict[str, Any]:
    value = fields.get("body", {})
    if not isinstance(value, dict):
        raise Refusal("bad_request", "body is an object")
    return value


def seconds(fields: Mapping[str, Any], name: str, *, default: float, most: float) -> float:
    value = fields.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
        raise Refusal("bad_request", f"{name} is a number of seconds")
    return min(float(value), most)


def gauges(fields: Mapping[str, Any]) -> dict[str, float]:
    values = fields.get("values")
    if not isinstance(values, dict) or len(values) > MAX_GAUGES:
        raise Refusal("bad_request", f"values is an object of at most {MAX_GAUGES} numbers")
    for name, value in values.items():
        if GAUGE.fullmatch(name) is None:
            raise Refusal(
                "bad_request", f"{name[:80]!r} is no name of a gauge: lower case, at most 64 characters"
            )
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise Refusal("bad_request", f"{name} is no number")
    return {name: float(value) for name, value in values.items()}


def counters(fields: Mapping[str, Any]) -> dict[str, float]:
    """Totals by name, as gauges are; none is below zero or without an end."""
    totals = gauges(fields)
    for name, total in totals.items():
        if not 0 <= total < float("inf"):
            raise Refusal("bad_request", f"{name} counts from zero up, not {total}")
    return totals
