"""The table of cases that server and browser share, and what holds for every filter."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controlplane.filters.fields import LISTS, fields_json
from controlplane.filters.grammar import FilterError, format_terms, parse
from controlplane.filters.matching import predicate
from controlplane.filters.querying import condition

CASES: dict[str, Any] = json.loads((Path(__file__).parents[2] / "data/filter_cases.json").read_text())


def test_the_table_of_cases_names_the_fields_of_every_list() -> None:
    assert CASES["lists"] == {name: fields_json(fields) for name, fields in LISTS.items()}


@pytest.mark.parametrize("case", CASES["matches"], ids=lambda case: f"{case['list']}: {case['filter']}")
def test_a_filter_accepts_exactly_these_rows(case: dict[str, Any]) -> None:
    fields = LISTS[case["list"]]
    accepts = predicate(parse(case["filter"], fields), fields)
    found = [row["id"] for row in CASES["rows"][case["list"]] if accepts(row, CASES["now"])]
    assert found == case["ids"]


@pytest.mark.parametrize("case", CASES["errors"], ids=lambda case: f"{case['list']}: {case['filter']}")
def test_a_wrong_filter_is_refused_with_its_position(case: dict[str, Any]) -> None:
    with pytest.raises(FilterError) as caught:
        parse(case["filter"], LISTS[case["list"]])
    assert {"at": caught.value.at, "message": caught.value.message} == case["error"]


@pytest.mark.parametrize("case", CASES["normal"], ids=lambda case: case["filter"])
def test_equal_filters_have_one_text(case: dict[str, Any]) -> None:
    fields = LISTS[case["list"]]
    assert format_terms(parse(case["filter"], fields)) == case["normal"]


@given(st.text(alphabet=" -:\"\\,<>=~azstate0129.%M'é", max_size=40))
def test_any_text_is_a_filter_or_an_error_with_a_position_inside_it(text: str) -> None:
    fields = LISTS["procs"]
    try:
        terms = parse(text, fields)
    except FilterError as error:
        found = error.at
        terms = ()
    else:
        found = 0
    assert 0 <= found <= len(text)
    normal = format_terms(terms)
    again = parse(normal, fields)
    assert format_terms(again) == normal
    assert [(t.negated, t.field, t.op, t.values) for t in again] == [
        (t.negated, t.field, t.op, t.values) for t in terms
    ]


def test_too_long_a_filter_is_refused() -> None:
    with pytest.raises(FilterError, match="1000 characters"):
        parse("a" * 1001, LISTS["procs"])
    with pytest.raises(FilterError, match="50 terms"):
        parse("a " * 51, LISTS["procs"])


def test_the_database_is_asked_the_same_question() -> None:
    fields = LISTS["procs"]
    now = datetime(2027, 1, 15, 8, tzinfo=UTC)
    asked = condition(parse("state:failed,lost -restarts:>3 uptime:>1h name:~work", fields), fields, now=now)
    text = str(asked)
    assert "('state', 'failed')" in text
    assert "('restarts__gt', 3.0)" in text
    assert "since__lt" in text
    assert "('child_id__icontains', 'work')" in text


def test_what_only_the_live_table_knows_cannot_be_looked_up() -> None:
    fields = LISTS["procs"]
    with pytest.raises(FilterError, match="cpu is known for what is live"):
        condition(parse("tree:shop cpu:>50%", fields), fields, now=datetime(2027, 1, 15, tzinfo=UTC))
