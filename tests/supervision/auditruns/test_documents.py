"""Reports and evidence as tools write them, and what is refused."""

import json
from pathlib import Path
from typing import Any

import pytest

from supervision.audit import cli
from supervision.auditruns.comparing import compare
from supervision.auditruns.documents import parse
from supervision.auditruns.evidence import parse_coverage, parse_junit
from supervision.auditruns.exceptions import InvalidReportError
from supervision.auditruns.owners import owner_of
from tests.supervision.auditruns.support import document, finding


@pytest.fixture
def code(tmp_path: Path) -> Path:
    root = tmp_path / "code"
    root.mkdir()
    (root / "a.py").write_text("import threading\ndef go(f):\n    threading.Thread(target=f).start()\n")
    (root / "broken.py").write_text("def (:\n")
    return root


def _report(root: Path, *options: str) -> Any:
    target = root.parent / "report"
    assert cli.main([str(root), "--output", str(target), *options]) == 0
    return json.loads(target.read_text())


@pytest.mark.parametrize("form", ["json", "sarif"])
def test_both_forms_of_our_own_report_say_the_same(code: Path, form: str) -> None:
    parsed = parse(_report(code, "--format", form, "--context", "2"))
    (found,) = parsed.found
    assert (parsed.tool, found.rule, found.severity, found.confidence) == (
        "overstory-audit",
        "SUP101",
        "high",
        "high",
    )
    assert (found.path, found.line, found.column, found.symbol) == ("a.py", 3, 5, "go")
    assert found.context["lines"] == [
        "import threading",
        "def go(f):",
        "    threading.Thread(target=f).start()",
    ]
    assert [path for path, _ in parsed.errors] == ["broken.py"]
    assert (parsed.files, parsed.lines) == (1, 3)
    assert [spawn["state"] for spawn in parsed.spawns] == ["reported"]
    twin = parse(_report(code, "--format", "sarif" if form == "json" else "json"))
    assert twin.found[0].fingerprint == found.fingerprint


@pytest.mark.parametrize("form", ["json", "sarif"])
@pytest.mark.parametrize("option", ["--level=critical", "--select=SUP101", "--ignore=SUP022"])
def test_a_report_that_leaves_something_out_is_refused(code: Path, form: str, option: str) -> None:
    with pytest.raises(InvalidReportError, match="leaves findings out"):
        parse(_report(code, "--format", form, option))


def test_another_tools_sarif_is_understood() -> None:
    result = {
        "ruleId": "B605", "message": {"text": "shell"}, "level": "error",
        "locations": [{"physicalLocation": {"artifactLocation": {"uri": "src/my%20app.py"},
                                            "region": {"startLine": 7}}}],
    }  # fmt: skip
    driver = {"name": "Bandit", "rules": [{"id": "B605", "shortDescription": {"text": "start a shell"}}]}
    body = {"version": "2.1.0", "runs": [{"tool": {"driver": driver}, "results": [result, dict(result)]}]}
    first, second = parse(body).found
    assert (first.path, first.line, first.severity, first.name) == (
        "src/my app.py",
        7,
        "high",
        "start-a-shell",
    )
    assert first.fingerprint != second.fingerprint
    moved = json.loads(json.dumps(body).replace('"startLine": 7', '"startLine": 70'))
    assert parse(moved).found[0].fingerprint == first.fingerprint


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ([], ""),
        ({}, "/version"),
        ({"version": "1.0", "runs": []}, "/version"),
        ({"version": "2.1.0", "runs": []}, "/runs"),
        ({**document(), "findings": {}}, "/findings"),
        (document({**finding("a"), "severity": "urgent"}), "/findings/0/severity"),
        (document({**finding("a"), "line": "3"}), "/findings/0/line"),
        (document({**finding("a"), "fingerprint": ""}), "/findings/0/fingerprint"),
        ({**document(), "summary": {"baselined": 3}}, "/summary/whole"),
    ],
)
def test_what_is_no_report_is_refused_with_the_place(body: Any, pointer: str) -> None:
    with pytest.raises(InvalidReportError) as refused:
        parse(body)
    assert refused.value.pointer == pointer


JUNIT = b"""<?xml version="1.0"?><testsuites><testsuite name="pytest">
<testcase classname="tests.test_a" name="test_ok" time="0.1"/>
<testcase classname="tests.test_a" name="test_bad"><failure message="assert 1 == 2">...</failure></testcase>
<testcase classname="tests.test_a" name="test_broken"><error message="no fixture"/></testcase>
<testcase classname="tests.test_a" name="test_left"><skipped message="not here"/></testcase>
<testcase classname="tests.test_a" name="test_twice"/>
<testcase classname="tests.test_a" name="test_twice"><failure message="flaky"/></testcase>
</testsuite></testsuites>"""


def test_junit_xml_is_read_and_the_worst_of_equal_names_counts() -> None:
    found = {result.name: result.outcome for result in parse_junit(JUNIT)}
    assert found == {
        "tests.test_a::test_ok": "passed",
        "tests.test_a::test_bad": "failed",
        "tests.test_a::test_broken": "failed",
        "tests.test_a::test_left": "skipped",
        "tests.test_a::test_twice": "failed",
    }


def test_coverage_is_the_line_rate() -> None:
    assert parse_coverage(b'<coverage line-rate="0.875" version="7"/>') == 0.875


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<a>",
        b"<coverage/>",
        b'<!DOCTYPE a [<!ENTITY x "y">]><testsuites/>',
        b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><testsuites>&x;</testsuites>',
    ],
)
def test_xml_that_is_no_such_document_or_declares_entities_is_refused(content: bytes) -> None:
    with pytest.raises(InvalidReportError):
        parse_junit(content)
    with pytest.raises(InvalidReportError):
        parse_coverage(content)


@pytest.mark.parametrize(
    ("before", "now", "verdict"),
    [
        (None, {"A": 1}, "first"),
        ({"A": 1}, {"A": 1}, "same"),
        ({"A": 2}, {"A": 1}, "fewer"),
        ({"A": 2}, {}, "fewer"),
        ({"A": 9}, {"A": 1, "B": 1}, "more"),
        ({}, {}, "same"),
    ],
)
def test_the_same_or_fewer_never_more(
    before: dict[str, int] | None, now: dict[str, int], verdict: str
) -> None:
    assert compare(before, now).verdict == verdict


@pytest.mark.parametrize(
    ("path", "owner"),
    [("shop/web/views.py", "web"), ("shop/jobs.py", "one"), ("shop/a/b/c.py", "all"), ("other.py", "")],
)
def test_owners_by_pattern(path: str, owner: str) -> None:
    rules = [["shop", "all"], ["shop/*.py", "one"], ["shop/web/**", "web"]]
    assert owner_of(path, rules) == owner
