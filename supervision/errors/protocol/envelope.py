"""Sentry's envelope: a line of JSON, then items of a line of JSON and a payload each.

Source: Sentry's envelope specification, and what SDKs were seen to send. A payload has as many bytes as its header says, or
goes to the end of the line. An item of a type that nobody knows is skipped, never an error.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from supervision.errors.protocol.cleaning import NotJsonError, parse

MOST_HEADER = 8 * 1024
MOST_ITEMS = 100
MIB = 1024 * 1024
MOST_PAYLOAD: Mapping[str, int] = {
    "event": MIB,
    "transaction": MIB,
    "span": MIB,
    "log": MIB,
    "trace_metric": MIB,
    "check_in": 100 * 1024,
    "client_report": 4 * 1024,
    "session": 100 * 1024,
    "sessions": 100 * 1024,
    "attachment": 100 * MIB,
    "profile": 50 * MIB,
    "profile_chunk": 50 * MIB,
}
"""Bytes of one item; of other types as of an attachment."""
MOST_EVENTS = 1


class MalformedEnvelopeError(ValueError):
    """It is no envelope: 400, with the place."""


class EnvelopeTooLargeError(ValueError):
    """It, or an item of it, is larger than it may be: 413."""


@dataclass(frozen=True, slots=True)
class Item:
    """`header` as sent; `type` is "" where it says none."""

    header: Mapping[str, Any]
    payload: bytes

    @property
    def type(self) -> str:
        given = self.header.get("type")
        return given if isinstance(given, str) else ""


@dataclass(frozen=True, slots=True)
class Envelope:
    """Any in a header: what JSON can say."""

    header: Mapping[str, Any]
    items: tuple[Item, ...]


def read_header(body: bytes) -> Mapping[str, Any]:
    """What stands above the items, alone. MalformedEnvelopeError, EnvelopeTooLargeError. Any: what JSON can say."""
    return _line(body, 0, "the envelope's header")[0]


def read_envelope(body: bytes) -> Envelope:
    """MalformedEnvelopeError, EnvelopeTooLargeError."""
    header, at = _line(body, 0, "the envelope's header")
    items: list[Item] = []
    while at < len(body):
        if body[at : at + 1] == b"\n":  # an empty line between or after items
            at += 1
            continue
        if len(items) == MOST_ITEMS:
            raise EnvelopeTooLargeError(f"more than {MOST_ITEMS} items")
        where = f"item {len(items) + 1}"
        item_header, at = _line(body, at, f"the header of {where}")
        payload, at = _payload(body, at, item_header, where)
        item = Item(item_header, payload)
        most = MOST_PAYLOAD.get(item.type, MOST_PAYLOAD["attachment"])
        if len(payload) > most:
            raise EnvelopeTooLargeError(f"{where}, {item.type or 'without a type'}: more than {most} bytes")
        items.append(item)
    if sum(item.type in ("event", "transaction") for item in items) > MOST_EVENTS:
        raise MalformedEnvelopeError("more than one event or transaction")
    return Envelope(header, tuple(items))


def _line(body: bytes, at: int, what: str) -> tuple[Mapping[str, Any], int]:
    end = body.find(b"\n", at)
    end = len(body) if end < 0 else end
    if end - at > MOST_HEADER:
        raise EnvelopeTooLargeError(f"{what}: more than {MOST_HEADER} bytes")
    try:
        value = parse(body[at:end])
    except NotJsonError as error:
        raise MalformedEnvelopeError(f"{what}: {error}") from error
    if not isinstance(value, dict):
        raise MalformedEnvelopeError(f"{what} is no JSON object")
    return value, end + 1


def _payload(body: bytes, at: int, header: Mapping[str, Any], where: str) -> tuple[bytes, int]:
    length = header.get("length")
    if length is None:
        end = body.find(b"\n", at)
        end = len(body) if end < 0 else end
        return body[at:end], end + 1
    if isinstance(length, bool) or not isinstance(length, int) or length < 0:
        raise MalformedEnvelopeError(f"{where}: `length` is no length: {length!r:.40}")
    end = at + length
    if end > len(body):
        raise MalformedEnvelopeError(f"{where}: {length} bytes said, {max(0, len(body) - at)} came")
    if body[end : end + 1] not in (b"\n", b""):
        raise MalformedEnvelopeError(f"{where}: no new line after {length} bytes")
    return body[at:end], end + 1
