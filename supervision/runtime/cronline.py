"""The shape of a cron line of five fields, checked where a document is read. When one is due is not asked here.

Each field is `*`, a number, a name (`MON`, `JAN`), a range `a-b`, any of these with a step `/n`, or several with commas.
"""

import zoneinfo

_DAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_FIELDS: tuple[tuple[str, int, int, tuple[str, ...]], ...] = (
    ("minute", 0, 59, ()),
    ("hour", 0, 23, ()),
    ("day of the month", 1, 31, ()),
    ("month", 1, 12, _MONTHS),
    ("day of the week", 0, 7, _DAYS),
)
"""Name, least, most, and the names that stand for numbers from the least on."""
KNOWN_ZONE = "Europe/Berlin"
"""Where even this one is not found, the host has no time zones to compare with."""


def why_no_cron(line: str) -> str:
    """What is wrong with it; "" for nothing."""
    for words, (name, least, most, names) in zip(line.upper().split(), _FIELDS, strict=False):
        for term in words.split(","):
            if not _is_term(term, least, most, names):
                return (
                    f"{term.lower()!r} is no {name} of a cron line: `*`, {least} to {most}, a range, a step"
                )
    return ""


def why_no_zone(name: str) -> str:
    """What is wrong with it; "" for nothing."""
    if _is_zone(name) or not _is_zone(KNOWN_ZONE):
        return ""
    return f"{name!r} is no time zone: UTC, or a name such as {KNOWN_ZONE}"


def _is_zone(name: str) -> bool:
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def _is_term(term: str, least: int, most: int, names: tuple[str, ...]) -> bool:
    base, slash, step = term.partition("/")
    if slash and not (step.isdecimal() and 0 < int(step) <= most):
        return False
    if base == "*":
        return True
    first, dash, last = base.partition("-")
    start = _number(first, least, most, names)
    if not dash:
        return start is not None
    end = _number(last, least, most, names)
    return start is not None and end is not None and start <= end


def _number(word: str, least: int, most: int, names: tuple[str, ...]) -> int | None:
    if word in names:
        return names.index(word) + least
    if word.isdecimal() and len(word) <= 2 and least <= int(word) <= most:
        return int(word)
    return None
