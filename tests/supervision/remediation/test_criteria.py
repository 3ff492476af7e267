"""Criteria and documents, without a store."""

from typing import Any

import pytest

from supervision.remediation.criteria import KINDS, Facts, fault, judge, words
from supervision.remediation.documents import read
from supervision.remediation.exceptions import InvalidPlanError

FACTS = Facts(
    rules=(("SUP101", "shop/a.py"), ("SUP108", "shop/jobs/b.py"), ("SUP601", "web.py")),
    states={1: "closed", 2: "open", 3: "wont_fix"},
    tests={"t::a": "passed", "t::b": "failed", "t::c": "skipped"},
    measures={"coverage": 0.8, "p95_ms": 120.0},
    supervision=0.5,
    runtime={"restarts": 3, "strays": 0},
)


@pytest.mark.parametrize(
    ("kind", "params", "is_met", "value"),
    [
        ("rule_count", {"rule": "SUP101", "at_most": 0}, False, "1 open"),
        ("rule_count", {"rule": "SUP101", "at_most": 1}, True, "1 open"),
        ("rule_count", {"rule": "SUP1", "at_most": 1}, False, "2 open"),
        ("rule_count", {"rule": "SUP1", "path": "shop/jobs", "at_most": 1}, True, "1 open"),
        ("rule_count", {"rule": "SUP", "path": "shop/a", "at_most": 0}, True, "0 open"),
        ("findings", {"ids": [1]}, True, "all closed"),
        ("findings", {"ids": [1, 2, 3, 9]}, False, "3 not closed: 2, 3, 9"),
        ("test", {"name": "t::a"}, True, "passed"),
        ("test", {"name": "t::b"}, False, "failed"),
        ("test", {"name": "t::c"}, False, "skipped"),
        ("test", {"name": "t::d"}, False, "no result yet"),
        ("measure", {"name": "p95_ms", "at_most": 120}, True, "120"),
        ("measure", {"name": "p95_ms", "at_most": 200, "at_least": 150}, False, "120"),
        ("measure", {"name": "p99_ms", "at_most": 1}, False, "not measured yet"),
        ("coverage", {"of": "code", "at_least": 0.8}, True, "80.0%"),
        ("coverage", {"of": "supervision", "at_least": 0.51}, False, "50.0%"),
        ("runtime", {"what": "restarts", "at_most": 2}, False, "3"),
        ("runtime", {"what": "strays", "at_most": 0}, True, "0"),
    ],
)
def test_a_criterion_is_judged_by_the_facts(
    kind: str, params: dict[str, Any], is_met: bool, value: str
) -> None:
    assert fault(kind, params) == ""
    judged = judge(kind, params, FACTS)
    assert (judged.is_met, judged.value) == (is_met, value)
    assert words(kind, params)


EASY: dict[str, dict[str, Any]] = {
    "rule_count": {"rule": "SUP101", "at_most": 10**6},
    "findings": {"ids": [1]},
    "test": {"name": "t"},
    "measure": {"name": "m", "at_least": -1e9},
    "coverage": {"of": "supervision", "at_least": 0},
    "runtime": {"what": "strays", "at_most": 10**6},
}


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_not_known_is_not_met_however_easy_it_is(kind: str) -> None:
    assert not judge(kind, EASY[kind], Facts()).is_met


@pytest.mark.parametrize(
    ("kind", "params"),
    [
        ("ticked", {}),
        ("rule_count", {"rule": "SUP101"}),
        ("rule_count", {"rule": "", "at_most": 0}),
        ("rule_count", {"rule": "SUP999", "at_most": 0}),
        ("rule_count", {"rule": "SUP101", "at_most": -1}),
        ("rule_count", {"rule": "SUP101", "at_most": True}),
        ("rule_count", {"rule": "SUP101", "at_most": 0, "is_met": True}),
        ("findings", {"ids": []}),
        ("findings", {"ids": ["1"]}),
        ("test", {}),
        ("measure", {"name": "m"}),
        ("measure", {"name": "m", "at_most": float("nan")}),
        ("coverage", {"of": "tests", "at_least": 1}),
        ("coverage", {"of": "code", "at_least": 80}),
        ("runtime", {"what": "luck", "at_most": 0}),
    ],
)
def test_a_criterion_that_cannot_be_meant_is_refused(kind: str, params: dict[str, Any]) -> None:
    assert fault(kind, params)


def plan(**changes: Any) -> dict[str, Any]:
    phase = {
        "title": "p", "estimate_days": 1, "risk": "low", "rollback": "revert",
        "criteria": [{"kind": "test", "name": "t"}],
    }  # fmt: skip
    return {"title": "t", "owner": "ada", "risk": "high", "phases": [phase]} | changes


@pytest.mark.parametrize(
    ("document", "pointer"),
    [
        ([], ""),
        (plan(phases=[]), "/phases"),
        (plan(risk="none"), "/risk"),
        (plan(owner=" "), "/owner"),
        (plan(done=True), "/done"),
        (plan(phases=[{**plan()["phases"][0], "criteria": []}]), "/phases/0/criteria"),
        (plan(phases=[{**plan()["phases"][0], "rollback": ""}]), "/phases/0/rollback"),
        (plan(phases=[{**plan()["phases"][0], "estimate_days": 0}]), "/phases/0/estimate_days"),
        (plan(phases=[{**plan()["phases"][0], "state": "done"}]), "/phases/0/state"),
        (plan(phases=[{**plan()["phases"][0], "criteria": [{"kind": "x"}]}]), "/phases/0/criteria/0"),
    ],
)
def test_a_plan_is_refused_with_the_place(document: Any, pointer: str) -> None:
    with pytest.raises(InvalidPlanError) as refused:
        read(document)
    assert refused.value.pointer == pointer


def test_a_plan_is_read() -> None:
    written = read(plan(summary="why"))
    assert (written.title, written.risk, written.phases[0].criteria[0].params) == ("t", "high", {"name": "t"})
