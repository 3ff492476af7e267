"""From reports to rows: identity across runs, what closes and opens a finding, comparison, retention."""

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from supervision.auditlog.models import AuditEntry
from supervision.auditruns import findings, projects, retention, scanning, selectors
from supervision.auditruns.evidence import TestResult
from supervision.auditruns.exceptions import InvalidFieldError, NoSuchError, NotByHandError
from supervision.auditruns.models import AuditEpisode, AuditFinding, AuditRun, AuditTest
from tests.supervision.auditruns.support import CI, NOW, finding, project, upload

pytestmark = pytest.mark.django_db


def _states() -> dict[str, str]:
    return {row.symbol: row.state for row in AuditFinding.objects.all()}


def _one(symbol: str = "a") -> AuditFinding:
    return AuditFinding.objects.get(symbol=symbol)


def test_a_finding_is_one_row_however_often_it_is_reported_and_wherever_its_line_moves() -> None:
    shop = project()
    upload(shop, finding("a", line=3))
    upload(shop, finding("a", line=40), days=1)
    row = _one()
    assert (row.line, row.first_run, row.last_run) == (40, 1, 2)
    assert (row.first_at, row.last_at) == (NOW, NOW + timedelta(days=1))
    assert row.context["lines"][1] == "    Thread(target=f).start()"


def test_a_run_that_no_longer_reports_it_closes_it_and_one_that_does_again_opens_it() -> None:
    shop = project()
    upload(shop, finding("a"), finding("b"))
    second = upload(shop, finding("b"), days=1)
    assert _states() == {"a": "closed", "b": "open"}
    assert (_one().closed_by, second.gone, second.verdict) == ("run 2", 1, "fewer")
    third = upload(shop, finding("a"), finding("b"), days=2)
    assert _states() == {"a": "open", "b": "open"}
    assert (_one().returned, _one().closed_by, third.new) == (1, "", 1)
    assert (third.verdict, third.grown) == ("more", {"SUP101": [1, 2]})
    assert list(AuditEpisode.objects.filter(finding__symbol="a").values_list("from_run", "to_run")) == [
        (1, 2),
        (3, None),
    ]


def test_one_rule_with_more_is_more_although_others_have_fewer() -> None:
    shop = project()
    upload(shop, finding("a"), finding("b"), finding("c"))
    assert upload(shop, finding("a"), finding("d", rule="SUP601")).verdict == "more"
    assert upload(shop, finding("a"), finding("d", rule="SUP601")).verdict == "same"


def test_a_file_that_could_not_be_audited_closes_none_of_its_findings() -> None:
    shop = project()
    upload(shop, finding("a"), finding("b"))
    upload(shop, errors=("shop/a.py",))
    assert _states() == {"a": "open", "b": "closed"}


def test_another_tools_report_touches_only_its_own_findings() -> None:
    shop = project()
    upload(shop, finding("a"))
    from supervision.auditruns.documents import parse
    from supervision.auditruns.ingesting import take_report
    from tests.supervision.auditruns.support import document

    other = {**document(), "tool": {"name": "bandit", "version": "1"}}
    run = take_report(
        project_id=shop.pk, report=parse(other), source=AuditRun.Source.UPLOAD, actor=CI, now=NOW
    )
    assert (run.verdict, _states()) == ("first", {"a": "open"})


def test_nobody_closes_a_finding_by_hand() -> None:
    upload(project(), finding("a"))
    with pytest.raises(NotByHandError):
        findings.change_finding(finding_id=_one().pk, fields={"state": "closed"}, actor=CI, now=NOW)
    assert _one().state == "open"


def _take(outcome: str) -> None:
    result = TestResult("tests.test_a.Case::test_it_is_joined", outcome)
    findings.take_tests(project_id=_one().project_id, results=[result], actor=CI, now=NOW)


def test_a_linked_test_that_passes_closes_it_and_one_that_fails_opens_it_again() -> None:
    shop = project()
    upload(shop, finding("a"))
    name = "tests.test_a.Case::test_it_is_joined"
    findings.change_finding(finding_id=_one().pk, fields={"test": name}, actor=CI, now=NOW)
    assert _one().state == "open"
    _take("passed")
    assert (_one().state, _one().closed_by) == ("closed", f"test {name}")
    upload(shop, finding("a"), days=1)
    assert _one().state == "closed", "it was reported all the time: the scan says nothing new"
    _take("failed")
    assert (_one().state, _one().returned) == ("open", 1)
    _take("passed")
    upload(shop, days=2)
    assert (_one().state, _one().closed_by) == ("closed", "run 3")
    upload(shop, finding("a"), days=3)
    assert _one().state == "open", "it was away and is back"


def test_a_skipped_test_proves_nothing_and_linking_one_that_has_passed_closes_at_once() -> None:
    shop = project()
    upload(shop, finding("a"), finding("b"))
    name = "tests.test_a.Case::test_it_is_joined"
    findings.change_finding(finding_id=_one().pk, fields={"test": name}, actor=CI, now=NOW)
    _take("skipped")
    assert _one().state == "open"
    _take("passed")
    findings.change_finding(finding_id=_one("b").pk, fields={"test": name}, actor=CI, now=NOW)
    assert _one("b").state == "closed"
    findings.change_finding(finding_id=_one("b").pk, fields={"test": ""}, actor=CI, now=NOW)
    assert _one("b").state == "open", "without the test there is no evidence"


def test_wont_fix_needs_a_reason_and_an_end_and_opens_after_it() -> None:
    upload(project(), finding("a"))
    day = NOW.date()

    def leave(reason: str, until: date) -> None:
        said = {"wont_fix": {"reason": reason, "until": until}}
        findings.change_finding(finding_id=_one().pk, fields=said, actor=CI, now=NOW)

    for reason, until in (("", day + timedelta(days=5)), ("r", day), ("r", day + timedelta(days=400))):
        with pytest.raises(InvalidFieldError):
            leave(reason, until)
    leave("goes with the old worker", day + timedelta(days=5))
    assert (_one().state, _one().wont_fix_by) == ("wont_fix", "ci")
    assert findings.reopen_expired(now=NOW + timedelta(days=5)) == 0
    assert findings.reopen_expired(now=NOW + timedelta(days=6)) == 1
    assert _one().state == "open"


def test_the_owner_is_the_last_rule_that_matches_unless_somebody_says_another() -> None:
    shop = project(owners=[["shop", "team"], ["shop/b.py", "bea"]])
    upload(shop, finding("a"), finding("b"))
    assert (_one("a").owner, _one("b").owner) == ("team", "bea")
    findings.change_finding(finding_id=_one("a").pk, fields={"owner": "ada"}, actor=CI, now=NOW)
    projects.change_project(name="shop", fields={"owners": [["**", "all"]]}, actor=CI, now=NOW)
    assert (_one("a").owner, _one("b").owner) == ("ada", "all")


def test_any_two_runs_can_be_compared() -> None:
    shop = project()
    for found in (["a", "b"], ["b"], ["b", "c"], ["a", "c"]):
        upload(shop, *(finding(name) for name in found))
    runs = {run.number: run for run in AuditRun.objects.all()}
    between = selectors.difference(runs[1], runs[3])
    assert [row.symbol for row in between.came] == ["c"]
    assert [row.symbol for row in between.went] == ["a"]
    assert between.comparison.verdict == "same"
    assert [row.symbol for row in selectors.difference(runs[1], runs[4]).went] == ["b"]
    other = project("other")
    with pytest.raises(NoSuchError):
        selectors.difference(runs[1], upload(other, finding("a")))


def test_a_path_is_scanned_when_it_is_due_and_a_scan_that_fails_closes_nothing(tmp_path: Path) -> None:
    code = tmp_path / "code"
    code.mkdir()
    (code / "a.py").write_text("import threading\ndef go(f):\n    threading.Thread(target=f).start()\n")
    shop = project(path=str(code), every_s=600)
    assert scanning.scan_due(now=NOW) == 1
    row = AuditFinding.objects.get()
    assert (row.rule, row.path, row.state, row.context["lines"][2]) == (
        "SUP101",
        "a.py",
        "open",
        "    threading.Thread(target=f).start()",
    )
    run = AuditRun.objects.get()
    assert run.spawn_counts == {"thread": {"reported": 1}}
    assert scanning.scan_due(now=NOW + timedelta(seconds=599)) == 0
    code.rename(tmp_path / "gone")
    assert scanning.scan_due(now=NOW + timedelta(seconds=600)) == 0
    shop.refresh_from_db()
    assert "code" in shop.last_error
    assert AuditFinding.objects.get().state == "open"
    assert AuditRun.objects.count() == 1


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"path": "relative"}, "path"),
        ({"every_s": 600}, "every_s"),
        ({"path": "/srv/shop", "every_s": 5}, "every_s"),
        ({"owners": [["a"]]}, "owners"),
    ],
)
def test_a_project_that_makes_no_sense_is_refused(fields: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidFieldError) as refused:
        project(**fields)
    assert refused.value.field == field


def test_what_is_done_is_in_the_audit_log() -> None:
    upload(project(), finding("a"))
    findings.change_finding(finding_id=_one().pk, fields={"owner": "ada"}, actor=CI, now=NOW)
    _take("passed")
    actions = [*AuditEntry.objects.order_by("seq").values_list("action", flat=True)]
    assert actions == ["audit_project.create", "audit_run.take", "audit_finding.change", "audit_tests.take"]


def test_what_is_old_goes_but_never_the_newest_run_nor_an_open_finding() -> None:
    shop = project()
    upload(shop, finding("a"), finding("b"))
    upload(shop, finding("a"), days=1)
    _take("passed")
    assert retention.drop_old(now=NOW + timedelta(days=100)) == 0
    assert retention.drop_old(now=NOW + timedelta(days=800)) > 0
    assert [run.number for run in AuditRun.objects.all()] == [2]
    assert _states() == {"a": "open"}
    assert not AuditTest.objects.exists()
