"""Conditions on events as words of a line, `path:*/billing/* tag.region:eu`, in quotes where there is a space, and back."""

import re
import shlex
from collections.abc import Iterable, Iterator

from supervision.errors.grouping.conditions import Condition

_NEEDS_QUOTES = re.compile(r"[\s'\"\\]")


def numbered(text: str) -> Iterator[tuple[int, str]]:
    """The lines that say something, from 1: not the empty ones, and not those that begin with `//`."""
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip() and not line.lstrip().startswith("//"):
            yield number, line


def words_of(conditions: Iterable[Iterable[str]]) -> list[str]:
    """One for each pair of a field and a pattern."""
    return [quoted(":".join(each)) for each in conditions]


def quoted(word: str) -> str:
    return shlex.quote(word) if _NEEDS_QUOTES.search(word) else word


def condition(word: str) -> Condition:
    """ValueError, in words, for one without a colon."""
    field, colon, pattern = word.partition(":")
    if not colon:
        raise ValueError(f"{word[:100]!r} is no condition like path:*/billing/*")
    return field, pattern


def normal(text: str) -> str:
    """Without what browsers do to ends of lines, to be compared with what was there before."""
    return "\n".join(text.splitlines()).strip()
