"""Events go to who registered for them: once, in order, and one that cannot be used holds nobody up."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import OperationalError

from supervision.fleet.exceptions import StaleEpochError
from supervision.fleet.models import Node
from supervision.programs import handlers, questions, services
from supervision.programs.handlers import ProgramEvent, on_program_event
from supervision.programs.models import ProgramCursor
from supervision.programs.questions import Question, QuestionRefused, on_question

pytestmark = pytest.mark.django_db

NODE = "a" * 32
NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _rooms(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handlers, "_HANDLERS", {})
    monkeypatch.setattr(questions, "_ANSWERS", {})
    Node.objects.create(id=NODE, name="one", joined_at=NOW, epoch=3)


def record(seq: int, kind: str = "x.y", **body: Any) -> dict[str, Any]:
    return {
        "v": 1, "seq": seq, "t": NOW.timestamp(), "b": 1.0, "k": "event", "what": kind, "key": "t/a", "incarnation": 2,
        "pid": 7, "start": 1, "stream": "ab", "n": seq, "body": body,
    }  # fmt: skip


def take(*records: dict[str, Any], epoch: int = 3) -> int:
    return services.take_in(node_id=NODE, epoch=epoch, spool_epoch=5, records=list(records))


def counts() -> tuple[int, int, int, int, int]:
    row = ProgramCursor.objects.get()
    return row.seq, row.events, row.unhandled, row.failed, row.lost


def test_each_event_is_handed_on_once_in_order_to_the_longest_prefix() -> None:
    seen: list[tuple[str, list[int]]] = []
    on_program_event("x.")(lambda events: seen.append(("x.", [event.seq for event in events])))
    on_program_event("x.y.")(lambda events: seen.append(("x.y.", [event.seq for event in events])))
    records = [record(1, "x.a"), record(2, "x.y.z"), record(3, "x.y.z"), record(4, "x.b"), record(5, "other")]
    assert take(*records) == 5
    assert seen == [("x.", [1]), ("x.y.", [2, 3]), ("x.", [4])]
    assert take(*records, record(6, "x.c")) == 6
    assert seen[3:] == [("x.", [6])]
    assert counts() == (6, 6, 1, 0, 0)
    with pytest.raises(ValueError, match="have a handler"):
        on_program_event("x.")(lambda events: None)


def test_one_that_its_handler_cannot_use_is_counted_and_holds_nobody_up() -> None:
    used: list[int] = []

    @on_program_event("x.")
    def use(events: Sequence[ProgramEvent]) -> None:
        for event in events:
            if event.body.get("bad"):
                raise KeyError("bad")
            used.append(event.seq)
            Node.objects.filter(pk=NODE).update(version=str(event.seq))

    take(record(1), record(2, bad=True), record(3))
    assert (used[-2:], Node.objects.get().version) == ([1, 3], "3")
    assert counts() == (3, 3, 0, 1, 0)


def test_a_store_that_is_away_undoes_the_whole_batch_which_comes_again() -> None:
    fail = True

    @on_program_event("x.")
    def use(events: Sequence[ProgramEvent]) -> None:
        Node.objects.filter(pk=NODE).update(version="used")
        if fail:
            raise OperationalError("away")

    with pytest.raises(OperationalError):
        take(record(1))
    assert (Node.objects.get().version, ProgramCursor.objects.exists()) == ("", False)
    fail = False
    take(record(1))
    assert (Node.objects.get().version, counts()[0]) == ("used", 1)


def test_what_went_past_the_bound_or_was_damaged_is_counted_as_lost() -> None:
    take(record(1))
    take(record(11), {"v": 1, "seq": 12, "t": 0.0, "b": 0.0, "k": "damage", "last": 14}, record(15))
    assert counts() == (15, 3, 3, 0, 9 + 3)


def test_nothing_is_written_under_an_epoch_that_is_over() -> None:
    with pytest.raises(StaleEpochError):
        take(record(1), epoch=2)
    assert not ProgramCursor.objects.exists()


def test_text_that_the_database_refuses_is_made_storable() -> None:
    seen: list[Any] = []
    on_program_event("x.")(lambda events: seen.extend(event.body for event in events))
    take(record(1, text="nul \0 and \udc80"))
    assert seen == [{"text": "nul \ufffd and \ufffd"}]


def ask(kind: str, epoch: int = 3, **body: Any) -> dict[str, Any]:
    return questions.answer(
        node_id=NODE, epoch=epoch, key="t/a", incarnation=2, pid=7, kind=kind, body=body, timeout_s=1.0
    )


def test_a_question_is_answered_refused_or_fails_by_name() -> None:
    @on_question("q.good")
    def good(question: Question) -> dict[str, Any]:
        return {"key": question.key, "n": question.body["n"]}

    @on_question("q.no")
    def no(question: Question) -> dict[str, Any]:
        Node.objects.filter(pk=NODE).update(version="written")
        raise QuestionRefused("held", "somebody has it", holder="b")

    assert ask("q.good", n=4) == {"result": {"key": "t/a", "n": 4}}
    assert ask("q.no") == {"error": {"code": "held", "message": "somebody has it", "holder": "b"}}
    assert Node.objects.get().version == "", "what a refused one wrote is undone"
    assert ask("q.other")["error"]["code"] == "unknown_question"
    assert ask("q.good")["error"]["code"] == "internal"
    with pytest.raises(StaleEpochError):
        ask("q.good", epoch=2, n=1)
