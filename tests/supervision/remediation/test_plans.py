"""Plans in rows: nothing is ticked, evidence alone moves a phase, and taking one back is a step of its own."""

from datetime import timedelta
from typing import Any

import pytest

from supervision.auditruns.evidence import TestResult
from supervision.auditruns.findings import take_tests
from supervision.auditruns.models import AuditProject
from supervision.remediation import report, retention, selectors, services
from supervision.remediation.checking import check_all, check_plan, check_project
from supervision.remediation.documents import read
from supervision.remediation.exceptions import IllegalStepError, InvalidPlanError
from supervision.remediation.models import RemediationPhase, RemediationPlan, RemediationStep
from tests.supervision.auditruns.support import CI, NOW, finding, project, upload

pytestmark = pytest.mark.django_db
THREADS = {"kind": "rule_count", "rule": "SUP101", "at_most": 0}
TEST = {"kind": "test", "name": "t::joined"}


def made(shop: AuditProject, *phases: list[dict[str, Any]]) -> RemediationPlan:
    document = {
        "title": "No thread <lost>", "owner": "ada", "risk": "medium", "summary": "why | how",
        "phases": [
            {"title": f"phase {at}", "estimate_days": 1.5, "risk": "low", "rollback": "revert it", "criteria": criteria}
            for at, criteria in enumerate(phases, start=1)
        ],
    }  # fmt: skip
    return services.create_plan(project=shop, written=read(document), actor=CI, now=NOW)


def states(plan: RemediationPlan) -> list[str]:
    return [phase.state for phase in plan.phases.all()]


def steps() -> list[str]:
    return [step.kind for step in RemediationStep.objects.order_by("id")]


def start(plan: RemediationPlan, position: int = 1) -> RemediationPlan:
    return services.start_phase(plan_id=plan.pk, position=position, actor=CI, now=NOW)


def test_a_phase_is_done_when_a_new_scan_says_so_and_open_again_when_it_returns() -> None:
    shop = project()
    upload(shop, finding("a"))
    plan = start(made(shop, [THREADS]))
    assert states(plan) == ["active"]
    upload(shop)
    check_project(project_id=shop.pk, now=NOW + timedelta(days=1))
    plan.refresh_from_db()
    assert (states(plan), plan.state) == (["done"], "done")
    upload(shop, finding("a"))
    check_all(now=NOW + timedelta(days=2))
    plan.refresh_from_db()
    assert (states(plan), plan.state, plan.ended_at) == (["active"], "open", None)
    assert steps() == ["started", "met", "done", "unmet", "reopened"]


def test_every_criterion_has_to_hold() -> None:
    shop = project()
    upload(shop)
    plan = start(made(shop, [THREADS, TEST]))
    assert states(plan) == ["active"]
    take_tests(project_id=shop.pk, results=[TestResult("t::joined", "passed")], actor=CI, now=NOW)
    assert states(check_plan(plan_id=plan.pk, now=NOW)) == ["done"]


def test_a_phase_that_nobody_began_is_not_done_although_its_criteria_hold() -> None:
    shop = project()
    upload(shop)
    plan = made(shop, [THREADS])
    assert states(plan) == ["pending"]
    assert plan.phases.get().criteria.get().is_met
    assert not steps()


def test_phases_begin_in_order() -> None:
    shop = project()
    upload(shop, finding("a"))
    plan = made(shop, [THREADS], [TEST])
    with pytest.raises(IllegalStepError, match="comes first"):
        start(plan, 2)
    start(plan, 1)
    with pytest.raises(IllegalStepError):
        start(plan, 1)


def test_taking_a_phase_back_is_a_step_with_a_reason_and_later_ones_go_first() -> None:
    shop = project()
    upload(shop)
    plan = made(shop, [THREADS], [TEST])
    start(plan, 1)
    start(plan, 2)

    def back(position: int, reason: str = "the release broke") -> RemediationPlan:
        return services.roll_back_phase(plan_id=plan.pk, position=position, reason=reason, actor=CI, now=NOW)

    with pytest.raises(IllegalStepError, match="taken back first"):
        back(1)
    with pytest.raises(InvalidPlanError):
        back(2, " ")
    back(2)
    assert states(back(1)) == ["rolled_back", "rolled_back"]
    last = RemediationStep.objects.order_by("id").last()
    assert last is not None
    assert (last.kind, last.by, last.text) == ("rolled_back", "ci", "the release broke")
    assert states(check_plan(plan_id=plan.pk, now=NOW)) == ["rolled_back", "rolled_back"]
    plan.refresh_from_db()
    assert plan.state == "open"
    assert states(start(plan, 1)) == ["done", "rolled_back"]


def test_a_plan_can_be_rewritten_until_a_phase_begins_and_given_up_with_a_reason() -> None:
    shop = project()
    plan = made(shop, [THREADS])
    written = read({"title": "other", "owner": "bea", "risk": "low", "phases": [
        {"title": "x", "estimate_days": 1, "risk": "low", "rollback": "revert", "criteria": [TEST]}]})  # fmt: skip
    services.replace_plan(plan_id=plan.pk, written=written, actor=CI, now=NOW)
    assert RemediationPhase.objects.get().title == "x"
    start(plan)
    with pytest.raises(IllegalStepError):
        services.replace_plan(plan_id=plan.pk, written=written, actor=CI, now=NOW)
    services.abandon_plan(plan_id=plan.pk, reason="the worker goes away", actor=CI, now=NOW)
    with pytest.raises(IllegalStepError):
        start(plan)
    take_tests(project_id=shop.pk, results=[TestResult("t::joined", "passed")], actor=CI, now=NOW)
    assert check_all(now=NOW) == 0
    assert not RemediationPhase.objects.get().criteria.get().is_met


def test_findings_of_another_project_are_refused() -> None:
    shop, other = project(), project("other")
    upload(other, finding("a"))
    number = other.findings.get().pk
    with pytest.raises(InvalidPlanError) as refused:
        made(shop, [{"kind": "findings", "ids": [number]}])
    assert refused.value.pointer == "/phases/0/criteria/0/ids"
    assert not RemediationPlan.objects.exists()


def test_it_is_exported_with_everything_that_happened() -> None:
    shop = project()
    upload(shop, finding("a"))
    plan = start(made(shop, [THREADS]))
    whole = selectors.whole(plan.pk)
    markdown, html = report.as_markdown(whole, now=NOW), report.as_html(whole, now=NOW)
    assert "# No thread \\<lost\\>" in markdown
    assert "| no | At most 0 open findings of SUP101 | 1 open |" in markdown
    assert "| 2026-11-21 12:00 UTC | started | ci |  |" in markdown
    assert "<h1>No thread &lt;lost&gt;</h1>" in html
    assert "<td>1 open</td>" in html
    assert "<script" not in html


def test_plans_that_ended_long_ago_go() -> None:
    plan = made(project(), [THREADS])
    services.abandon_plan(plan_id=plan.pk, reason="r", actor=CI, now=NOW)
    assert retention.drop_old(now=NOW + timedelta(days=1000)) == 0
    assert retention.drop_old(now=NOW + timedelta(days=1200)) > 0
