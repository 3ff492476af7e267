"""Rules of grouping as lines of text, and back: `type:TimeoutError path:*/shop/* -> timeout, {{ function }} title="late"`.

A line has conditions, an arrow, then what the event is grouped by, in parts with commas between them (one that has a comma
itself stands in double quotes), and what its issue is called, or only one of the two.
"""

import csv
import io
import re
import shlex
from collections.abc import Iterable

from controlplane.dashboard.conditionlines import condition, numbered, words_of
from supervision.errors.exceptions import InvalidFieldError
from supervision.errors.store.grouping_rules import RuleFields
from supervision.errors.store.models import ErrorRule

ARROW = "->"
_TITLE = re.compile(r"(?:^|(?<=[\s,]))title=(?=[\"'])")
_NEEDS_QUOTES = re.compile(r"[,\"]|title=")


def lines_of(rules: Iterable[ErrorRule | RuleFields]) -> str:
    """One line for each rule."""
    return "\n".join(_line(rule) for rule in rules)


def rules_of_lines(text: str) -> list[RuleFields]:
    """InvalidFieldError, which names the line."""
    found = []
    for number, line in numbered(text):
        try:
            found.append(_of_line(line))
        except (ValueError, csv.Error) as error:
            raise InvalidFieldError("rules", f"line {number}: {error}") from None
    return found


def _line(rule: ErrorRule | RuleFields) -> str:
    parts = ", ".join(_quoted(part) for part in rule.fingerprint)
    title = f"title={_in_quotes(rule.title)}" if rule.title else ""
    return " ".join(each for each in (*words_of(rule.match), ARROW, parts, title) if each)


def _quoted(part: str) -> str:
    doubled = part.replace('"', '""')
    return f'"{doubled}"' if _NEEDS_QUOTES.search(part) else part


def _in_quotes(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _of_line(line: str) -> RuleFields:
    """ValueError, in words."""
    stream = io.StringIO(line)
    lexer = shlex.shlex(stream, posix=True)
    lexer.whitespace_split, lexer.commenters = True, ""
    match = []
    try:
        while (word := lexer.get_token()) not in (None, ARROW):
            match.append(condition(str(word)))
    except ValueError as error:
        raise ValueError("a quote is not closed" if "quotation" in str(error) else str(error)) from None
    if word is None or not match:
        raise ValueError(f'conditions like type:TimeoutError, then {ARROW} timeout, or {ARROW} title="..."')
    given = stream.read().strip()
    title = _TITLE.search(_without_quoted_parts(given))
    parts = given[: title.start()] if title else given
    return RuleFields(tuple(match), _parts(parts), _title(given[title.end() :]) if title else "")


def _without_quoted_parts(text: str) -> str:
    """As long as the text, with nothing to be found in parts that stand in double quotes."""
    return re.sub(
        r'(^|,)(\s*)("(?:[^"]|"")*")', lambda found: found[1] + found[2] + "_" * len(found[3]), text
    )


def _parts(text: str) -> tuple[str, ...]:
    text = text.strip().removesuffix(",")
    if not text:
        return ()
    read = next(csv.reader([text], skipinitialspace=True, strict=True))
    return tuple(part.strip() for part in read)


def _title(text: str) -> str:
    words = shlex.split(text)
    if len(words) != 1:
        raise ValueError("after the title stands nothing more")
    return words[0]
