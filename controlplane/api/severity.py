"""How bad a line of a log is, guessed from its text, which is all a program gives; the twin of static/js/lib/loglines.js.

`tests/data/severity_cases.json` holds both.
"""

import re

LEVELS = (
    ("critical", re.compile(r"\b(CRITICAL|FATAL|panic)\b", re.ASCII)),
    (
        "error",
        re.compile(r"\b(ERROR|Error|Exception|Traceback|E\d{4})\b|^[\w.]*(?:Error|Exception):", re.ASCII),
    ),
    ("warning", re.compile(r"\b(WARN|WARNING|Warning|DeprecationWarning)\b", re.ASCII)),
)
"""Worst first. ASCII, as in the browser: there a letter with an accent ends a word."""
SEVERITIES = tuple(name for name, _pattern in reversed(LEVELS))


def severity_of(text: str) -> str:
    """critical, error, warning or nothing."""
    return next((name for name, pattern in LEVELS if pattern.search(text)), "")


def is_at_least(text: str, least: str | None) -> bool:
    """Whether a line is as bad as `least` or worse; None: every line is."""
    if least is None:
        return True
    return severity_of(text) in SEVERITIES[SEVERITIES.index(least) :]
