"""How bad a line is: the same as in the browser."""

import json
from pathlib import Path

import pytest

from controlplane.api.severity import is_at_least, severity_of

CASES = json.loads((Path(__file__).parents[2] / "data" / "severity_cases.json").read_text())["lines"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["text"] or "(empty)")
def test_a_line_is_as_bad_as_the_browser_says(case: dict[str, str]) -> None:
    assert severity_of(case["text"]) == case["severity"]


def test_a_threshold_lets_through_what_is_as_bad_or_worse() -> None:
    assert is_at_least("FATAL: no", "error")
    assert not is_at_least("WARNING: late", "error")
    assert is_at_least("all is well", None)
