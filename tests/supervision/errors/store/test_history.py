"""The history of an issue: events, restarts and deploys by time, told of the issue's own tree alone."""

import datetime as dt
from typing import Any

import pytest

from supervision.errors.exceptions import TooManyToCountError
from supervision.errors.store.digesting import digest
from supervision.errors.store.history import SPANS, History, history
from supervision.errors.store.issues import find_issue
from supervision.errors.store.models import ErrorIssueStat, ErrorProject
from supervision.errors.store.projects import create_project
from supervision.fleet.models import Node
from supervision.journal.models import Incarnation
from supervision.trees.models import Tree, TreeRevision
from tests.supervision.errors.store.error_rows import ACTOR, accepted, event

pytestmark = pytest.mark.django_db
NOW = dt.datetime(2026, 11, 28, 12, 20, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)


@pytest.fixture
def project() -> ErrorProject:
    return create_project(slug="shop", tree="shop", actor=ACTOR)


def _seen(project: ErrorProject, *hours_ago: float, release: str = "", child: str = "shop/web") -> None:
    for number, ago in enumerate(hours_ago):
        at = NOW - ago * HOUR
        more: dict[str, Any] = {"release": release} if release else {}
        accepted(project, event(**more), number=int(at.timestamp()) * 100 + number, at=at, child=child)
        digest(now=at)


def _life(key: str, number: int, hours_ago: float) -> None:
    node, _ = Node.objects.get_or_create(pk="a" * 32, defaults={"name": "host", "joined_at": NOW})
    Incarnation.objects.create(
        node=node, tree=key.partition("/")[0], key=key, number=number, started_at=NOW - hours_ago * HOUR, seq=number
    )  # fmt: skip


def _revision(number: int, hours_ago: float) -> None:
    tree, _ = Tree.objects.get_or_create(name="shop", defaults={"created_at": NOW})
    TreeRevision.objects.create(
        tree=tree, number=number, document={}, resolved={}, digest=str(number), message="more workers", author="ada",
        created_at=NOW - hours_ago * HOUR,
    )  # fmt: skip


def _history(name: str = "day") -> History:
    return history(find_issue("SHOP-1"), SPANS[name], now=NOW)


def test_events_and_restarts_are_counted_in_their_parts(project: ErrorProject) -> None:
    _seen(project, 30, 5, 5, 0.1)
    for number, ago in ((1, 6.0), (2, 5.0), (3, 4.9), (4, 26.0)):
        _life("shop/web", number, ago)
    day = _history()
    assert day.since == dt.datetime(2026, 11, 27, 13, tzinfo=dt.UTC)
    assert (len(day.counts), sum(day.counts), day.counts[-1], day.counts[-6]) == (24, 3, 1, 2)
    assert {place: number for place, number in enumerate(day.restarts) if number} == {
        18: 2
    }  # a first life is none
    whole = _history("fortnight")
    assert whole.since == dt.datetime(2026, 11, 14, 18, tzinfo=dt.UTC)
    assert (len(whole.counts), sum(whole.counts), sum(whole.restarts)) == (56, 4, 3)
    assert (whole.counts[-1], whole.counts[-2], whole.counts[-6]) == (1, 2, 1)


def test_the_last_hour_is_counted_by_the_minute(project: ErrorProject) -> None:
    _seen(project, 1.2, 59 / 60, 0.5, 0.5, 0.0)
    _life("shop/web", 2, 0.5)
    hour = _history("hour")
    assert hour.since == dt.datetime(2026, 11, 28, 11, 21, tzinfo=dt.UTC)
    assert {place: number for place, number in enumerate(hour.counts) if number} == {0: 1, 29: 2, 59: 1}
    assert {place: number for place, number in enumerate(hour.restarts) if number} == {29: 1}


def test_what_is_not_all_stored_or_too_much_is_not_counted_by_the_minute(
    project: ErrorProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    _seen(project, 0.5)
    ErrorIssueStat.objects.update(not_kept=1)
    with pytest.raises(TooManyToCountError):
        _history("hour")
    ErrorIssueStat.objects.update(not_kept=0)
    monkeypatch.setattr("supervision.errors.store.history.MOST_COUNTED", 0)
    with pytest.raises(TooManyToCountError):
        _history("hour")
    assert sum(_history("day").counts) == 1


def test_a_deploy_says_how_often_the_issue_came_before_and_after(project: ErrorProject) -> None:
    _seen(project, *[10.0 + number for number in range(12)])
    _seen(project, 2, 2, 2, 1, release="shop@4")
    _revision(4, 4.0)
    _seen(project, 0.1, release="2.0")
    revision, release = _history().deploys
    assert (revision.kind, revision.name, revision.message, revision.author) == (
        "revision",
        "4",
        "more workers",
        "ada",
    )
    assert (revision.before, revision.after) == (12 / 24, 4 / 3)
    assert (release.kind, release.name, release.after) == ("release", "2.0", None)


def test_a_release_named_as_the_tree_is_told_unless_it_is_a_revision(project: ErrorProject) -> None:
    _seen(project, 2, release="shop@4")
    _seen(project, 1, release="shop@1.2.3")
    assert [(deploy.kind, deploy.name) for deploy in _history().deploys] == [("release", "shop@1.2.3")]


def test_restarts_of_another_tree_are_not_told(project: ErrorProject) -> None:
    _life("bank/till", 2, 1.0)
    _seen(project, 1, child="bank/till")
    assert sum(_history().restarts) == 0


def test_a_history_takes_four_queries_however_much_there_is(
    project: ErrorProject, django_assert_num_queries: Any
) -> None:
    _seen(project, *[float(number) for number in range(20)])
    for number in range(2, 40):
        _life("shop/web", number, number / 2)
        _revision(number, number / 2)
    issue = find_issue("SHOP-1")
    with django_assert_num_queries(4):
        found = history(issue, SPANS["day"], now=NOW)
    assert len(found.deploys) == 38
