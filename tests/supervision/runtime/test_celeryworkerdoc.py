"""What a worker's section becomes: the process that it is, and what it is told."""

import sys
from typing import Any

import pytest

from supervision.runtime import celeryworkerdoc
from supervision.runtime.kinds import body_of
from supervision.runtime.processdoc import Notify, ProcessBody
from supervision.runtime.treedoc import parse_tree


def body(**fields: Any) -> ProcessBody:
    return body_of({"kind": "celery_worker", "celery_worker": {"app": "shop.celery:app", **fields}})


def document(child: dict[str, Any]) -> dict[str, Any]:
    return {"version": 1, "tree": "shop", "supervisor": {"children": [{"id": "mail", **child}]}}


def test_a_worker_is_celerys_in_the_applications_interpreter() -> None:
    made = body(
        python="/venv/bin/python", queues=["mail", "celery"], concurrency=4, pool="threads", prefetch=2,
        task_time_limit="90s", task_soft_time_limit="1m", arguments=["--loglevel=INFO"],
    )  # fmt: skip
    assert made.command == (
        "/venv/bin/python", celeryworkerdoc.RUN, "--app=shop.celery:app", "worker", "--queues=mail,celery",
        "--pool=threads", "--prefetch-multiplier=2", "--without-mingle", "--without-gossip", "--concurrency=4",
        "--time-limit=90", "--soft-time-limit=60", "--loglevel=INFO",
    )  # fmt: skip
    assert body().command[0] == sys.executable


def test_what_looks_at_the_queues_of_a_pool_without_workers_is_told_only_these() -> None:
    made = body(python="/venv/bin/python", queues=["mail", "celery"], concurrency=4, looks_only=True)
    assert made.command == (
        "/venv/bin/python", celeryworkerdoc.RUN, "--app=shop.celery:app", "look", "--queues=mail,celery",
    )  # fmt: skip
    assert made.readiness == Notify()


def test_it_is_ready_when_it_says_so_and_unhealthy_when_it_is_silent() -> None:
    made = body(ready_within="20s")
    assert (made.readiness, made.readiness_deadline_s) == (Notify(), 20)
    assert (made.watchdog_s, made.watchdog_reason) == (celeryworkerdoc.WATCHDOG_S, "unhealthy")
    assert body(watchdog="5s").watchdog_s == 5


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({}, {"OVERSTORY_STALLED_AFTER_S": "60"}),
        ({"stalled_after": "infinity"}, {}),
        (
            {"soft_shutdown": "9s"},
            {
                "OVERSTORY_STALLED_AFTER_S": "60",
                "OVERSTORY_SOFT_SHUTDOWN_S": "9",
                "REMAP_SIGTERM": "SIGQUIT",
            },
        ),
        (
            {"soft_shutdown": "9s", "stop_signal": "QUIT"},
            {"OVERSTORY_STALLED_AFTER_S": "60", "OVERSTORY_SOFT_SHUTDOWN_S": "9"},
        ),
    ],
)
def test_what_it_is_told_stands_in_its_environment(fields: dict[str, Any], told: dict[str, str]) -> None:
    assert body(**fields).told == told


@pytest.mark.parametrize(
    ("shutdown", "soft_s"), [("30s", 28.0), ("500ms", 0.0), ("infinity", None), ("brutal_kill", None)]
)
def test_running_tasks_get_what_the_shutdown_of_the_child_leaves(shutdown: str, soft_s: float | None) -> None:
    tree = parse_tree(document({"shutdown": shutdown, "celery_worker": {"app": "a"}}))
    (child,) = tree.spec.children
    assert child.body["celery_worker"].get("soft_shutdown") == soft_s


def test_what_the_document_says_about_soft_shutdown_stays() -> None:
    tree = parse_tree(document({"celery_worker": {"app": "a", "soft_shutdown": "2s"}}))
    (child,) = tree.spec.children
    assert child.body["celery_worker"]["soft_shutdown"] == 2


def test_a_worker_lives_on_when_only_its_pools_numbers_change() -> None:
    worker = {"app": "a", "scale": {"max": 3}, "recycle": {"tasks": 9}}
    scaled = parse_tree(document({"celery_worker": worker})).spec.children
    plain = parse_tree(document({"celery_worker": {"app": "a"}, "instances": 1})).spec.children
    assert [child.body for child in scaled] == [child.body for child in plain]
