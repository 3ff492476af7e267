"""Baselines: the findings that were there before, and the ratchet that lets their number only fall.

A baseline names findings by fingerprint. Without the ratchet a finding of the baseline is not reported again; a new
one is. The ratchet compares numbers instead: for each rule the same or fewer, never more.
"""

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from supervision.audit.finding import Finding

VERSION = 1


class BaselineError(Exception):
    """The baseline file cannot be used."""


@dataclass(frozen=True, slots=True)
class Baseline:
    """Findings accepted for now, by fingerprint, with the rule of each."""

    rules: dict[str, str]

    def counts(self) -> Counter[str]:
        """Findings by rule."""
        return Counter(self.rules.values())


def load(path: Path) -> Baseline:
    """The baseline in a file; BaselineError says what is wrong with it."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BaselineError(f"{path}: {error.strerror or error}") from error
    except ValueError as error:
        raise BaselineError(f"{path}: not JSON: {error}") from error
    if not isinstance(document, dict) or document.get("version") != VERSION:
        raise BaselineError(f"{path}: not a baseline of version {VERSION}")
    entries = document.get("findings")
    if not isinstance(entries, list):
        raise BaselineError(f"{path}: findings: a list is expected")
    rules: dict[str, str] = {}
    for entry in entries:
        if not isinstance(entry, dict) or not isinstance(entry.get("fingerprint"), str):
            raise BaselineError(f"{path}: findings: every entry needs a fingerprint")
        rules[entry["fingerprint"]] = str(entry.get("rule", ""))
    return Baseline(rules)


def dump(findings: list[Finding]) -> str:
    """A baseline of these findings, one a line, so that a diff of two shows what went and what came."""
    entries = [
        json.dumps(
            {"fingerprint": item.fingerprint, "rule": item.rule, "path": item.path, "symbol": item.symbol}
        )
        for item in findings
    ]
    body = ",\n".join(f"    {entry}" for entry in entries)
    return f'{{\n  "version": {VERSION},\n  "findings": [\n{body}\n  ]\n}}\n'


def write(path: Path, findings: list[Finding]) -> None:
    """Write a baseline beside the file and move it there; BaselineError when that fails."""
    beside = path.with_name(f".{path.name}.tmp")
    try:
        beside.write_text(dump(findings), encoding="utf-8")
        beside.replace(path)
    except OSError as error:
        raise BaselineError(f"{path}: {error.strerror or error}") from error


def new(findings: list[Finding], baseline: Baseline) -> list[Finding]:
    """The findings that the baseline does not have."""
    return [item for item in findings if item.fingerprint not in baseline.rules]


def grown(findings: list[Finding], baseline: Baseline, codes: frozenset[str]) -> dict[str, tuple[int, int]]:
    """Rules with more findings than before: (before, now). Only rules that took part in this run are compared."""
    before, now = baseline.counts(), Counter(item.rule for item in findings)
    return {code: (before[code], now[code]) for code in sorted(codes) if now[code] > before[code]}
