"""A finding, its severity, and the fingerprint that survives moved lines."""

import hashlib
from dataclasses import dataclass
from enum import IntEnum, StrEnum


class Severity(IntEnum):
    """How bad it is when it happens; ordered, so that `--fail-on` can compare."""

    INFO = 0
    LOW = 1
    MEDIUM = 2
    HIGH = 3
    CRITICAL = 4

    @property
    def word(self) -> str:
        """The name as it is written in options and reports."""
        return self.name.lower()


class Confidence(StrEnum):
    """How sure the audit is that the place is what the rule says."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


@dataclass(frozen=True, slots=True)
class Finding:
    """One place. Lines and columns count from 1; `path` is relative to the PATH that was given."""

    rule: str
    path: str
    line: int
    column: int
    end_line: int
    symbol: str | None
    message: str
    confidence: Confidence
    source: str  # the stripped source line, the base of the fingerprint
    fingerprint: str = ""
    context: tuple[int, tuple[str, ...]] | None = None  # the first line's number, and lines around it

    def order(self) -> tuple[str, int, str, int]:
        """The order of reports: path, line, rule."""
        return (self.path, self.line, self.rule, self.column)


def fingerprint(rule: str, path: str, symbol: str | None, source: str, occurrence: int) -> str:
    """Names a finding by what stands there, never by where: `occurrence` tells equal lines of one symbol apart.

    Moving lines, also into another place of the same function, keeps it; renaming the symbol or the file changes it.
    """
    text = "\0".join([rule, path, symbol or "", " ".join(source.split()), str(occurrence)])
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
