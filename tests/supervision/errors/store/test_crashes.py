"""Children that died without an SDK."""

import datetime as dt
from typing import Any

import pytest

from supervision.errors.store.bodies import unpacked
from supervision.errors.store.crashes import (
    file_crashes,
    file_failed_supervision,
    give_projects,
    of_exit,
    tells_of_failed_supervision,
)
from supervision.errors.store.digesting import digest
from supervision.errors.store.models import ErrorEvent, ErrorIntake, ErrorIssue, ErrorProject
from supervision.errors.store.projects import create_project
from supervision.fleet.models import Node
from supervision.journal.facts import Batch, Changes
from supervision.journal.handlers import Ingested
from supervision.runtime.evidence import TRACEBACK_CHARACTERS, from_first_traceback
from supervision.trees.models import Tree
from tests.supervision.errors.store.error_rows import ACTOR, NOW, accepted, event

LATER = NOW + dt.timedelta(seconds=5)
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
    seen = of_exit(_exit())
    assert seen is not None
    body = seen.body()
    value = body["exception"]["values"][-1]
    assert (value["type"], value["mechanism"]["handled"]) == ("KeyError", False)
    assert "hunter2" not in str(body)


@pytest.mark.django_db
def test_a_traceback_is_scrubbed_as_the_project_of_the_tree_wants_it() -> None:
    create_project(
        slug="shop",
        tree="shop",
        actor=ACTOR,
        scrub_emails=True,
        scrub_addresses=True,
        always_scrubbed=["order"],
    )
    lines = [*TRACE[:-1], "KeyError: 'anna@shop.example 203.0.113.7 order=17'"]
    _ingest(_exit(stderr=lines))
    body = str(unpacked(ErrorIntake.objects.get().body))
    assert "KeyError" in body
    assert not [word for word in ("anna", "203.0", "order=17") if word in body]


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
        ("watchdog", [], True),
        ("unhealthy", [], True),
        ("timeout", [], False),
    ],
)
def test_which_ends_are_errors(reason: str, stderr: list[str], is_filed: bool) -> None:
    assert (of_exit(_exit(reason, stderr)) is not None) == is_filed


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
    assert digest(now=NOW) == 0, "an SDK may have told of the same, and its report be on its way"
    digest(now=LATER)
    issue = ErrorIssue.objects.get()
    assert (issue.type, issue.child, issue.stat.count, issue.level) == ("KeyError", "shop/api", 2, "fatal")


@pytest.mark.django_db
@pytest.mark.parametrize("order", ["before", "together", "behind"])
def test_an_sdks_own_report_of_the_crash_counts_alone(project: ErrorProject, order: str) -> None:
    def told() -> None:
        accepted(project, event("KeyError"), number=5, child="shop/api")

    if order == "behind":
        _ingest(_exit())
        digest(now=NOW)
        told()
    elif order == "before":
        told()
        digest(now=NOW)
        _ingest(_exit())
    else:
        told()
        _ingest(_exit())
    digest(now=LATER)
    assert ErrorEvent.objects.count() == 1
    assert ErrorIssue.objects.get().culprit == "shop in load"


@pytest.mark.django_db
def test_another_error_of_the_life_that_died_is_another_event(project: ErrorProject) -> None:
    accepted(project, event("TypeError"), number=5, child="shop/api")
    _ingest(_exit())
    digest(now=LATER)
    assert sorted(ErrorIssue.objects.values_list("type", flat=True)) == ["KeyError", "TypeError"]


@pytest.mark.django_db
def test_ends_without_a_traceback_are_told_apart_by_child_and_reason(project: ErrorProject) -> None:
    _ingest(
        _exit("exit(1)", [], key="shop/api@1"),
        _exit("exit(1)", [], key="shop/api@2"),
        _exit("exit(2)", [], incarnation=1),
        _exit("oom", [], incarnation=2),
        _exit("signal(9)", [], cause="probably out of memory: the kernel's OOM counter rose", incarnation=9),
        _exit("watchdog", [], incarnation=3),
    )
    digest(now=LATER)
    issues = dict(ErrorIssue.objects.values_list("title", "stat__count"))
    assert issues == {
        "Ended: shop/api: exit(1)": 2,
        "Ended: shop/api: exit(2)": 1,
        "OutOfMemory: shop/api: oom": 1,
        "OutOfMemory: shop/api: signal(9), probably out of memory: the kernel's OOM counter rose": 1,
        "Watchdog: shop/api: watchdog": 1,
    }
    assert ErrorIssue.objects.get(title__startswith="Watchdog").because["rule"] == "what Overstory saw"


def _step(event: list[Any], *actions: list[Any], seq: int = 1) -> dict[str, Any]:
    return {
        "k": "step",
        "tree": "shop",
        "t": NOW.timestamp(),
        "seq": seq,
        "event": event,
        "actions": list(actions),
    }


GAVE_UP = ["report", "shutdown", "shop/web", "api", "reached_max_restart_intensity",
           {"restarts": 4, "intensity": 3, "period": 5.0, "parent": "shop"}]  # fmt: skip


@pytest.mark.django_db
def test_a_start_that_comes_to_nothing_and_a_supervisor_that_gives_up_are_errors(
    project: ErrorProject,
) -> None:
    failed = _step(["start_failed", "shop/web/api@3", 7, "start_failed(no such file)"], GAVE_UP)
    again = _step(["start_failed", "shop/web/api@1", 8, "start_failed(no such file)"], seq=2)
    node = Node.objects.create(id="n" * 32, name="web-1", joined_at=NOW)
    for records in ([failed], [again], [failed]):
        file_failed_supervision(Ingested(node, records, Batch(records, Changes())))
    digest(now=LATER)
    issues = {issue.title: issue for issue in ErrorIssue.objects.select_related("stat")}
    assert {title: issue.stat.count for title, issue in issues.items()} == {
        "StartFailed: shop/web/api: start_failed(no such file)": 2,
        "SupervisorGaveUp: shop/web: more than 3 restarts in 5.0 s": 1,
    }, "the same record again counts nothing"
    assert issues["SupervisorGaveUp: shop/web: more than 3 restarts in 5.0 s"].child == "shop/web"


def test_only_steps_that_tell_of_them_are_looked_at() -> None:
    assert tells_of_failed_supervision(_step(["tick", None], GAVE_UP))
    assert tells_of_failed_supervision(_step(["start_failed", "shop/a", 1, "start_failed(x)"]))
    assert not tells_of_failed_supervision(_step(["tick", None], ["start", "x", 1, {}]))
    assert not tells_of_failed_supervision(_exit())


@pytest.mark.django_db
def test_every_tree_gets_a_project_once() -> None:
    Tree.objects.create(name="shop", created_at=NOW)
    assert give_projects() == 1
    assert give_projects() == 0
    assert ErrorProject.objects.get().tree == "shop"
    _ingest(_exit())
    assert ErrorIntake.objects.count() == 1
