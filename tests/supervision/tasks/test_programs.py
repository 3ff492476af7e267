"""Questions and events of programs, as the courier puts them."""

from typing import Any

import pytest

from supervision.fleet.models import Node
from supervision.programs import questions
from supervision.programs.handlers import handler_of
from supervision.tasks import programs
from supervision.tasks.models import TaskRun
from tests.supervision.tasks.told import HOLDER, NOW

pytestmark = pytest.mark.django_db


@pytest.fixture
def _node() -> None:
    Node.objects.create(id="n1", name="host", joined_at=NOW)


def ask(kind: str, **body: Any) -> dict[str, Any]:
    return questions.answer(
        node_id="n1", epoch=1, key="shop/web", incarnation=1, pid=7, kind=kind, body=body, timeout_s=5.0
    )


def start(*ids: str, **spec: Any) -> dict[str, Any]:
    starts = [
        {"id": each, "name": "charge", "app": "shop", "queue": "mail", "supervisor": "shop", "spec": spec}
        for each in ids
    ]
    return ask("task.start", starts=starts)


@pytest.mark.usefixtures("_node")
def test_a_task_from_its_start_to_its_outcome() -> None:
    assert start("a", "b") == {"result": {"started": 2}}
    assert TaskRun.objects.get(pk="a").tree == "shop"
    begun = ask("task.begin", id="a", publication=1, holder=HOLDER, pid=9, token="t")["result"]
    assert begun == {"run": True, "attempt": 1, "epoch": 1, "why": ""}
    assert ask("task.outcomes", ids=["a", "b"]) == {"result": {"ended": {}}}
    ended = ask("task.end", id="a", epoch=1, outcome="done", result=[1, 2])["result"]
    assert (ended["accepted"], ended["state"]) == (True, "done")
    answer = ask("task.outcomes", ids=["a", "b", "unknown"])["result"]["ended"]
    assert {each: (row["state"], row["result"]) for each, row in answer.items()} == {"a": ("done", [1, 2])}
    assert ask("task.withdraw", ids=["b"]) == {"result": {"states": {"b": "revoked"}}}


@pytest.mark.usefixtures("_node")
def test_what_runs_again_at_once_is_published_by_who_asked() -> None:
    start("a", backoff=None)
    ask("task.begin", id="a", publication=1, holder=HOLDER, pid=9)
    answer = ask("task.end", id="a", epoch=1, outcome="failed", reason="exception(E)")["result"]
    assert (answer["state"], answer["publish"]["id"], answer["publish"]["publication"]) == (
        "retrying",
        "a",
        2,
    )
    late = {"initial": 5.0, "factor": 2.0, "cap": 60.0, "jitter": 0.0, "reset_after": 60.0}
    start("b", backoff=late)
    ask("task.begin", id="b", publication=1, holder=HOLDER, pid=9)
    answer = ask("task.end", id="b", epoch=1, outcome="failed", reason="exception(E)")["result"]
    assert (answer["publish"], answer["delay_s"]) == (None, 5.0)


@pytest.mark.usefixtures("_node")
@pytest.mark.parametrize(
    ("kind", "body", "code"),
    [
        ("task.start", {"starts": "x"}, "bad_request"),
        ("task.start", {"starts": [{"id": "a"}]}, "bad_request"),
        ("task.start", {"starts": [{"id": "", "spec": {}}]}, "task_refused"),
        ("task.start", {"starts": []}, "task_refused"),
        ("task.end", {"id": "a", "epoch": 1, "outcome": "well"}, "bad_request"),
        ("task.outcomes", {"ids": "a"}, "bad_request"),
        ("task.outcomes", {"ids": ["a"] * 1001}, "bad_request"),
        ("task.answer", {"request": "x"}, "bad_request"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_name(kind: str, body: dict[str, Any], code: str) -> None:
    assert ask(kind, **body)["error"]["code"] == code


@pytest.mark.usefixtures("_node")
def test_a_full_pool_says_so_by_name() -> None:
    pool = {"max_waiting": 1, "overflow": "refuse"}
    assert "result" in start("a", pool=pool)
    assert start("b", pool=pool)["error"]["code"] == "pool_full"


@pytest.mark.usefixtures("_node")
def test_a_report_without_sense_is_answered_with_nothing_to_do() -> None:
    assert ask("task.report", holder=7, queues=[], unacked="x")["result"] == {
        "publish": [], "revoked": [], "requests": [],
    }  # fmt: skip
    queues = {"mail": {"length": "many", "oldest_s": None}, "": {}, "bad": 5}
    assert "result" in ask("task.report", holder=HOLDER, app="shop", queues=queues)
    assert ask("task.answer", request="no uuid", answer={})["result"] == {"taken": False}


def test_events_of_tasks_and_workers_come_here() -> None:
    assert handler_of("task.started") is programs.record
    assert handler_of("worker.consuming") is programs.record
