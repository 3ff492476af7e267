"""The public corpus: its snippets are scored here, its labels in `bench/audit_labels.py`, which fetches the packages."""

import json
from pathlib import Path

from supervision.audit.catalogue import RULES
from tests.supervision.audit.support import audit_files

CORPUS = Path(__file__).parents[2] / "data" / "audit_corpus"
NEAR = 2  # lines that a finding may stand away from the expected one


def _json(name: str) -> object:
    return json.loads((CORPUS / name).read_text(encoding="utf-8"))


def _scored_rules(expected: dict[str, list[dict[str, object]]]) -> set[object]:
    """Rules that some snippet or label uses; findings of the others are not scored."""
    labels = (CORPUS / "labels.jsonl").read_text(encoding="utf-8").splitlines()
    used = {item["rule"] for items in expected.values() for item in items}
    return used | {json.loads(line)["rule"] for line in labels}


def test_snippets_have_precision_and_recall_of_at_least_95_percent(tmp_path: Path) -> None:
    snippets = _json("snippets.json")
    expected = _json("snippets_expected.json")
    assert isinstance(snippets, dict)
    assert isinstance(expected, dict)
    report = audit_files(tmp_path, snippets)
    assert not report.errors
    scored = _scored_rules(expected)
    found = [(item.path, item.rule, item.line) for item in report.findings if item.rule in scored]
    wanted = [(path, item["rule"], item["line"]) for path, items in expected.items() for item in items]
    missed = []
    for path, rule, line in wanted:
        match = next((one for one in found if one[:2] == (path, rule) and abs(one[2] - line) <= NEAR), None)
        if match is None:
            missed.append((path, rule, line))
        else:
            found.remove(match)
    hits = len(wanted) - len(missed)
    assert hits / len(wanted) >= 0.95, f"missed: {missed}"
    assert hits / (hits + len(found)) >= 0.95, f"reported beside them: {found}"


def test_the_catalogue_has_the_codes_names_severities_and_patterns_of_the_corpus() -> None:
    published = _json("rules.json")
    assert isinstance(published, list)
    ours = {rule.code: (rule.name, rule.severity.word, str(rule.pattern)) for rule in RULES.values()}
    assert ours == {item["code"]: (item["name"], item["severity"], item["pattern"]) for item in published}


def test_no_rule_knows_the_packages_of_the_corpus() -> None:
    """A rule that named a judged package would score here and be wrong elsewhere."""
    labels = [json.loads(line) for line in (CORPUS / "labels.jsonl").read_text(encoding="utf-8").splitlines()]
    # Libraries that audited code uses; of these the audit has to know what their calls do.
    libraries = {"celery", "channels", "django", "tornado", "aiohttp", "paramiko", "supervisor"}
    packages = {label["package"].split("==")[0].replace("-", "_") for label in labels} - libraries
    files = {label["file"] for label in labels}
    for module in Path(__file__).parents[3].glob("supervision/audit/**/*.py"):
        text = module.read_text(encoding="utf-8")
        assert not [name for name in (*packages, *files) if f'"{name}' in text or f"/{name}" in text], module
