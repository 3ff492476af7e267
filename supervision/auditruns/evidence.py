"""Evidence of a CI job: test results from JUnit XML, and line coverage from Cobertura XML (`coverage xml`). Pure.

Documents that declare entities are refused: they are how a small XML becomes a large one.
"""

import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from xml.parsers import expat

from supervision.auditruns.exceptions import InvalidReportError

MOST_TESTS = 50_000


@dataclass(frozen=True, slots=True)
class TestResult:
    """`name` is `classname::name`; `outcome` passed, failed or skipped; an error counts as failed."""

    __test__ = False  # pytest, which collects by name

    name: str
    outcome: str
    message: str = ""


def parse_junit(content: bytes) -> list[TestResult]:
    """Every test case, the worst outcome of equal names. Raises InvalidReportError."""
    root = _root(content)
    if root.tag not in ("testsuites", "testsuite"):
        raise InvalidReportError("", f"JUnit XML begins with testsuites or testsuite, not {root.tag[:50]}")
    order = {"passed": 1, "skipped": 0, "failed": 2}
    found: dict[str, TestResult] = {}
    for case in root.iter("testcase"):
        name = case.get("name", "")
        classname = case.get("classname", "")
        result = _result(f"{classname}::{name}" if classname else name, case)
        known = found.get(result.name)
        if known is None or order[result.outcome] > order[known.outcome]:
            found[result.name] = result
        if len(found) > MOST_TESTS:
            raise InvalidReportError("", f"at most {MOST_TESTS} tests")
    return list(found.values())


def _result(name: str, case: ElementTree.Element) -> TestResult:
    for tag, outcome in (("failure", "failed"), ("error", "failed"), ("skipped", "skipped")):
        part = case.find(tag)
        if part is not None:
            return TestResult(name[:500], outcome, (part.get("message") or "")[:500].replace("\0", ""))
    return TestResult(name[:500], "passed")


def parse_coverage(content: bytes) -> float:
    """The part of lines that ran, 0 to 1. Raises InvalidReportError."""
    root = _root(content)
    try:
        rate = float(root.get("line-rate", ""))
    except ValueError:
        rate = -1.0
    if root.tag != "coverage" or not 0 <= rate <= 1:
        raise InvalidReportError("", "Cobertura XML is expected: coverage with a line-rate from 0 to 1")
    return rate


def _root(content: bytes) -> ElementTree.Element:
    try:
        _refuse_entities(content)
        return ElementTree.fromstring(content)  # noqa: S314  as above
    except (ElementTree.ParseError, expat.ExpatError) as error:
        raise InvalidReportError("", f"not XML: {error}") from None


def _refuse_entities(content: bytes) -> None:
    def refuse(*_: object) -> None:
        raise InvalidReportError("", "documents that declare entities are not read")

    parser = expat.ParserCreate()
    parser.EntityDeclHandler = refuse
    parser.Parse(content, True)
