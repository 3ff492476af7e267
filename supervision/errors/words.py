"""Words of a text as they are searched for. Pure.

A word is a run of letters and digits, without regard to case; what is written in camel case is a word, and each of its parts
is one. Nothing is stemmed and nothing left out (PostgreSQL's configuration `simple`), but what a word is is decided here and
not by PostgreSQL's parser, which takes paths, hosts and numbers for one word each.

The words of a text are a tsvector, with positions: a camel-case word stands where its first part does and where its last
does, so that what stands beside it is beside it either way. What is asked for is a tsquery.
"""

import re
from collections.abc import Iterable

MOST_TEXT = 8192
"""Characters of a text that are looked at."""
MOST_WORDS = 2000
MOST_WORD = 64
"""Characters of a word that are kept; of a longer one its beginning is."""
_RUN = re.compile(r"[^\W_]+")
_PART = re.compile(r"[A-Z]+(?![a-z])[0-9]*|[A-Z]?[^A-Z\W_]+")


def vector_of(texts: Iterable[str]) -> str:
    """The words of these texts, which are not beside each other, as a tsvector."""
    places: dict[str, list[int]] = {}
    at = 0
    for text in texts:
        for run in _RUN.findall(text[:MOST_TEXT]):
            if at >= MOST_WORDS:
                break
            parts = _parts(run)
            for number, part in enumerate(parts):
                places.setdefault(part, []).append(at + 1 + number)
            if len(parts) > 1:
                places.setdefault(_word(run), []).extend((at + 1, at + len(parts)))
            at += len(parts)
        at += 1  # a gap
    return " ".join(
        f"'{word}':{','.join(str(place) for place in sorted(set(found)))}"
        for word, found in sorted(places.items())
    )


def beginning_with(word: str) -> str:
    """What a text has in which this begins a word, as a tsquery; of more than one word the last is begun, and they stand
    beside each other. Empty where there is none in it."""
    *before, last = _RUN.findall(word) or [""]
    if not last:
        return ""
    asked = [f"'{_word(run)}'" for run in before]
    begun = " <-> ".join([*asked, f"'{_word(last)}':*"])
    parts = _parts(last)
    if len(parts) == 1:
        return f"({begun})"
    *firsts, end = parts
    parted = " <-> ".join([*asked, *(f"'{part}'" for part in firsts), f"'{end}':*"])
    return f"({begun} | {parted})"


def around(text: str) -> str:
    """What any text has in which this text is found literally, as a tsquery: all words of it that must be whole there, and
    the beginning of the last. Empty where there is none: its first word may be the end of another."""
    _, *runs = _RUN.findall(text) or [""]
    if not runs:
        return ""
    *whole, last = runs
    ends = not text[-1].isalnum()
    return " & ".join([*(f"'{_word(run)}'" for run in whole), f"'{_word(last)}'" + ("" if ends else ":*")])


def _parts(run: str) -> list[str]:
    """Of `getUserID7`: get, user, id7."""
    return [_word(part) for part in _PART.findall(run)] or [_word(run)]


def _word(run: str) -> str:
    return run.lower()[:MOST_WORD]
