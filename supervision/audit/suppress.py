"""Suppressions: `# noqa: SUP101`, `# audit: ignore[SUP101] reason`, and the same with `until=YYYY-MM-DD`.

They hold for the line they stand on; at the end of a simple statement of several lines for all of them, because that is
where formatters put a comment when they break a line. An expired one counts no longer, and the finding says so; so does
one whose date cannot be read.
"""

import ast
import datetime
import io
import re
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass, replace

from supervision.audit.catalogue import parse_codes
from supervision.audit.finding import Finding
from supervision.audit.index import FileIndex

_NOQA = re.compile(r"#\s*noqa\s*:\s*(?P<codes>[A-Z]+[0-9]+(?:[\s,]+[A-Z]+[0-9]+)*)", re.IGNORECASE)
_IGNORE = re.compile(
    r"#\s*audit:\s*ignore\[(?P<codes>[^\]]*)\](?:\s+until=(?P<until>\S+))?(?P<reason>[^#]*)", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Suppression:
    """What one comment suppresses."""

    line: int
    codes: frozenset[str]
    until: str | None
    reason: str

    def problem(self, today: datetime.date) -> str | None:
        """Why it does not hold any more, or None."""
        if self.until is None:
            return None
        try:
            last = datetime.date.fromisoformat(self.until)
        except ValueError:
            return f"has no date that can be read: {self.until!r}"
        return f"expired on {self.until}" if today > last else None


@dataclass(frozen=True, slots=True)
class Expired:
    """A suppression that would have hidden a finding and does not hold."""

    path: str
    line: int
    rule: str
    problem: str
    reason: str


def comments(content: bytes, lines: list[str]) -> Iterator[tuple[int, str]]:
    """Comments that may be suppressions. Only files that mention one are split into tokens."""
    if b"noqa" not in content.lower() and b"audit:" not in content.lower():
        return
    text = "\n".join(lines) + "\n"
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type == tokenize.COMMENT:
                yield token.start[0], token.string
    except (tokenize.TokenError, IndentationError, SyntaxError):
        return


def suppressions(content: bytes, lines: list[str]) -> dict[int, list[Suppression]]:
    """The suppressions of a file, by line."""
    found: dict[int, list[Suppression]] = {}
    for line, comment in comments(content, lines):
        for match in _NOQA.finditer(comment):
            codes = {word.upper() for word in re.split(r"[\s,]+", match["codes"]) if word}
            ours = frozenset(code for code in codes if code.startswith("SUP"))
            if ours:
                found.setdefault(line, []).append(Suppression(line, ours, None, ""))
        for match in _IGNORE.finditer(comment):
            try:
                named = parse_codes(match["codes"])
            except ValueError:
                continue
            reason = match["reason"].strip()
            found.setdefault(line, []).append(Suppression(line, named, match["until"], reason))
    return found


_SIMPLE = (ast.Expr, ast.Assign, ast.AnnAssign, ast.AugAssign, ast.Return, ast.Raise, ast.Assert, ast.Delete)


def reaching(known: dict[int, list[Suppression]], index: FileIndex) -> dict[int, list[Suppression]]:
    """`known`, with what stands at the end of a simple statement counted for each of its lines."""
    if not known:
        return known
    found = {line: [*given] for line, given in known.items()}
    for statement in index.parent:
        if isinstance(statement, _SIMPLE):
            last = statement.end_lineno or statement.lineno
            for line in range(statement.lineno, last):
                found.setdefault(line, []).extend(known.get(last, ()))
    return found


def apply(
    findings: list[Finding],
    known: dict[int, list[Suppression]],
    today: datetime.date,
    *,
    reasons: bool = False,
) -> tuple[list[Finding], int, list[Expired]]:
    """The findings that count, how many were suppressed, and the suppressions that hold no longer.

    `reasons`: one without a reason suppresses nothing.
    """
    kept: list[Finding] = []
    expired: list[Expired] = []
    suppressed = 0
    for finding in findings:
        naming = [item for item in known.get(finding.line, ()) if finding.rule in item.codes]
        if reasons and naming and not any(item.reason for item in naming):
            finding = replace(finding, message=f"{finding.message} (its suppression gives no reason)")
            naming = []
        problems = [item.problem(today) for item in naming]
        if None in problems:
            suppressed += 1
            continue
        if naming and problems[0]:
            expired.append(Expired(finding.path, finding.line, finding.rule, problems[0], naming[0].reason))
            finding = replace(finding, message=f"{finding.message} (its suppression {problems[0]})")
        kept.append(finding)
    return kept, suppressed, expired
