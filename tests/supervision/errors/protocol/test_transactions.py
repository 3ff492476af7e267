"""What is taken of a transaction, and how its time is counted."""

import datetime as dt
import json
from typing import Any

import pytest

from supervision.errors.protocol.accepting import accept
from supervision.errors.protocol.envelope import Envelope, Item
from supervision.errors.protocol.transactions import CLASSES, class_of, quantile, ran_of, upper_ms

NOW = dt.datetime(2026, 11, 28, 12, 0, tzinfo=dt.UTC)
BODY: dict[str, Any] = {
    "transaction": "/orders",
    "start_timestamp": "2026-11-28T12:00:00Z",
    "timestamp": "2026-11-28T12:00:00.250Z",
    "contexts": {"trace": {"op": "http.server", "status": "ok"}},
}


def test_name_kind_and_time_are_taken_and_nothing_else() -> None:
    ran = ran_of({**BODY, "spans": [{"description": "SELECT secret"}], "user": {"id": "ada"}})
    assert ran is not None
    assert ran.to_json() == {"name": "/orders", "op": "http.server", "ms": 250.0, "failed": False}


def test_a_secret_in_a_name_is_not_kept() -> None:
    ran = ran_of({**BODY, "transaction": "GET /login?password=hunter2"})
    assert ran is not None
    assert "hunter2" not in ran.name


@pytest.mark.parametrize(
    "changes",
    [
        {"transaction": ""},
        {"transaction": 7},
        {"timestamp": None},
        {"start_timestamp": "soon"},
        {"timestamp": 0.0},
        {"timestamp": float("nan")},
        {"timestamp": "2027-11-28T12:00:00Z"},
    ],
)
def test_without_a_name_or_a_time_that_can_be_it_is_none(changes: dict[str, Any]) -> None:
    assert ran_of({**BODY, **changes}) is None


@pytest.mark.parametrize(
    ("status", "failed"), [("ok", False), (None, False), ("internal_error", True), ("cancelled", False)]
)
def test_whether_it_failed_is_its_own_word(status: str | None, *, failed: bool) -> None:
    ran = ran_of({**BODY, "contexts": {"trace": {"status": status}}})
    assert ran is not None
    assert ran.failed is failed


def test_numbers_are_times_too() -> None:
    ran = ran_of({"transaction": "job", "start_timestamp": 100.0, "timestamp": 102.5, "contexts": 7})
    assert ran is not None
    assert (ran.ms, ran.op) == (2500.0, "")


@pytest.mark.parametrize("ms", [0, 0.5, 1, 1.5, 2, 10, 250, 60_000, 3_600_000])
def test_a_time_is_within_its_class_and_beyond_the_one_before(ms: float) -> None:
    number = class_of(ms)
    assert ms <= upper_ms(number) * (1 + 1e-9)
    assert number == 0 or ms > upper_ms(number - 1)
    assert class_of(10**12) == CLASSES - 1


def test_quantiles_are_the_bounds_of_the_classes_they_fall_in() -> None:
    counts = {class_of(10): 90, class_of(1000): 10}
    assert quantile(counts, 0.5) == upper_ms(class_of(10))
    assert quantile(counts, 0.95) == upper_ms(class_of(1000))
    assert quantile({}, 0.5) is None


@pytest.mark.parametrize(
    ("header", "fields", "event_id"),
    [
        ({"event_id": "a" * 32}, {"event_id": "b" * 32}, "a" * 32),
        ({}, {"event_id": "b" * 32}, "b" * 32),
        ({}, {}, ""),
    ],
)
def test_its_report_has_the_id_by_which_a_replay_is_known(
    header: dict[str, str], fields: dict[str, str], event_id: str
) -> None:
    item = Item({"type": "transaction"}, json.dumps(BODY | fields).encode())
    (report,) = accept(Envelope(header, (item,)), now=NOW).reports
    assert (report.kind, report.event_id) == ("transaction", event_id)
