"""Transactions by the hour: what comes together, how much is kept, and who sees it."""

import datetime as dt

import pytest

from supervision.errors.protocol.transactions import class_of, upper_ms
from supervision.errors.store import transactions as store
from supervision.errors.store.bodies import packed
from supervision.errors.store.digesting import digest
from supervision.errors.store.models import ErrorDiscard, ErrorEvent, ErrorIntake, ErrorProject
from supervision.errors.store.retention import drop_old
from supervision.errors.store.transaction_models import ErrorTransactionHour
from supervision.errors.store.transactions import OTHER, transactions
from tests.supervision.errors.store.error_rows import NOW, accepted, event

pytestmark = pytest.mark.django_db
numbers = iter(range(1, 1_000_000))


@pytest.fixture
def shop() -> ErrorProject:
    return ErrorProject.objects.create(slug="shop", name="Shop", tree="shop")


def ran(project: ErrorProject, name: str, *times: float, failed: bool = False, at: dt.datetime = NOW) -> None:
    for ms in times:
        body = {"name": name, "op": "job", "ms": ms, "failed": failed}
        accepted(project, body, number=next(numbers), kind="transaction", at=at)


def test_runs_of_an_hour_are_summed_by_their_times(shop: ErrorProject) -> None:
    ran(shop, "/orders", 10, 10, 10, 900)
    ran(shop, "/orders", 11, failed=True)
    digest(now=NOW)
    ran(shop, "/orders", 10)
    ran(shop, "nightly", 60_000)
    digest(now=NOW)
    longest, orders = transactions(trees=None, now=NOW)
    assert (longest.name, longest.count) == ("nightly", 1)
    assert (orders.count, orders.failed, orders.total_ms) == (6, 1, 951.0)
    assert orders.p50_ms == upper_ms(class_of(10))
    assert orders.p95_ms == upper_ms(class_of(900))
    assert ErrorTransactionHour.objects.filter(name="/orders").count() == 2
    assert transactions(trees=frozenset({"bank"}), now=NOW) == []
    assert [one.name for one in transactions(trees=None, now=NOW, project="shop", most=1)] == ["nightly"]
    assert transactions(trees=None, now=NOW + dt.timedelta(days=2)) == []
    drop_old(now=NOW + dt.timedelta(days=31))
    assert not ErrorTransactionHour.objects.exists()


def test_what_is_sent_twice_counts_once(shop: ErrorProject) -> None:
    body = {"name": "/orders", "op": "job", "ms": 10, "failed": False}
    for number in (1, 1, 2):
        accepted(shop, body, number=number, kind="transaction")
    accepted(shop, event(), number=2)
    digest(now=NOW)
    accepted(shop, body, number=2, kind="transaction")
    for _ in range(2):
        ErrorIntake.objects.create(project=shop, kind="transaction", body=packed(body), received_at=NOW)
    digest(now=NOW)
    [orders] = transactions(trees=None, now=NOW)
    assert orders.count == 4, "two by their ids, and two that have none"
    lost = ErrorDiscard.objects.get(category="transaction")
    assert (lost.reason, lost.count) == ("duplicate", 2)
    assert ErrorEvent.objects.count() == 1, "an error of the same id is something else"


def test_a_program_with_a_name_for_each_run_does_not_fill_the_disk(
    shop: ErrorProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "MOST_NAMES", 2)
    for number in range(5):
        ran(shop, f"/orders/{number}", 10)
    digest(now=NOW)
    ran(shop, "/orders/0", 10)
    ran(shop, "/orders/9", 10)
    digest(now=NOW)
    found = {one.name: one.count for one in transactions(trees=None, now=NOW)}
    assert found == {"/orders/0": 2, "/orders/1": 1, OTHER: 4}


def test_one_that_is_broken_holds_nothing_up(shop: ErrorProject) -> None:
    accepted(shop, {"name": "x"}, kind="transaction")
    accepted(shop, event(), number=2)
    digest(now=NOW)
    assert ErrorIntake.objects.get().failure.startswith("ValueError")
