"""Sums of what was not stored."""

import datetime as dt
from typing import Any

import pytest

from supervision.errors.store import lost as module
from supervision.errors.store.lost import Lost, lost, lost_hours
from supervision.errors.store.models import ErrorDiscard, ErrorProject
from supervision.errors.store.projects import create_project
from tests.supervision.errors.store.error_rows import ACTOR

pytestmark = pytest.mark.django_db
HOUR = dt.datetime(2026, 11, 28, 12, 0, tzinfo=dt.UTC)
NOW = HOUR + dt.timedelta(minutes=59)


def _put(project: ErrorProject, hours_ago: int, reason: str, count: int, category: str = "error") -> None:
    hour = HOUR - dt.timedelta(hours=hours_ago)
    ErrorDiscard.objects.create(project=project, hour=hour, category=category, reason=reason, count=count)


@pytest.fixture
def project() -> ErrorProject:
    return create_project(slug="shop", tree="shop", actor=ACTOR)


def test_the_last_hours_are_summed_by_reason_in_one_query(
    project: ErrorProject, django_assert_num_queries: Any
) -> None:
    bank = create_project(slug="bank", tree="bank", actor=ACTOR)
    for hours_ago, count in ((0, 1), (23, 20), (24, 300)):
        _put(project, hours_ago, "quota", count)
    _put(project, 1, "client: queue_overflow", 50)
    _put(bank, 0, "duplicate", 4)
    with django_assert_num_queries(1):
        found = lost(trees=None, now=NOW)
    assert found == [
        Lost("bank", "error", "duplicate", 4),
        Lost("shop", "error", "client: queue_overflow", 50),
        Lost("shop", "error", "quota", 21),
    ]
    assert {each.project for each in lost(trees=frozenset({"bank"}), now=NOW)} == {"bank"}
    assert lost(trees=frozenset(), now=NOW) == []


def test_hours_of_a_project_newest_first_and_in_bounds(
    project: ErrorProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    for hours_ago in (0, 1, 2, 3):
        _put(project, hours_ago, "quota", hours_ago + 1)
    whole = lost_hours(project, now=NOW, hours=3)
    assert ([row.count for row in whole.items], whole.is_whole) == ([1, 2, 3], True)
    assert whole.since == HOUR - dt.timedelta(hours=2)
    monkeypatch.setattr(module, "MOST_ROWS", 2)
    cut = lost_hours(project, now=NOW, hours=3)
    assert ([row.count for row in cut.items], cut.is_whole) == ([1, 2], False)
