"""Secrets in any JSON: by the names of its keys, in pairs, in numbers and in texts. Nothing of the shape is changed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from supervision.errors.scrubbing.names import is_secret_name
from supervision.errors.scrubbing.texts import FILTERED, is_card_number, scrub_source, scrub_text

MOST_NOTES = 100
_SOURCE = frozenset({"context_line", "pre_context", "post_context"})
_IDENTIFIERS = frozenset(
    {
        "event_id",
        "trace_id",
        "span_id",
        "parent_span_id",
        "check_in_id",
        "release",
        "timestamp",
        "start_timestamp",
        "sent_at",
    }
)
_OWN: Mapping[str, frozenset[str]] = {
    "": _IDENTIFIERS,
    ".contexts.trace": frozenset({"trace_id", "span_id", "parent_span_id"}),
    ".attrs": frozenset({"release"}),
}
"""By place, of an event, of its trace and of a session: what we need as it is, and what no secret stands in. A variable of
the same name elsewhere is anybody's."""


@dataclass(slots=True)
class Scrubbed:
    """The value without secrets, and the dotted paths of where some were, the first MOST_NOTES of them."""

    value: Any
    where: list[str] = field(default_factory=list)


def scrub(value: Any) -> Scrubbed:
    """A copy. Any: what JSON can say, cleaned: its depth is bounded."""
    scrubbed = Scrubbed(None)
    scrubbed.value = _scrub(value, "", scrubbed.where, source=False)
    return scrubbed


def _scrub(value: Any, at: str, where: list[str], *, source: bool) -> Any:
    if isinstance(value, str):
        made = scrub_source(value) if source else scrub_text(value)
        if made != value:
            _note(at, where)
        return made
    if isinstance(value, dict):
        return _object(value, at, where)
    if isinstance(value, list):
        return _list(value, at, where, source=source)
    if isinstance(value, int) and not isinstance(value, bool) and is_card_number(str(value)):
        _note(at, where)
        return FILTERED
    return value


def _object(value: Mapping[str, Any], at: str, where: list[str]) -> dict[str, Any]:
    made = {}
    own = _OWN.get(at, frozenset())
    for key, item in value.items():
        inner = f"{at}.{key}"[:256]
        if key in own and isinstance(item, str | int | float):
            made[key] = item
        elif is_secret_name(key) and not _tells_nothing(item):
            made[scrub_text(key)] = FILTERED
            _note(inner, where)
        else:
            made[scrub_text(key)] = _scrub(item, inner, where, source=key in _SOURCE)
    return made


def _list(value: list[Any], at: str, where: list[str], *, source: bool) -> list[Any]:
    """A pair of texts may be a name and its value, as headers are sent."""
    if len(value) == 2 and all(isinstance(each, str) for each in value) and not source:
        name, item = value
        if is_secret_name(name) and not _tells_nothing(item):
            _note(at, where)
            return [name, FILTERED]
    return [_scrub(item, f"{at}.{index}", where, source=source) for index, item in enumerate(value)]


def _tells_nothing(item: Any) -> bool:
    return item is None or isinstance(item, bool) or item in ("", "None", "''", FILTERED, [], {})


def _note(at: str, where: list[str]) -> None:
    if len(where) < MOST_NOTES:
        where.append(at.removeprefix("."))
