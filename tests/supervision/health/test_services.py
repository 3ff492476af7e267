"""Checks as rows: what a node tells, and nothing of what does not run any more."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from supervision.fleet.exceptions import StaleEpochError
from supervision.fleet.models import Node
from supervision.health import selectors, services
from supervision.health.models import HealthCheck

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _node() -> None:
    Node.objects.create(id="n1", name="one", joined_at=AT, epoch=3)


def told(key: str, **more: Any) -> dict[str, Any]:
    return {
        "key": key, "incarnation": 1, "name": "http", "kind": "http", "state": "healthy", "since": AT.timestamp(),
        "checked_at": AT.timestamp(), "took_s": 0.1, "detail": "200", "failures": 0, "successes": 4, "interval_s": 10.0,
        "timeout_s": 5.0, "on_unhealthy": "none", **more,
    }  # fmt: skip


def test_rows_follow_what_is_told_and_go_with_their_child() -> None:
    both = [["shop/a", "http"], ["bank/b", "http"]]
    first = [told("shop/a"), told("bank/b", checked_at=None)]
    assert services.record(node_id="n1", epoch=3, checks=first, living=both) == 2
    assert services.record(node_id="n1", epoch=3, checks=first, living=None) == 0
    again = [told("shop/a", state="unhealthy", detail="a\0b")]
    assert services.record(node_id="n1", epoch=3, checks=again, living=None) == 1
    [row] = selectors.of_key("shop/a", node_id="n1")
    assert (row.state, row.detail, row.tree) == ("unhealthy", "ab", "shop")
    assert [one.key for one in selectors.checks(trees={"bank"})] == ["bank/b"]
    services.record(node_id="n1", epoch=3, checks=[], living=both[:1])
    assert [one.key for one in HealthCheck.objects.all()] == ["shop/a"]


def test_an_epoch_that_is_over_writes_nothing() -> None:
    with pytest.raises(StaleEpochError):
        services.record(node_id="n1", epoch=2, checks=[told("shop/a")], living=None)
    assert not HealthCheck.objects.exists()


def test_an_answer_is_stale_after_two_intervals() -> None:
    services.record(
        node_id="n1", epoch=3, checks=[told("shop/a"), told("shop/b", checked_at=None)], living=None
    )
    for row in HealthCheck.objects.all():
        assert not row.is_stale(AT + timedelta(seconds=20))
        assert row.is_stale(AT + timedelta(seconds=21))
