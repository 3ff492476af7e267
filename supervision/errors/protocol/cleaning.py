"""Makes of any JSON something that PostgreSQL takes and a page can show: bounded, without NUL and lone surrogates.

What was cut is said beside it, by the place it was cut at; notes.py reads that, and what SDKs say of the kind.
"""

import json
import math
import re
from dataclasses import dataclass, field
from typing import Any

import orjson

MOST_LEVELS = 64
MOST_STRING = 64 * 1024
MOST_ITEMS = 1000
"""Of one list or object. A stack has its own bound in `reading`."""
MOST_KEY = 256
MOST_INT = 2**63
"""PostgreSQL's readers of JSON take no larger one for a number."""
_UNSAYABLE = re.compile("[\x00\ud800-\udfff]")


class NotJsonError(ValueError):
    """It is no JSON at all."""


def parse(body: bytes) -> Any:
    """The value; NaN, infinities and lone surrogates are read too, as programs send them. NotJsonError.

    Any: what JSON can say. Nesting is bounded by the reader itself: what is deeper than it reads is refused.
    """
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        pass
    try:
        return json.loads(body.decode("utf-8", "replace"))
    except RecursionError:
        raise NotJsonError("nested too deep") from None
    except ValueError as error:
        raise NotJsonError(str(error)) from error


@dataclass(slots=True)
class Cleaned:
    """A value within the bounds, and what was cut, by the dotted path of where."""

    value: Any
    cut: dict[str, str] = field(default_factory=dict)


def sayable(text: str) -> str:
    """A text without the letters that PostgreSQL takes in no text: NUL and lone surrogates."""
    return text if _is_sayable(text) else _UNSAYABLE.sub("\N{REPLACEMENT CHARACTER}", text)


def _is_sayable(text: str) -> bool:
    return "\0" not in text if text.isascii() else _UNSAYABLE.search(text) is None


def clean(value: Any) -> Cleaned:
    """The value where it is within the bounds, as nearly all are, else a copy that is. Any: what JSON can say."""
    if _is_clean(value, MOST_LEVELS):
        return Cleaned(value)
    cleaned = Cleaned(None)
    cleaned.value = _clean(value, "", MOST_LEVELS, cleaned.cut)
    return cleaned


def _is_clean(value: Any, levels: int) -> bool:
    """Whether `_clean` would change nothing, at a fifth of its cost."""
    kind = value.__class__
    if kind is str:
        return len(value) <= MOST_STRING and _is_sayable(value)
    if kind is dict:
        if levels == 0 or len(value) > MOST_ITEMS:
            return False
        for key, item in value.items():
            if key.__class__ is not str or len(key) > MOST_KEY or not _is_sayable(key):
                return False
            if item is not None and not _is_clean(item, levels - 1):
                return False
        return True
    if kind is list:
        return levels > 0 and len(value) <= MOST_ITEMS and all(_is_clean(item, levels - 1) for item in value)
    if kind is int:
        return bool(-MOST_INT < value < MOST_INT)
    if kind is float:
        return math.isfinite(value)
    return kind is bool or value is None


def _clean(value: Any, at: str, levels: int, cut: dict[str, str]) -> Any:
    if isinstance(value, str):
        return _text(value, at, cut)
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int):
        return value if abs(value) < MOST_INT else str(value)[:MOST_STRING]
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if levels == 0:
        cut[at] = "nested too deep"
        return "…"
    if isinstance(value, dict):
        if len(value) > MOST_ITEMS:
            cut[at] = f"{len(value)} items, {MOST_ITEMS} kept"
        kept = list(value.items())[:MOST_ITEMS]
        return {
            _text(str(key), at, cut)[:MOST_KEY]: _clean(item, f"{at}.{key}"[:256], levels - 1, cut)
            for key, item in kept
        }
    if isinstance(value, list):
        if len(value) > MOST_ITEMS:
            cut[at] = f"{len(value)} items, {MOST_ITEMS} kept"
        return [
            _clean(item, f"{at}.{index}", levels - 1, cut) for index, item in enumerate(value[:MOST_ITEMS])
        ]
    return _text(str(value), at, cut)


def _text(text: str, at: str, cut: dict[str, str]) -> str:
    if len(text) > MOST_STRING:
        cut[at] = f"{len(text)} characters, {MOST_STRING} kept"
        text = text[:MOST_STRING]
    return sayable(text)
