"""Children that died without an SDK."""

from typing import Any

import pytest

from supervision.errors.store.crashes import file_crashes, give_projects, report_of
from supervision.errors.store.digesting import digest
from supervision.errors.store.models import ErrorEvent, ErrorIntake, ErrorIssue, ErrorProject
from supervision.errors.store.projects import create_project
from supervision.fleet.models import Node
from supervision.journal.facts import Batch, Changes
from supervision.journal.handlers import Ingested
from supervision.runtime.evidence import TRACEBACK_CHARACTERS, from_first_traceback
from supervision.trees.models import Tree
from tests.supervision.errors.store.error_rows import ACTOR, NOW, accepted, event

TRACE = [
    "starting",
    "Traceback (most recent call last):",
    '  File "/srv/shop.py", line 3, in load',
    "    return prices[order]",
    "KeyError: 'password=hunter2'",
]


def _exit(reason: str = "exit(1)", stderr: list[str] | None = None, **more: Any) -> dict[str, Any]:
    record = {
        "k": "exit",
        "key": "shop/api",
        "incarnation": 7,
        "reason": reason,
        "t": NOW.timestamp(),
        "seq": 1,
    }
    return {**record, "stderr": TRACE if stderr is None else stderr, **more}


def test_a_traceback_is_read_and_scrubbed() -> None:
    body = report_of(_exit())
    assert body is not None
    value = body["exception"]["values"][-1]
    assert (value["type"], value["mechanism"]["handled"]) == ("KeyError", False)
    assert "hunter2" not in str(body)


@pytest.mark.parametrize(
    ("reason", "stderr", "is_filed"),
    [
        ("exit(1)", [], True),
        ("signal(11)", [], True),
        ("oom", [], True),
        ("start_failed(no such file)", [], True),
        ("signal(9)", ["bye"], False),
        ("signal(9)", TRACE, True),
        ("lost", [], False),
        ("watchdog", [], False),
    ],
)
def test_which_ends_are_errors(reason: str, stderr: list[str], is_filed: bool) -> None:
    assert (report_of(_exit(reason, stderr)) is not None) == is_filed


def test_a_long_traceback_is_kept_from_its_end() -> None:
    lines = ["before", "Traceback (most recent call last):", *["x" * 100] * 300, "KeyError: 1"]
    kept = from_first_traceback(lines)
    assert kept[-1] == "KeyError: 1"
    assert sum(len(line) + 1 for line in kept) <= TRACEBACK_CHARACTERS
    assert from_first_traceback(["nothing", "here"]) == []
    assert from_first_traceback(lines[:3]) == lines[1:3]


@pytest.fixture
def project() -> ErrorProject:
    return create_project(slug="shop", tree="shop", actor=ACTOR)


def _ingest(*records: dict[str, Any]) -> None:
    node = Node.objects.get_or_create(id="n" * 32, defaults={"name": "web-1", "joined_at": NOW})[0]
    file_crashes(Ingested(node, list(records), Batch(list(records), Changes())))


@pytest.mark.django_db
def test_a_crash_becomes_an_issue_of_its_tree(project: ErrorProject) -> None:
    _ingest(_exit(), _exit(incarnation=8), _exit(key="other/x"))
    digest(now=NOW)
    issue = ErrorIssue.objects.get()
    assert (issue.type, issue.child, issue.stat.count, issue.level) == ("KeyError", "shop/api", 2, "fatal")


@pytest.mark.django_db
@pytest.mark.parametrize("order", ["sdk first", "together"])
def test_an_sdks_own_report_of_the_crash_counts_alone(project: ErrorProject, order: str) -> None:
    """An SDK sends before its process ends: its report is never behind the record of the exit."""

    def told() -> None:
        accepted(project, event("KeyError"), number=5, child="shop/api")

    if order == "sdk first":
        told()
        digest(now=NOW)
        _ingest(_exit())
    else:
        told()
        _ingest(_exit())
    digest(now=NOW)
    assert ErrorEvent.objects.count() == 1
    assert ErrorIssue.objects.get().culprit == "shop in load"


@pytest.mark.django_db
def test_every_tree_gets_a_project_once() -> None:
    Tree.objects.create(name="shop", created_at=NOW)
    assert give_projects() == 1
    assert give_projects() == 0
    assert ErrorProject.objects.get().tree == "shop"
    _ingest(_exit())
    assert ErrorIntake.objects.count() == 1
