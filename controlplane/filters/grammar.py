"""The filter grammar: text to terms and back. Pure; what a list's fields are is told by the caller.

    filter = { term }                      separated by spaces; all must hold
    term   = ["-"] ( field ":" [op] value { "," value } | word | quoted )
    op     = ">" | ">=" | "<" | "<=" | "=" | "~"
    value  = bare | quoted                 quoted: "..." with \" and \\ inside

Several values of one term are alternatives. `-` negates the term. What is not known (null) matches no term, so its
negation matches. Comparisons take exactly one value.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

MAX_LENGTH = 1000
MAX_TERMS = 50

FIELD = re.compile(r"[a-z][a-z_]*(?=:)")
OPERATOR = re.compile(r">=|<=|>|<|=|~")
BARE = re.compile(r'[^\s",]+')
WORD = re.compile(r'[^\s"]+')
SPACE = re.compile(r"\s+")
NUMBER = re.compile(r"(-?\d+(?:\.\d+)?)([A-Za-z%]*)")
NEEDS_QUOTES = re.compile(r'[\s",\\]')

BYTE_UNITS = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3, "t": 1024**4}
AGE_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


class FilterError(ValueError):
    """The filter cannot be understood. `at`: position of the first character that is wrong, from 0."""

    def __init__(self, at: int, message: str) -> None:
        super().__init__(message)
        self.at = at
        self.message = message


class Kind(StrEnum):
    """What a field's values are.

    word    one of the field's `words`          text    exact, or `~` for a part of it in any case
    number  a plain number                      bytes   100M, 1.5G (powers of 1024)
    ratio   0.5 or 50%                          age     how long ago: 90, 90s, 5m, 2h, 3d; the column is Unix seconds
    flag    true or false
    """

    WORD = "word"
    TEXT = "text"
    NUMBER = "number"
    BYTES = "bytes"
    RATIO = "ratio"
    AGE = "age"
    FLAG = "flag"


COMPARES = frozenset({Kind.NUMBER, Kind.BYTES, Kind.RATIO, Kind.AGE})


@dataclass(frozen=True, slots=True)
class Field:
    """What can be asked of one list. `columns`: names in its rows, any of which may match; `lookups`: paths of the
    database's columns, none when only the live table knows; a column may hold a list, any item of which may match."""

    name: str
    kind: Kind
    columns: tuple[str, ...]
    lookups: tuple[str, ...] = ()
    words: tuple[str, ...] = ()

    @property
    def operators(self) -> tuple[str, ...]:
        if self.kind in COMPARES:
            return ("=", ">", ">=", "<", "<=")
        return ("=", "~") if self.kind == Kind.TEXT else ("=",)


@dataclass(frozen=True, slots=True)
class Fields:
    """A list's fields by name, and the columns that free text looks into."""

    by_name: Mapping[str, Field]
    text: tuple[str, ...]
    text_lookups: tuple[str, ...] = ()


Value = str | float | bool


@dataclass(frozen=True, slots=True)
class Term:
    """One condition. `field` is "" for free text, `op` then "~". `written`: the values as they were written."""

    at: int
    negated: bool
    field: str
    op: str
    values: tuple[Value, ...]
    written: tuple[str, ...]


def parse(text: str, fields: Fields) -> tuple[Term, ...]:
    """The terms of `text`, in order; none for an empty one. Raises FilterError."""
    if len(text) > MAX_LENGTH:
        raise FilterError(MAX_LENGTH, f"a filter has at most {MAX_LENGTH} characters")
    terms: list[Term] = []
    at = _skip(text, 0)
    while at < len(text):
        if len(terms) == MAX_TERMS:
            raise FilterError(at, f"a filter has at most {MAX_TERMS} terms")
        term, at = _term(text, at, fields)
        terms.append(term)
        if at < len(text) and not text[at].isspace():
            raise FilterError(at, "a space is missing here")
        at = _skip(text, at)
    return tuple(terms)


def format_terms(terms: tuple[Term, ...]) -> str:
    """The one way to write `terms`, so that equal filters are equal text."""
    return " ".join(_format(term) for term in terms)


def _format(term: Term) -> str:
    sign = "-" if term.negated else ""
    if not term.field:
        return sign + _quoted(term.written[0], free=True)
    op = "" if term.op == "=" else term.op
    return f"{sign}{term.field}:{op}{','.join(_quoted(word) for word in term.written)}"


def _quoted(word: str, *, free: bool = False) -> str:
    plain = not NEEDS_QUOTES.search(word) and word
    if plain and (word.startswith("-") or FIELD.match(word)) and free:
        plain = ""
    if plain and not free and OPERATOR.match(word):
        plain = ""
    if plain:
        return word
    escaped = word.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _skip(text: str, at: int) -> int:
    found = SPACE.match(text, at)
    return found.end() if found else at


def _term(text: str, start: int, fields: Fields) -> tuple[Term, int]:
    negated = text[start] == "-"
    at = start + 1 if negated else start
    if at == len(text) or text[at].isspace():
        raise FilterError(start, "- needs a term after it")
    name = FIELD.match(text, at)
    if name is None:
        value, at = _quoted_text(text, at) if text[at] == '"' else _matched(WORD, text, at)
        return Term(start, negated, "", "~", (value,), (value,)), at
    field = fields.by_name.get(name.group())
    if field is None:
        known = ", ".join(sorted(fields.by_name))
        raise FilterError(at, f"there is no field {name.group()} here; there are {known}")
    at = name.end() + 1
    operator = OPERATOR.match(text, at)
    op = operator.group() if operator else "="
    if op not in field.operators:
        raise FilterError(at, f"{field.name} takes {' '.join(field.operators)} and not {op}")
    at = operator.end() if operator else at
    return _values(text, start, at, negated=negated, field=field, op=op)


def _values(text: str, start: int, at: int, *, negated: bool, field: Field, op: str) -> tuple[Term, int]:
    values: list[Value] = []
    written: list[str] = []
    while True:
        if at == len(text) or text[at].isspace() or text[at] == ",":
            raise FilterError(at, f"{field.name} needs a value here")
        begin = at
        word, at = _quoted_text(text, at) if text[at] == '"' else _matched(BARE, text, at)
        values.append(_value(word, begin, field))
        written.append(word)
        if at == len(text) or text[at] != ",":
            break
        if op not in ("=", "~"):
            raise FilterError(at, f"{op} takes one value")
        at += 1
    return Term(start, negated, field.name, op, tuple(values), tuple(written)), at


def _matched(pattern: re.Pattern[str], text: str, at: int) -> tuple[str, int]:
    found = pattern.match(text, at)
    if found is None:
        raise FilterError(at, "this cannot begin a value")
    return found.group(), found.end()


def _quoted_text(text: str, start: int) -> tuple[str, int]:
    parts: list[str] = []
    at = start + 1
    while at < len(text):
        char = text[at]
        if char == '"':
            return "".join(parts), at + 1
        if char == "\\" and at + 1 < len(text):
            at += 1
            char = text[at]
        parts.append(char)
        at += 1
    raise FilterError(start, "the quote is not closed")


def _value(word: str, at: int, field: Field) -> Value:
    match field.kind:
        case Kind.WORD:
            if word not in field.words:
                raise FilterError(at, f"{field.name} is one of {', '.join(field.words)}")
            return word
        case Kind.TEXT:
            return word
        case Kind.FLAG:
            if word not in ("true", "false"):
                raise FilterError(at, f"{field.name} is true or false")
            return word == "true"
        case Kind.NUMBER:
            return _number(word, at, {"": 1}, f"{field.name} is a number")
        case Kind.BYTES:
            return _number(word, at, BYTE_UNITS, f"{field.name} is a size like 100M or 1.5G")
        case Kind.RATIO:
            return _number(word, at, {"": 1, "%": 0.01}, f"{field.name} is a part like 0.5 or 50%")
        case Kind.AGE:
            return _number(word, at, AGE_UNITS, f"{field.name} is a duration like 90s, 5m, 2h or 3d")


def _number(word: str, at: int, units: Mapping[str, float], wanted: str) -> float:
    found = NUMBER.fullmatch(word)
    if found is None or found.group(2).lower() not in units:
        raise FilterError(at, wanted)
    return float(found.group(1)) * units[found.group(2).lower()]
