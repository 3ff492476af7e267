"""What a browser may say, checked: text in, values out."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MAX_TOPICS = 16
MAX_SPARKS = 200
RATES = (4.0, 1.0, 0.2)


class MessageError(ValueError):
    """The message cannot be understood; the text says why."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """One topic of a `sub`. cols None: all; since None: nothing is held."""

    topic: str
    cols: tuple[str, ...] | None
    filter: str
    since: int | None
    epoch: str | None


@dataclass(frozen=True, slots=True)
class Sub:
    topics: tuple[Wanted, ...]
    hz: float | None


@dataclass(frozen=True, slots=True)
class Unsub:
    topics: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Ack:
    topic: str
    b: int


@dataclass(frozen=True, slots=True)
class Rate:
    hz: float


@dataclass(frozen=True, slots=True)
class Sparks:
    ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Beat:
    pass


Message = Sub | Unsub | Ack | Rate | Sparks | Beat


def read_message(text: str) -> Message:
    """Raises MessageError."""
    try:
        body = json.loads(text)
    except (ValueError, RecursionError):
        raise MessageError("a message is a JSON object") from None
    if not isinstance(body, dict):
        raise MessageError("a message is a JSON object")
    match body.get("op"):
        case "sub":
            return Sub(_topics(body), _hz(body) if "hz" in body else None)
        case "unsub":
            return Unsub(_texts(body, "topics", MAX_TOPICS))
        case "ack":
            return Ack(_text(body, "t"), _whole(body, "b"))
        case "rate":
            return Rate(_hz(body))
        case "sparks":
            return Sparks(_texts(body, "ids", MAX_SPARKS))
        case "beat":
            return Beat()
    raise MessageError("op is one of sub, unsub, ack, rate, sparks, beat")


def _topics(body: Mapping[str, Any]) -> tuple[Wanted, ...]:
    topics = body.get("topics")
    if not isinstance(topics, dict) or len(topics) > MAX_TOPICS:
        raise MessageError(f"topics is an object with at most {MAX_TOPICS} topics")
    return tuple(_wanted(topic, part) for topic, part in topics.items())


def _wanted(topic: str, part: object) -> Wanted:
    if not isinstance(part, dict):
        raise MessageError(f"topics.{topic} is an object")
    cols = None if part.get("cols") is None else _texts(part, "cols", 64)
    since = None if part.get("since") is None else _whole(part, "since")
    epoch = None if part.get("epoch") is None else _text(part, "epoch")
    return Wanted(topic, cols, _text(part, "filter") if part.get("filter") else "", since, epoch)


def _hz(body: Mapping[str, Any]) -> float:
    hz = body.get("hz")
    if isinstance(hz, bool) or not isinstance(hz, int | float) or float(hz) not in RATES:
        raise MessageError("hz is 4, 1 or 0.2")
    return float(hz)


def _text(body: Mapping[str, Any], name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str):
        raise MessageError(f"{name} is a text")
    return value


def _whole(body: Mapping[str, Any], name: str) -> int:
    value = body.get(name)
    if isinstance(value, bool) or not isinstance(value, int):
        raise MessageError(f"{name} is a whole number")
    return value


def _texts(body: Mapping[str, Any], name: str, most: int) -> tuple[str, ...]:
    value = body.get(name)
    if not isinstance(value, list) or len(value) > most or not all(isinstance(item, str) for item in value):
        raise MessageError(f"{name} is a list of at most {most} texts")
    return tuple(value)
