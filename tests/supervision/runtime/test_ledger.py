"""Commands with an id: carried out once, answered alike, also by the node that follows."""

from typing import Any

import pytest

from supervision.runtime.control_wire import ControlError
from supervision.runtime.ledger import KEEP, Entry, Ledger, take_call, take_record, take_reply
from tests.supervision.runtime.asking import ask, sent


class Desk:
    """A ledger and what it recorded."""

    def __init__(self) -> None:
        self.records: list[dict[str, Any]] = []
        self.ledger = Ledger(lambda kind, body: self.records.append({"k": kind, **body}))


def test_the_second_request_waits_for_the_answer_of_the_first() -> None:
    desk = Desk()
    first, second = ask("stop", key="t/a"), ask("stop", key="t/a")
    assert not desk.ledger.is_known("1", first)
    desk.ledger.begin("1", first, {"key": "t/a"})
    assert desk.ledger.is_known("1", second)
    assert sent(second) == []
    first.answer({"key": "t/a"})
    assert sent(second) == sent(first) == [{"ok": True, "result": {"key": "t/a"}}]
    third = ask("stop", key="t/a")
    assert desk.ledger.is_known("1", third)
    assert sent(third) == sent(first)
    assert desk.records == [
        {"k": "command", "what": "ended", "id": "1", "ok": True, "result": {"key": "t/a"}}
    ]


def test_a_refusal_is_remembered_as_such() -> None:
    desk = Desk()
    first, second = ask("signal"), ask("signal")
    desk.ledger.begin("1", first, {})
    first.refuse(ControlError("conflict", "no process", "/args/key", more=1))
    desk.ledger.is_known("1", second)
    error = {"code": "conflict", "message": "no process", "pointer": "/args/key", "more": 1}
    assert sent(second) == [{"ok": False, "error": error}]


def test_an_outcome_counts_although_who_asked_went_away() -> None:
    desk = Desk()
    request = ask("stop")
    desk.ledger.begin("1", request, {})
    request.connection.closed = True
    request.answer({})
    assert desk.ledger.entries["1"].outcome == {"ok": True, "result": {}}
    assert sent(request) == []


def test_the_oldest_outcomes_go_first() -> None:
    desk = Desk()
    for number in range(KEEP + 5):
        desk.ledger.begin(str(number), ask("stop"), {})
    assert next(iter(desk.ledger.entries)) == "5"


@pytest.mark.parametrize(
    ("records", "expected"),
    [
        ([], "asked again"),
        (["call"], "under way"),
        (["call", "reply"], {"ok": True, "result": {"key": "t/a", "reply": ["ok"]}}),
        (["call", "refusal"], {"ok": False, "error": {"code": "not_found", "message": "not_found"}}),
        (["call", "ended"], {"ok": True, "result": 1}),
    ],
)
def test_what_the_journal_says_of_a_command_that_a_node_died_over(records: list[str], expected: Any) -> None:
    entries: dict[str, Entry] = {}
    take_record(entries, {"k": "command", "op": "stop", "args": {"key": "t/a"}, "id": "1"})
    for record in records:
        if record == "call":
            take_call(entries, "command:1")
        elif record == "reply":
            take_reply(entries, "command:1", ["ok"])
        elif record == "refusal":
            take_reply(entries, "command:1", ["error", "not_found"])
        else:
            take_record(entries, {"k": "command", "what": "ended", "id": "1", "ok": True, "result": 1})
    desk = Desk()
    under_way = desk.ledger.restore(
        {name: Entry.from_json(entry.to_json()) for name, entry in entries.items()}
    )
    if expected == "asked again":
        assert (under_way, desk.ledger.entries) == ([], {})
    elif expected == "under way":
        assert under_way == ["1"]
    else:
        assert (under_way, desk.ledger.entries["1"].outcome) == ([], expected)


def test_what_may_have_been_done_is_never_done_a_second_time() -> None:
    desk = Desk()
    assert desk.ledger.restore({"1": Entry("signal", {"key": "t/a"})}) == []
    request = ask("signal")
    assert desk.ledger.is_known("1", request)
    assert sent(request)[0]["error"]["code"] == "unknown"


def test_records_without_an_id_and_refs_of_others_change_nothing() -> None:
    entries: dict[str, Entry] = {}
    take_record(entries, {"k": "command", "op": "stop", "args": {}})
    take_call(entries, "abc-1")
    take_reply(entries, "command:9", ["ok"])
    assert entries == {}
