"""Grouping against labelled pairs of real events (`tests/data/grouping`), beside the rules of others."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.grouping_rules import RULES, Rule

PAIRS: list[dict[str, Any]] = json.loads(
    (Path(__file__).parents[3] / "data" / "grouping" / "pairs.json").read_text()
)


def _score(rule: Rule) -> tuple[float, float]:
    """Precision and recall."""
    said = [(rule(*pair["events"]), pair["same"]) for pair in PAIRS]
    right = sum(one and same for one, same in said)
    return right / sum(one for one, _ in said), right / sum(same for _, same in said)


def test_there_are_enough_pairs_of_both_kinds() -> None:
    assert sum(pair["same"] for pair in PAIRS) >= 60
    assert sum(not pair["same"] for pair in PAIRS) >= 60


def test_two_bugs_are_never_joined_and_one_is_parted_only_when_a_function_gets_another_name() -> None:
    """A stack in which a function was renamed cannot be told from one in which another function was called."""
    rule = RULES["ours (g1)"]
    wrong = {pair["transformation"] for pair in PAIRS if rule(*pair["events"]) != pair["same"]}
    assert wrong == {"renamed function"}


@pytest.mark.parametrize("name", ["GlitchTip", "Bugsink"])
def test_others_join_more_that_differs(name: str) -> None:
    assert _score(RULES["ours (g1)"])[0] > _score(RULES[name])[0]
