"""The command's contract: options, exit status, JSON and SARIF, suppressions, baseline and ratchet."""

import argparse
import datetime
import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from supervision.audit import cli
from supervision.audit.catalogue import RULES
from supervision.audit.finding import Severity
from tests.supervision.audit.support import DAY, audit_files, found

DROPPED = "import threading\ndef go():\n    threading.Thread(target=print).start()\n"
SWALLOWED = "def attempt(f):\n    try:\n        f()\n    except Exception:\n        pass\n"


def _run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    status = cli.main(list(arguments))
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def _document(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    status, out, _ = _run(capsys, *arguments, "--format", "json")
    assert status == 0
    document: dict[str, Any] = json.loads(out)
    return document


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A directory with one high and one medium finding."""
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "a.py").write_text(DROPPED)
    (tmp_path / "shop" / "b.py").write_text(SWALLOWED)
    return tmp_path / "shop"


# ---------------------------------------------------------------------------------------------------- reports


def test_the_json_has_the_keys_of_the_contract(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (shop / "bad.py").write_text("def f(:\n")
    document = _document(capsys, str(shop))
    assert document["version"] == 1
    assert set(document["tool"]) == {"name", "version"}
    summary = document["summary"]
    assert (summary["files"], summary["lines"], summary["suppressed"]) == (2, 8, 0)
    assert isinstance(summary["seconds"], float)
    assert summary["by_severity"] == {"critical": 0, "high": 1, "medium": 1, "low": 0, "info": 0}
    assert summary["by_rule"] == {"SUP101": 1, "SUP802": 1}
    first, second = document["findings"]
    assert first == {
        "rule": "SUP101",
        "name": "thread-unsupervised",
        "severity": "high",
        "confidence": "high",
        "path": "a.py",
        "line": 3,
        "column": 5,
        "end_line": 3,
        "symbol": "go",
        "message": first["message"],
        "fix": RULES["SUP101"].fix,
        "fingerprint": first["fingerprint"],
    }
    assert (second["path"], second["line"], second["symbol"]) == ("b.py", 4, "attempt")
    assert [error["path"] for error in document["errors"]] == ["bad.py"]


def test_findings_are_ordered_by_path_line_and_rule(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "b.py").write_text("import threading\nthreading.Thread(target=print).start()\n" + SWALLOWED)
    (tmp_path / "a.py").write_text(SWALLOWED)
    document = _document(capsys, str(tmp_path))
    keys = [(item["path"], item["line"], item["rule"]) for item in document["findings"]]
    assert keys == sorted(keys)
    assert len(keys) == 4


def test_the_sarif_has_one_run_with_every_rule(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (shop / "with space.py").write_text(DROPPED)
    status, out, _ = _run(capsys, str(shop), "--format", "sarif")
    document = json.loads(out)
    assert (status, document["version"], len(document["runs"])) == (0, "2.1.0", 1)
    driver = document["runs"][0]["tool"]["driver"]
    assert [rule["id"] for rule in driver["rules"]] == list(RULES)
    results = document["runs"][0]["results"]
    assert [(item["ruleId"], item["level"]) for item in results] == [
        ("SUP101", "error"), ("SUP802", "warning"), ("SUP101", "error"),
    ]  # fmt: skip
    for item in results:
        assert driver["rules"][item["ruleIndex"]]["id"] == item["ruleId"]
        assert item["partialFingerprints"]
        assert item["message"]["text"]
    location = results[2]["locations"][0]["physicalLocation"]
    assert location["artifactLocation"]["uri"] == "with%20space.py"
    assert location["region"]["startLine"] == 3
    levels = {RULES[rule["id"]].severity: rule["defaultConfiguration"]["level"] for rule in driver["rules"]}
    assert levels == {
        Severity.HIGH: "error",
        Severity.MEDIUM: "warning",
        Severity.LOW: "note",
        Severity.INFO: "note",
    }


def test_the_text_has_one_line_a_finding_and_a_summary(
    shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, err = _run(capsys, str(shop))
    lines = out.splitlines()
    assert status == 0
    assert lines[0].startswith("a.py:3:5: SUP101 thread-unsupervised [high, high confidence] ")
    assert lines[-1].startswith("2 findings (1 high, 1 medium) in 2 files, 8 lines")
    assert err == ""  # no progress bar away from a terminal


def test_a_bar_is_drawn_on_a_terminal_and_wiped_at_the_end(shop: Path) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    err = Terminal()
    parser = argparse.ArgumentParser()
    cli.add_arguments(parser)
    cli.run(parser.parse_args([str(shop)]), io.StringIO(), err)
    assert "100%" in err.getvalue()
    assert err.getvalue().endswith("\r\x1b[K")


def test_the_report_can_go_to_a_file(shop: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "report.json"
    status, out, _ = _run(capsys, str(shop), "--format", "json", "--output", str(target))
    assert (status, out) == (0, "")
    assert json.loads(target.read_text())["summary"]["files"] == 2


# ------------------------------------------------------------------------------------------------ exit status


@pytest.mark.parametrize(
    ("level", "status"), [("never", 0), ("critical", 0), ("high", 1), ("medium", 1), ("low", 1), ("info", 1)]
)
def test_fail_on_compares_severities(
    level: str, status: int, shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run(capsys, str(shop), "--fail-on", level)[0] == status


def test_fail_on_looks_at_what_is_selected(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run(capsys, str(shop), "--fail-on", "high", "--ignore", "SUP101")[0] == 0
    assert _run(capsys, str(shop), "--fail-on", "medium", "--select", "SUP8")[0] == 1
    assert _run(capsys, str(shop), "--fail-on", "high", "--select", "error-swallowed")[0] == 0


def test_bad_usage_and_paths_that_are_not_there_exit_with_2(
    shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run(capsys, str(shop), "--select", "SUP999")[0] == 2
    status, out, err = _run(capsys, str(shop / "nowhere"), "/also/nowhere")
    assert (status, out) == (2, "")
    assert "nowhere" in err
    with pytest.raises(SystemExit) as usage:
        cli.main([])
    assert usage.value.code == 2
    capsys.readouterr()


def test_one_readable_path_is_enough(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    document = _document(capsys, str(shop), str(shop / "nowhere"))
    assert document["summary"]["files"] == 2
    assert [item["path"] for item in document["errors"]] == [str(shop / "nowhere")]


def test_the_path_of_a_file_is_the_one_given(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    document = _document(capsys, str(shop / "a.py"))
    assert [item["path"] for item in document["findings"]] == [str(shop / "a.py")]


def test_manage_py_audit_is_the_same_command(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as status:
        call_command("audit", str(shop), "--format", "json", "--fail-on", "high")
    assert status.value.code == 1
    assert json.loads(capsys.readouterr().out)["summary"]["by_rule"] == {"SUP101": 1, "SUP802": 1}
    call_command("audit", str(shop))
    assert "2 findings" in capsys.readouterr().out


def test_what_is_below_the_level_is_left_out_of_the_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.py").write_text(DROPPED + SWALLOWED)
    every = {item["severity"] for item in _document(capsys, str(tmp_path))["findings"]}
    assert every == {"high", "medium"}
    assert {item["severity"] for item in _document(capsys, str(tmp_path), "--level", "high")["findings"]} == {
        "high"
    }


# ----------------------------------------------------------------------------------------------- suppressions


@pytest.mark.parametrize(
    "comment",
    [
        "# noqa: SUP101",
        "# noqa: E501, SUP101",
        "# noqa:SUP101",
        "# audit: ignore[SUP101] the process ends with it",
        "# audit: ignore[SUP802, SUP101] both are meant",
        "# audit: ignore[thread-unsupervised] by name",
        "# audit: ignore[SUP101] until=2026-11-21 until the last day",
        "# type: ignore  # audit: ignore[SUP101] among others",
    ],
)
def test_a_comment_on_the_line_suppresses_the_rule_it_names(comment: str, tmp_path: Path) -> None:
    report = audit_files(tmp_path, {"a.py": DROPPED.replace("start()\n", f"start()  {comment}\n")})
    assert (found(report), report.suppressed, report.expired) == ([], 1, [])


@pytest.mark.parametrize(
    "comment",
    [
        "# noqa",
        "# noqa: SUP802",
        "# audit: ignore[SUP999] unknown",
        "# audit: ignore",
        "# SUP101 is known here",
    ],
)
def test_other_comments_suppress_nothing(comment: str, tmp_path: Path) -> None:
    report = audit_files(tmp_path, {"a.py": DROPPED.replace("start()\n", f"start()  {comment}\n")})
    assert found(report, "SUP101")
    assert report.suppressed == 0


def test_a_comment_at_the_end_of_a_broken_line_suppresses_for_the_statement(tmp_path: Path) -> None:
    broken = "import threading\ndef go(f):\n    threading.Thread(\n        target=f\n    ).start()  # noqa: SUP101\n"
    report = audit_files(tmp_path, {"a.py": broken})
    assert (found(report), report.suppressed) == ([], 1)


def test_a_comment_inside_a_block_suppresses_nothing_of_the_line_that_opens_it(tmp_path: Path) -> None:
    text = "def go(f):\n    try:\n        f()\n    except:\n        pass  # noqa: SUP801, SUP802\n"
    assert found(audit_files(tmp_path, {"a.py": text}), "SUP801")


@pytest.mark.parametrize("comment", ["# noqa: SUP101", "# audit: ignore[SUP101]"])
def test_where_reasons_are_required_a_suppression_without_one_suppresses_nothing(
    comment: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "a.py"
    file.write_text(DROPPED.replace("start()\n", f"start()  {comment}\n"))
    assert cli.main([str(file), "--fail-on", "high"]) == 0
    assert cli.main([str(file), "--fail-on", "high", "--require-reasons"]) == 1
    assert "its suppression gives no reason" in capsys.readouterr().out
    file.write_text(
        DROPPED.replace("start()\n", "start()  # audit: ignore[SUP101] it ends with the process\n")
    )
    assert cli.main([str(file), "--fail-on", "high", "--require-reasons"]) == 0


def test_text_in_a_string_is_no_suppression(tmp_path: Path) -> None:
    text = "import threading\ndef go(f):\n    threading.Thread(target=f, name='# noqa: SUP101').start()\n"
    assert found(audit_files(tmp_path, {"a.py": text}), "SUP101")


def test_an_expired_suppression_counts_again_and_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = DROPPED.replace(
        "start()\n", "start()  # audit: ignore[SUP101] until=2026-11-20 moving to a pool\n"
    )
    report = audit_files(tmp_path, {"a.py": text})
    assert found(report, "SUP101")
    assert "expired on 2026-11-20" in report.findings[0].message
    assert [(item.rule, item.line, item.reason) for item in report.expired] == [
        ("SUP101", 3, "moving to a pool")
    ]
    assert audit_files(tmp_path, {"a.py": text}, today=DAY - datetime.timedelta(days=1)).suppressed == 1
    (tmp_path / "a.py").write_text(text.replace("2026-11-20", "soon"))
    document = _document(capsys, str(tmp_path))
    assert "no date" in document["expired"][0]["problem"]


# ------------------------------------------------------------------------------- fingerprints and baselines


def _fingerprints(tmp_path: Path, text: str) -> list[str]:
    return [item.fingerprint for item in audit_files(tmp_path, {"a.py": text}).findings]


def test_a_fingerprint_stays_when_lines_move_and_differs_between_places(tmp_path: Path) -> None:
    first = _fingerprints(tmp_path, DROPPED)
    assert _fingerprints(tmp_path, "# a comment\nx = 1\n\n" + DROPPED) == first
    assert (
        _fingerprints(
            tmp_path, DROPPED.replace("def go", "x = 2\ndef go").replace("    thr", "    y = 1\n    thr")
        )
        == first
    )
    assert _fingerprints(tmp_path, DROPPED.replace("go", "went")) != first
    twice = _fingerprints(tmp_path, DROPPED + "    threading.Thread(target=print).start()\n")
    assert len(set(twice)) == 2
    assert twice[0] == first[0]


def test_a_baseline_hides_what_it_has_and_shows_what_is_new(
    shop: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    known = str(tmp_path / "baseline.json")
    assert _run(capsys, str(shop), "--write-baseline", known, "--fail-on", "info")[0] == 0
    document = _document(capsys, str(shop), "--baseline", known)
    assert (document["findings"], document["summary"]["baselined"]) == ([], 2)
    (shop / "c.py").write_text(DROPPED)
    status, out, _ = _run(capsys, str(shop), "--baseline", known, "--fail-on", "high")
    assert status == 1
    assert out.startswith("c.py:3:")


def test_the_ratchet_allows_the_same_or_fewer_and_never_more(
    shop: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    known = tmp_path / "baseline.json"
    _run(capsys, str(shop), "--write-baseline", str(known))
    ratchet = ("--baseline", str(known), "--ratchet")
    assert _run(capsys, str(shop), *ratchet)[0] == 0
    (shop / "a.py").rename(shop / "moved.py")  # another fingerprint, the same number
    assert _run(capsys, str(shop), *ratchet)[0] == 0
    (shop / "c.py").write_text(DROPPED)
    status, _, err = _run(capsys, str(shop), *ratchet)
    assert status == 1
    assert "SUP101 thread-unsupervised: 2 findings, 1 before" in err
    before = known.read_text()
    assert _run(capsys, str(shop), "--write-baseline", str(known), "--ratchet")[0] == 1
    assert known.read_text() == before  # a baseline never grows under the ratchet
    (shop / "c.py").unlink()
    (shop / "moved.py").unlink()
    assert _run(capsys, str(shop), "--write-baseline", str(known), "--ratchet")[0] == 0
    assert len(json.loads(known.read_text())["findings"]) == 1


def test_the_ratchet_looks_at_the_rules_of_this_run(
    shop: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    known = str(tmp_path / "baseline.json")
    _run(capsys, str(shop), "--write-baseline", known)
    (shop / "c.py").write_text(DROPPED)
    assert _run(capsys, str(shop), "--baseline", known, "--ratchet", "--select", "SUP8")[0] == 0


@pytest.mark.parametrize(
    "text", ["", "[]", '{"version": 2}', '{"version": 1, "findings": [1]}', '{"version": 1}']
)
def test_a_file_that_is_no_baseline_is_bad_usage(
    text: str, shop: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "baseline.json").write_text(text)
    status, _, err = _run(capsys, str(shop), "--baseline", str(tmp_path / "baseline.json"))
    assert status == 2
    assert "baseline.json" in err


def test_the_ratchet_needs_something_to_compare_with(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run(capsys, str(shop), "--ratchet")[0] == 2
