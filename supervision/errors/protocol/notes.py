"""What is not in a report as it was: trimmed or filtered by the SDK, which says so in `_meta`, or by us (`_overstory`).
Pure.

`_meta` has the shape of the report; where something was done, the key "" stands with `rem` (which rule did what) and `len`
(how long it was). What each kind of `rem` means the protocol says: x removed, s replaced, m masked, p made a pseudonym.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

MOST = 100
DEEPEST = 64
_WORDS = {"x": "removed", "s": "filtered", "m": "masked", "p": "made a pseudonym", "a": "marked"}


@dataclass(frozen=True, slots=True)
class Note:
    """One place of a report. `path`: with points between; `by`: who did it."""

    path: str
    words: str
    by: str


def notes_of(data: Mapping[str, Any]) -> list[Note]:
    """In the order of their places, the SDK's first; MOST at most. Any: JSON as a program sent it."""
    found: list[Note] = []
    for note in (*_of_sdk(data.get("_meta"), "", 0), *_of_ours(data.get("_overstory"))):
        found.append(note)
        if len(found) == MOST:
            break
    return found


def _of_sdk(meta: object, path: str, depth: int) -> Iterator[Note]:
    if not isinstance(meta, Mapping) or depth > DEEPEST:
        return
    for name, below in meta.items():
        if name != "":
            yield from _of_sdk(below, f"{path}.{name}" if path else str(name), depth + 1)
        elif isinstance(below, Mapping) and (words := _said(below)):
            yield Note(path[:300], words, "SDK")


def _said(entry: Mapping[Any, Any]) -> str:
    """Of one entry of `_meta`."""
    done = entry.get("rem")
    kinds = {
        str(each[1])
        for each in (done if isinstance(done, list) else [])
        if isinstance(each, list) and len(each) > 1
    }
    words = [word for kind, word in _WORDS.items() if kind in kinds]
    length = entry.get("len")
    if isinstance(length, int) and not isinstance(length, bool) and length > 0:
        words.append(f"shortened, it was {length} long")
    return ", ".join(words)


def _of_ours(said: object) -> Iterator[Note]:
    if not isinstance(said, Mapping):
        return
    cut, filtered = said.get("cut"), said.get("filtered")
    for path, words in (cut if isinstance(cut, Mapping) else {}).items():
        yield Note(str(path).removeprefix(".")[:300], f"cut: {words}"[:100], "Overstory")
    for path in filtered if isinstance(filtered, list) else []:
        yield Note(str(path)[:300], "filtered", "Overstory")
