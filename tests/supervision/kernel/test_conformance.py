"""What Erlang/OTP's supervisor did, case by case (tests/data/conformance/README.md)."""

import json
from pathlib import Path
from typing import Any

import pytest

from supervision.conformance.command import read_cases
from supervision.conformance.runner import run_case

CASES = read_cases(Path(__file__).parents[2] / "data" / "conformance" / "cases")


def test_the_corpus_is_whole() -> None:
    assert len(CASES) == 673


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_the_kernel_does_what_otp_did(case: dict[str, Any]) -> None:
    difference = run_case(case)
    assert difference is None, json.dumps(difference and vars(difference), indent=1)
