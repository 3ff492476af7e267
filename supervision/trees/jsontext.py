"""JSON with the place of each value. The standard parser tells no places, and takes what is given twice without a word."""

import bisect
import json
import math
import re
from typing import Any

from supervision.trees.textdocument import Builder, Place, TextDocument, TextError

_TOKEN = re.compile(
    r"""[ \t\r\n]*(?:
    (?P<string>"(?:[^"\\\x00-\x1f]|\\.)*")
    |(?P<number>-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?)
    |(?P<word>true|false|null)
    |(?P<mark>[\[\]{},:])
    )""",
    re.VERBOSE | re.DOTALL,
)
_WORDS = {"true": True, "false": False, "null": None}
_SPACE = re.compile(r"[ \t\r\n]*")
MAX_DIGITS = 400


def read_json(text: str, builder: Builder) -> TextDocument:
    """Read all of `text`. Raises TextError; faults that leave the rest readable are in the builder."""
    return _JsonReader(text, builder).read()


class _JsonReader:
    """`expected` says what may come next: it is the whole state besides the builder's."""

    def __init__(self, text: str, builder: Builder) -> None:
        self._text = text
        self._builder = builder
        self._lines = [0, *(match.end() for match in re.finditer("\n", text))]
        self._at = 0
        self._nested: list[str] = []

    def read(self) -> TextDocument:
        expected = "a value"
        while expected != "end":
            kind, piece, place = self._next(expected)
            expected = self._take(expected, kind, piece, place)
        rest = _SPACE.match(self._text, self._at)
        if rest is not None and rest.end() != len(self._text):
            raise TextError(self._place(rest.end()), "more text after the end of the document")
        document = self._builder.document
        assert document is not None  # noqa: S101 `end` comes after a value
        return document

    def _place(self, index: int) -> Place:
        line = bisect.bisect_right(self._lines, index)
        return Place(line, index - self._lines[line - 1] + 1)

    def _next(self, expected: str) -> tuple[str, str, Place]:
        match = _TOKEN.match(self._text, self._at)
        if match is None or match.lastgroup is None:
            space = _SPACE.match(self._text, self._at)
            at = space.end() if space is not None else self._at
            raise TextError(self._place(at), self._words_for(at, expected))
        self._at = match.end()
        return match.lastgroup, match[match.lastgroup], self._place(match.start(match.lastgroup))

    def _words_for(self, at: int, expected: str) -> str:
        if at >= len(self._text):
            return f"the text ends where {expected} is expected"
        if self._text[at] == '"':
            return "a string that is not closed, or holds a control character"
        return f"{self._text[at]!r} where {expected} is expected"

    def _take(self, expected: str, kind: str, piece: str, place: Place) -> str:
        if expected == "a value" or (expected == "a value or ]" and piece != "]"):
            return self._value(kind, piece, place)
        if piece in ("]", "}") and expected.endswith(piece):
            self._nested.pop()
            self._builder.close()
            return self._after_value()
        if kind == "string" and expected in ("a key or }", "a key"):
            self._builder.key(self._string(piece, place), place)
            return "':'"
        if expected == "':'" and piece == ":":
            return "a value"
        if piece == "," and expected == "a comma or }":
            return "a key"
        if piece == "," and expected == "a comma or ]":
            return "a value"
        raise TextError(place, f"{piece[:60]!r} where {expected} is expected")

    def _after_value(self) -> str:
        return f"a comma or {self._nested[-1]}" if self._nested else "end"

    def _value(self, kind: str, piece: str, place: Place) -> str:
        if piece == "{" or piece == "[":
            self._builder.open({} if piece == "{" else [], place)
            self._nested.append("}" if piece == "{" else "]")
            return "a key or }" if piece == "{" else "a value or ]"
        if kind == "mark":
            raise TextError(place, f"{piece!r} where a value is expected")
        self._builder.scalar(self._scalar(kind, piece, place), place)
        return self._after_value()

    def _scalar(self, kind: str, piece: str, place: Place) -> Any:
        if kind == "string":
            return self._string(piece, place)
        if kind == "word":
            return _WORDS[piece]
        if len(piece) > MAX_DIGITS:
            raise TextError(place, f"a number of {len(piece)} characters")
        number = json.loads(piece)
        if isinstance(number, float) and not math.isfinite(number):
            raise TextError(place, f"{piece[:60]} is out of range")
        return number

    def _string(self, piece: str, place: Place) -> str:
        try:
            text: str = json.loads(piece)
        except ValueError as error:
            raise TextError(
                place, f"a string with an escape that JSON does not have: {piece[:60]}"
            ) from error
        return text
