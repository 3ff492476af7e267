"""Every rule reports its positive examples and leaves its negative ones alone."""

from pathlib import Path

import pytest

from supervision.audit.catalogue import PATTERNS, RULES, parse_codes
from tests.supervision.audit.examples import Example, read
from tests.supervision.audit.support import audit_files, found

_EXAMPLES = read()
_REPORTED = [example for example in _EXAMPLES if example.reported]
_QUIET = [example for example in _EXAMPLES if not example.reported]


def _names(examples: list[Example]) -> list[str]:
    return [f"{example.rule}-{number}" for number, example in enumerate(examples)]


@pytest.mark.parametrize("example", _REPORTED, ids=_names(_REPORTED))
def test_the_rule_reports_what_it_is_for(example: Example, tmp_path: Path) -> None:
    report = audit_files(tmp_path, example.files)
    assert not report.errors
    assert found(report, example.rule), f"{example.rule} said nothing; others: {found(report)}"


@pytest.mark.parametrize("example", _QUIET, ids=_names(_QUIET))
def test_the_rule_leaves_alone_what_is_all_right(example: Example, tmp_path: Path) -> None:
    report = audit_files(tmp_path, example.files)
    assert not report.errors
    assert not found(report, example.rule)


def test_every_rule_has_examples_of_both_kinds() -> None:
    assert {example.rule for example in _REPORTED} == set(RULES)
    assert {example.rule for example in _QUIET} == set(RULES)


def test_there_are_seventy_three_rules_in_twelve_patterns() -> None:
    assert len(RULES) == 73
    assert {rule.pattern for rule in RULES.values()} == set(PATTERNS) == set(range(1, 13))


def test_codes_are_selected_by_code_beginning_or_name() -> None:
    assert parse_codes("SUP101, task-dropped") == {"SUP101", "SUP108"}
    assert parse_codes("sup90") == {code for code in RULES if code.startswith("SUP90")}
    with pytest.raises(ValueError, match="SUP999"):
        parse_codes("SUP999")
