"""The commands of audits: exit statuses that a job can use, and nothing that ticks a criterion."""

import io
import json
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from supervision.auditruns.models import AuditRun
from supervision.remediation.models import RemediationPlan
from tests.supervision.auditruns.support import finding, project, upload

pytestmark = pytest.mark.django_db
DOCUMENT = """title: No thread lost
owner: ada
risk: low
phases:
- {title: Keep handles, estimate_days: 2, risk: low, rollback: revert,
   criteria: [{kind: rule_count, rule: SUP101, at_most: 0}]}
"""


def run(*words: str) -> tuple[int, str]:
    """Exit status and what was printed."""
    out = io.StringIO()
    try:
        call_command(*words, stdout=out)
    except SystemExit as ended:
        return int(str(ended.code)), out.getvalue()
    return 0, out.getvalue()


def test_compare_fails_for_more_and_for_nothing_else() -> None:
    shop = project()
    for names in (("a", "b"), ("a",), ("a",), ("a", "c")):
        upload(shop, *(finding(name) for name in names))
    assert run("audit_runs", "compare", "shop")[0] == 1
    assert run("audit_runs", "compare", "shop", "2", "3")[0] == 0
    status, said = run("audit_runs", "compare", "shop", "1", "2")
    assert (status, said.splitlines()[:2]) == (0, ["run 1 to 2: fewer", "  SUP101: 2 to 1"])
    status, said = run("audit_runs", "compare", "shop", "1", "4", "--json")
    body = json.loads(said)
    assert (status, body["verdict"], body["came"], body["went"]) == (0, "same", ["SUP101-c"], ["SUP101-b"])
    assert len(run("audit_runs", "list", "shop")[1].splitlines()) == 4
    with pytest.raises(CommandError, match="no audit project"):
        run("audit_runs", "list", "other")


def test_a_path_is_scanned_on_request_and_its_coverage_said(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(
        "import threading\ndef go():\n    threading.Thread(target=print).start()\n"
    )
    project(path=str(tmp_path))
    assert "run 1: first, 1 finding, 1 new, 0 gone" in run("audit_runs", "scan", "shop")[1]
    said = run("audit_runs", "coverage", "shop")[1]
    assert "supervision coverage: 0.0% (0 covered, 1 not)" in said
    assert "the code can start, thread: 1 reported" in said
    assert AuditRun.objects.get().source == "scan"


def test_a_plan_from_a_file_to_its_report(tmp_path: Path) -> None:
    shop = project()
    upload(shop, finding("a"))
    file = tmp_path / "plan.yaml"
    file.write_text(DOCUMENT)
    assert "- At most 0 open findings of SUP101: 1 open" in run("remediation", "create", "shop", str(file))[1]
    number = str(RemediationPlan.objects.get().pk)
    assert run("remediation", "start", number, "1")[0] == 0
    assert run("remediation", "check", number)[0] == 1
    upload(shop)
    status, said = run("remediation", "check", number)
    assert (status, "1. Keep handles: done" in said) == (0, True)
    assert "rolled back" in run("remediation", "rollback", number, "1", "--reason", "broke")[1]
    assert "rolled back" in run("remediation", "report", number)[1]
    assert "<html" in run("remediation", "report", number, "--format", "html")[1]
    assert "No thread lost" in run("remediation", "list")[1]
    file.write_text("title: x\n")
    with pytest.raises(CommandError, match="/phases"):
        run("remediation", "create", "shop", str(file))
    with pytest.raises(CommandError, match="no plan"):
        run("remediation", "show", "99999")
