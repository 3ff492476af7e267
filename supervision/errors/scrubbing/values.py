"""Secrets in any JSON: by the names of its keys, in pairs, in numbers and in texts. Nothing of the shape is changed."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from supervision.errors.scrubbing.looks import PEM_BEGINS, PEM_ENDS
from supervision.errors.scrubbing.names import MOST_NAME
from supervision.errors.scrubbing.options import NOTHING_OWN, Names, Options
from supervision.errors.scrubbing.texts import DEFAULT, FILTERED, Texts, is_card_number

MOST_NOTES = 100
_SOURCE = frozenset({"context_line", "pre_context", "post_context"})
_ID = re.compile(r"[0-9A-Fa-f-]{1,64}")
_TIME = re.compile(
    r"\d{1,11}(?:\.\d{1,9})?|\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:[.,]\d{1,9})?)?\s?(?:Z|[+-]\d\d:?\d\d)?"
)
_OPTION = re.compile(r"--?[A-Za-z][\w.-]{0,128}")
_RELEASE = re.compile("")
_TRACE = {"trace_id": _ID, "span_id": _ID, "parent_span_id": _ID}
_OWN: Mapping[str, Mapping[str, re.Pattern[str]]] = {
    "": {
        **_TRACE,
        "event_id": _ID,
        "check_in_id": _ID,
        "release": _RELEASE,
        "timestamp": _TIME,
        "start_timestamp": _TIME,
        "sent_at": _TIME,
    },
    ".contexts.trace": _TRACE,
    ".attrs": {"release": _RELEASE},
}
"""By place, of an event, of its trace and of a session: what we need as it is, if it looks as it should. The number of a
release may be any. A variable of the same name elsewhere is anybody's."""
_NAMES = ("name", "key", "field", "header", "Name", "Key")
_VALUES = ("value", "values", "Value", "data", "content")
_TELLING = frozenset({*_NAMES, "message", "kty"})
"""Without any of these keys an object has no value whose name stands beside it."""
_KEY_PARTS = ("d", "p", "q", "dp", "dq", "qi", "k")
_LEAST_CARD = 10**12
MOST_PROJECTS = 8
"""Ways to scrub that are remembered, each with what it knows to be harmless."""


@dataclass(slots=True)
class Scrubbed:
    """The value without secrets, and the dotted paths of where some were, the first MOST_NOTES of them."""

    value: Any
    where: list[str] = field(default_factory=list)


@lru_cache(MOST_PROJECTS)
def texts_of(options: Options) -> Texts:
    """How the texts of a project are looked at."""
    return DEFAULT if options == NOTHING_OWN else Texts(Names(options))


def scrub(value: Any, options: Options = NOTHING_OWN) -> Scrubbed:
    """A copy. Any: what JSON can say, cleaned: its depth is bounded."""
    scrubber = _Values(texts_of(options))
    return Scrubbed(scrubber.scrub(value, "", source=False), scrubber.where)


class _Values:
    """One value, being scrubbed."""

    def __init__(self, texts: Texts) -> None:
        self._texts, self._names = texts, texts.names
        self.where: list[str] = []

    def scrub(self, value: Any, at: str, *, source: bool) -> Any:
        """Any: JSON."""
        if isinstance(value, str):
            made = self._texts.source(value) if source else self._texts.text(value)
            if made != value:
                self._note(at)
            return made
        if isinstance(value, dict):
            return self._object(value, at)
        if isinstance(value, list):
            return self._list(value, at, source=source)
        if _is_card(value):
            self._note(at)
            return FILTERED
        return value

    def _object(self, value: Mapping[str, Any], at: str) -> dict[str, Any]:
        if not _TELLING.isdisjoint(value):
            value = self._paired(value, at)
        made = {}
        own = _OWN.get(at, {})
        plain = self._texts.plain
        for key, item in value.items():
            if key in plain and key not in own:
                made[key] = item if item is None else self._plain(key, item, at)
                continue
            inner = f"{at}.{key}"[:256]
            if key in own and isinstance(item, str | int | float):
                made[key] = self._own(own[key], item, inner)
            elif self._names.is_safe(key):
                made[self._texts.text(key)] = item
            elif self._names.is_secret(key) and not _tells_nothing(item):
                made[self._texts.text(key)] = FILTERED
                self._note(inner)
            else:
                said = self._texts.text(key)
                if said == key and not self._names.is_secret(key):
                    self._texts.remember_plain(key)
                made[said] = self.scrub(item, inner, source=key in _SOURCE)
        return made

    def _plain(self, key: str, item: Any, at: str) -> Any:
        """What stands behind a key that tells nothing, and mostly is known to be harmless. Any: JSON."""
        source = key in _SOURCE
        if item.__class__ is str and item in (self._texts.source if source else self._texts.text).harmless:
            return item
        return self.scrub(item, f"{at}.{key}"[:256], source=source)

    def _paired(self, value: Mapping[str, Any], at: str) -> Mapping[str, Any]:
        """Without values whose name stands beside them: a field of a form, an argument of a logged message, a part of a JSON
        Web Key."""
        gone: dict[str, Any] = {}
        for key in _NAMES:
            name = value.get(key)
            if isinstance(name, str) and self._names.is_secret(name[-MOST_NAME:]):
                gone |= {each: FILTERED for each in _VALUES if not _tells_nothing(value.get(each))}
        template, given = value.get("message"), value.get("params")
        if isinstance(template, str) and given and isinstance(given, list | dict):
            said = value.get("formatted")
            told = (template, said) if isinstance(said, str) else (template,)
            if any(self._texts.text(each) != each for each in told):
                gone["params"] = [FILTERED] * len(given)
        if "kty" in value:
            gone |= {each: FILTERED for each in _KEY_PARTS if isinstance(value.get(each), str)}
        for each in gone:
            self._note(f"{at}.{each}"[:256])
        return {**value, **gone} if gone else value

    def _own(self, pattern: re.Pattern[str], item: str | float, at: str) -> Any:
        """Any: as it is, or a text."""
        if pattern is _RELEASE and isinstance(item, str):
            made = self._texts.release(item)
            if made != item:
                self._note(at)
            return made
        return (
            item
            if not isinstance(item, str) or pattern.fullmatch(item)
            else self.scrub(item, at, source=False)
        )

    def _list(self, value: list[Any], at: str, *, source: bool) -> list[Any]:
        """A pair of texts may be a name and its value, as headers are sent."""
        if len(value) == 2 and all(isinstance(each, str) for each in value) and not source:
            name, item = value
            if self._names.is_safe(name):
                return [self._texts.text(name), item]
            if self._names.is_secret(name) and not _tells_nothing(item):
                self._note(at)
                return [self._texts.text(name), FILTERED]
        look = self._texts.source if source else self._texts.text
        if all(item.__class__ is str and item in look.apart for item in value):
            return value.copy()
        made: list[Any] = []
        before, in_key = "", False
        for index, item in enumerate(value):
            inner = f"{at}.{index}"
            if not isinstance(item, str):
                made.append(self.scrub(item, inner, source=source))
                before = ""
                continue
            begins, ends = PEM_BEGINS.search(item) is not None, PEM_ENDS.search(item) is not None
            is_argument = _OPTION.fullmatch(before) is not None and not item.startswith("-")
            if (in_key and not begins) or (
                is_argument and self._names.is_secret(before) and not _tells_nothing(item)
            ):
                made.append(FILTERED)
                self._note(inner)
            else:
                made.append(self.scrub(item, inner, source=source))
            in_key = (in_key or begins) and not ends
            before = item.strip("\"'")
            if not _OPTION.fullmatch(before):
                look.remember_apart(item)
        return made

    def _note(self, at: str) -> None:
        if len(self.where) < MOST_NOTES:
            self.where.append(at.removeprefix("."))


def _is_card(value: Any) -> bool:
    """Of a number, also where a program made 4111111111111111.0 of it. Any: JSON."""
    if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) < _LEAST_CARD:
        return False
    return (
        is_card_number(str(value))
        if isinstance(value, int)
        else value.is_integer() and is_card_number(f"{value:.0f}")
    )


def _tells_nothing(item: Any) -> bool:
    return item is None or isinstance(item, bool) or item in ("", "None", "''", FILTERED, [], {})
