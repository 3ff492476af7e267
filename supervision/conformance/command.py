"""The command: reads case files, runs them, prints what differs. `manage.py otp_conformance` is an edge of it."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TextIO

from supervision.conformance.runner import Difference, run_case

PASSED, FAILED, UNREADABLE = 0, 1, 2


class UnreadableCases(Exception):  # noqa: N818 (named for what the caller sees)
    """No cases could be read."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "path", help="a case file, or a directory whose *.json files are all run, in name order"
    )
    parser.add_argument("--json", action="store_true", help="print one line of JSON before the closing line")


def main(arguments: Sequence[str] | None = None) -> int:
    """`python -m supervision.conformance`: returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m supervision.conformance", description="Run OTP conformance cases."
    )
    add_arguments(parser)
    options = parser.parse_args(arguments)
    return run(Path(options.path), as_json=options.json, out=sys.stdout, err=sys.stderr)


def run(path: Path, *, as_json: bool, out: TextIO, err: TextIO) -> int:
    """Run every case and print; returns the exit status: 0 all passed, 1 some failed, 2 nothing could be read."""
    try:
        cases = read_cases(path)
    except UnreadableCases as error:
        err.write(f"{error}\n")
        return UNREADABLE
    results = [(case["name"], run_case(case)) for case in cases]
    failures = [(name, difference) for name, difference in results if difference is not None]
    if not as_json:
        out.writelines(_failure(name, difference) for name, difference in failures)
    passed, failed = len(results) - len(failures), len(failures)
    if as_json:
        document = {"passed": passed, "failed": failed, "cases": [_as_json(*result) for result in results]}
        out.write(json.dumps(document) + "\n")
    out.write(f"{passed} passed, {failed} failed\n")
    return FAILED if failures else PASSED


def read_cases(path: Path) -> list[dict[str, Any]]:
    """Raises UnreadableCases."""
    files = sorted(path.glob("*.json")) if path.is_dir() else [path]
    cases: list[dict[str, Any]] = []
    for file in files:
        try:
            document = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise UnreadableCases(f"{file}: {error}") from None
        if not isinstance(document, list) or not all(
            isinstance(case, dict) and "name" in case for case in document
        ):
            raise UnreadableCases(f"{file}: not a list of cases")
        cases += document
    if not cases:
        raise UnreadableCases(f"{path}: no cases")
    return cases


def _failure(name: str, difference: Difference) -> str:
    expected, got = json.dumps(difference.expected), difference.got
    shown = got if difference.part == "exception" else json.dumps(got)
    return f"{name}: {difference.step}, {difference.part}\n    expected {expected}\n    got      {shown}\n"


def _as_json(name: str, difference: Difference | None) -> dict[str, Any]:
    if difference is None:
        return {"name": name, "ok": True}
    where = {
        "step": difference.step,
        "part": difference.part,
        "expected": difference.expected,
        "got": difference.got,
    }
    return {"name": name, "ok": False, **where}
