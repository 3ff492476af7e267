"""The plain types of fields: text, words, numbers, durations, sizes, paths.

Evident meanings are taken (a whole number where text is asked for is its digits: `[sleep, 10]`), doubtful ones are
refused with what to write instead (`1.10` as text may have been `1.1`; true may have been `yes`).
"""

import math
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from supervision.runtime.fielddoc import INVALID, Definitions, Report, is_text, nearest, shown

MAX_TEXT = 4096
MAX_INT = 2**63 - 1

NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}"
NAME_RULE = "name: 1 to 63 letters, digits, `.`, `_` or `-`, a letter or digit first"

Number = int | float


@dataclass(frozen=True, slots=True)
class Text:
    """Text without NUL and lone surrogates, which no argument, path or variable can hold.

    pattern   matches the whole of it; `rule` says the pattern in words
    examine   a further check: what is wrong, or None
    called    a shorter name for the reference
    """

    rule: str = "text"
    pattern: str | None = None
    least: int = 1
    most: int = MAX_TEXT
    examine: Callable[[str], str | None] | None = None
    called: str = ""

    @property
    def words(self) -> str:
        return self.called or self.rule

    def accepts(self, value: Any) -> bool:
        return isinstance(value, str | int | float)

    def read(self, value: Any, at: str, report: Report) -> Any:
        problem = self._problem(value)
        if problem is None:
            return value if isinstance(value, str) else str(value)
        report.add(at, problem)
        return INVALID

    def _problem(self, value: Any) -> str | None:
        if isinstance(value, int) and not isinstance(value, bool):
            if abs(value) > MAX_INT:
                return f"{shown(value)} is no {self.rule}"
            value = str(value)
        if not isinstance(value, str):
            quote = isinstance(value, bool | float)
            return f"{shown(value)} is no {self.rule}" + ("; write it in quotes" if quote else "")
        if not value.isascii() and not is_text(value):
            return f"{shown(value)} holds a surrogate, which is not a character"
        if "\0" in value:
            return f"{shown(value)} holds a NUL character"
        if len(value) < self.least:
            return f"{shown(value)} is empty: {self.rule}"
        if len(value) > self.most:
            return f"{len(value)} characters: at most {self.most}"
        if self.pattern is not None and re.fullmatch(self.pattern, value) is None:
            return f"{shown(value)} is no {self.rule}"
        return None if self.examine is None else self.examine(value)

    def sparse(self, value: Any, *, human: bool = False) -> Any:
        return value

    def schema(self, defs: Definitions) -> dict[str, Any]:
        digits = self.pattern is None or re.fullmatch(self.pattern, "100") is not None
        schema: dict[str, Any] = {
            "type": ["string", "integer"] if digits else "string",
            "maxLength": self.most,
        }
        if self.least:
            schema["minLength"] = self.least
        if self.pattern is not None:
            schema["pattern"] = f"^(?:{self.pattern})$"
        return schema


NAME_TEXT = Text(NAME_RULE, NAME, called="name")


@dataclass(frozen=True, slots=True)
class PathText:
    """An absolute path. Where the report has a base, as in a tree file, a relative one begins there."""

    rule: str = "absolute path"
    most: int = MAX_TEXT - 1

    @property
    def words(self) -> str:
        return self.rule

    def accepts(self, value: Any) -> bool:
        return isinstance(value, str)

    def read(self, value: Any, at: str, report: Report) -> Any:
        path = Text(rule=self.rule, most=self.most).read(value, at, report)
        if path is INVALID:
            return INVALID
        if not path.startswith("/") and report.base is not None:
            path = f"{report.base}/{path}"
        if not path.startswith("/"):
            report.add(at, f"{shown(path)} is no {self.rule}")
            return INVALID
        normal = os.path.normpath(path)
        return normal[1:] if normal.startswith("//") else normal

    def sparse(self, value: Any, *, human: bool = False) -> Any:
        return value

    def schema(self, defs: Definitions) -> dict[str, Any]:
        return {"type": "string", "minLength": 1, "maxLength": self.most}


@dataclass(frozen=True, slots=True)
class Word:
    """One of these words."""

    choices: tuple[str, ...]

    @property
    def words(self) -> str:
        return " or ".join(f"`{word}`" for word in self.choices)

    def accepts(self, value: Any) -> bool:
        return isinstance(value, str) and value in self.choices

    def read(self, value: Any, at: str, report: Report) -> Any:
        if isinstance(value, str) and value in self.choices:
            return value
        hint = nearest(value, self.choices) if isinstance(value, str) else ""
        report.add(at, f"{shown(value)} is not one of {', '.join(self.choices)}{hint}")
        return INVALID

    def sparse(self, value: Any, *, human: bool = False) -> Any:
        return value

    def schema(self, defs: Definitions) -> dict[str, Any]:
        return {"enum": list(self.choices)}


@dataclass(frozen=True, slots=True)
class Flag:
    """true or false."""

    words: str = "`true` or `false`"

    def accepts(self, value: Any) -> bool:
        return isinstance(value, bool)

    def read(self, value: Any, at: str, report: Report) -> Any:
        if isinstance(value, bool):
            return value
        meant = {"yes": "true", "on": "true", "y": "true", "no": "false", "off": "false", "n": "false"}
        meaning = meant.get(value.lower()) if isinstance(value, str) else None
        hint = f"; write {meaning}" if meaning else ""
        report.add(at, f"{shown(value)} is neither true nor false{hint}")
        return INVALID

    def sparse(self, value: Any, *, human: bool = False) -> Any:
        return value

    def schema(self, defs: Definitions) -> dict[str, Any]:
        return {"type": "boolean"}


@dataclass(frozen=True, slots=True)
class Count:
    """A whole number from `least` to `most`."""

    least: int
    most: int

    @property
    def words(self) -> str:
        return f"whole number, {self.least} to {self.most}"

    def accepts(self, value: Any) -> bool:
        return isinstance(value, int | float) and not isinstance(value, bool)

    def read(self, value: Any, at: str, report: Report) -> Any:
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, int) and not isinstance(value, bool) and self.least <= value <= self.most:
            return value
        report.add(at, f"{shown(value)} is no {self.words}")
        return INVALID

    def sparse(self, value: Any, *, human: bool = False) -> Any:
        return value

    def schema(self, defs: Definitions) -> dict[str, Any]:
        return {"type": "integer", "minimum": self.least, "maximum": self.most}


@dataclass(frozen=True, slots=True)
class Real:
    """A number from `least` to `most`."""

    least: float
    most: float

    @property
    def words(self) -> str:
        return f"number, {self.least:g} to {self.most:g}"

    def accepts(self, value: Any) -> bool:
        return isinstance(value, int | float) and not isinstance(value, bool)

    def read(self, value: Any, at: str, report: Report) -> Any:
        if self.accepts(value) and math.isfinite(value) and self.least <= value <= self.most:
            return plain(value)
        report.add(at, f"{shown(value)} is no {self.words}")
        return INVALID

    def sparse(self, value: Any, *, human: bool = False) -> Any:
        return value

    def schema(self, defs: Definitions) -> dict[str, Any]:
        return {"type": "number", "minimum": self.least, "maximum": self.most}


_UNITS_MS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_AMOUNT = r"[0-9]{1,12}(?:\.[0-9]{1,9})?"
_DURATION_PART = rf"({_AMOUNT})(ms|s|m|h|d)"
DURATION = rf"(?:{_AMOUNT}(?:ms|s|m|h|d))+"
DAY_S = 86400


@dataclass(frozen=True, slots=True)
class Duration:
    """Seconds: a number, or text with units such as `500ms`, `5s`, `1m30s`, `1h`. Normal form: a number of seconds."""

    least: float
    most: float = 366 * DAY_S

    @property
    def words(self) -> str:
        return f"duration, {duration_text(self.least)} to {duration_text(self.most)}"

    def accepts(self, value: Any) -> bool:
        return isinstance(value, int | float | str) and not isinstance(value, bool)

    def read(self, value: Any, at: str, report: Report) -> Any:
        seconds = seconds_of(value)
        if seconds is None:
            hint = "; units are ms, s, m, h, d" if isinstance(value, str) else ""
            report.add(at, f"{shown(value)} is no {self.words}, such as 5s or 1m30s{hint}")
            return INVALID
        if not self.least <= seconds <= self.most:
            report.add(at, f"{shown(value)} is out of bounds: {self.words}")
            return INVALID
        return seconds

    def sparse(self, value: Any, *, human: bool = False) -> Any:
        text = duration_text(value) if human else value
        return text if seconds_of(text) == value else value

    def schema(self, defs: Definitions) -> dict[str, Any]:
        number = {"type": "number", "minimum": self.least, "maximum": self.most}
        return {"anyOf": [number, {"type": "string", "pattern": f"^{DURATION}$"}]}


def seconds_of(value: Any) -> Number | None:
    """The seconds that a number or a text with units means; None when it is neither."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        return plain(round(value, 6)) if math.isfinite(value) else None
    if not isinstance(value, str) or len(value) > 100 or re.fullmatch(DURATION, value) is None:
        return None
    total = sum(_billionths(number) * _UNITS_MS[unit] for number, unit in re.findall(_DURATION_PART, value))
    return plain(round(total / 10**12, 6))


def _billionths(number: str) -> int:
    """A decimal with at most nine places, exactly."""
    whole, _, part = number.partition(".")
    return int(whole + part.ljust(9, "0"))


def duration_text(seconds: float) -> str:
    """Seconds with the largest unit that leaves them whole: `90s`, `500ms`, `1d`."""
    micros = round(seconds * 1_000_000)
    for unit in ("d", "h", "m"):
        count, rest = divmod(micros, _UNITS_MS[unit] * 1000)
        if count and not rest:
            return f"{count}{unit}"
    if micros % 1_000_000 and not micros % 1000:
        return f"{micros // 1000}ms"
    return f"{plain(micros / 1_000_000)}s"


_SIZE_UNITS = {"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}
_SIZE = rf"({_AMOUNT}) ?(B|KiB|MiB|GiB|TiB)"
SIZE = rf"{_AMOUNT} ?(?:B|KiB|MiB|GiB|TiB)"


@dataclass(frozen=True, slots=True)
class Size:
    """Bytes: a whole number, or text with a unit such as `64MiB`. Normal form: bytes."""

    least: int
    most: int = 2**50

    @property
    def words(self) -> str:
        return f"size, {size_text(self.least)} to {size_text(self.most)}"

    def accepts(self, value: Any) -> bool:
        return isinstance(value, int | float | str) and not isinstance(value, bool)

    def read(self, value: Any, at: str, report: Report) -> Any:
        size = bytes_of(value)
        if size is None:
            hint = "; units are B, KiB, MiB, GiB, TiB" if isinstance(value, str) else ""
            report.add(at, f"{shown(value)} is no {self.words}, such as 64MiB{hint}")
            return INVALID
        if not self.least <= size <= self.most:
            report.add(at, f"{shown(value)} is out of bounds: {self.words}")
            return INVALID
        return size

    def sparse(self, value: Any, *, human: bool = False) -> Any:
        return size_text(value) if human else value

    def schema(self, defs: Definitions) -> dict[str, Any]:
        number = {"type": "integer", "minimum": self.least, "maximum": self.most}
        return {"anyOf": [number, {"type": "string", "pattern": f"^{SIZE}$"}]}


def bytes_of(value: Any) -> int | None:
    """The bytes that a whole number or a text with a unit means; None when it is neither."""
    if isinstance(value, bool):
        return None
    if isinstance(value, float):
        return int(value) if value.is_integer() else None
    if isinstance(value, int):
        return value
    match = re.fullmatch(_SIZE, value) if isinstance(value, str) else None
    if match is None:
        return None
    size, rest = divmod(_billionths(match[1]) * _SIZE_UNITS[match[2]], 10**9)
    return None if rest else size


def size_text(size: int) -> str:
    """Bytes with the largest unit that leaves them whole: `64MiB`."""
    for unit in ("TiB", "GiB", "MiB", "KiB"):
        if size and size % _SIZE_UNITS[unit] == 0:
            return f"{size // _SIZE_UNITS[unit]}{unit}"
    return f"{size}B"


def plain(number: Number) -> Number:
    """A whole number as int, so that 5 and 5.0 are one normal form."""
    return int(number) if isinstance(number, float) and number.is_integer() else number
