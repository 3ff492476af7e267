"""Tags of an issue's events: all are counted, and no tag fills the table."""

from typing import Any

import pytest

from supervision.errors.store import joining, parting, tagging
from supervision.errors.store.digesting import digest
from supervision.errors.store.models import ErrorIssue, ErrorProject, ErrorTag
from supervision.errors.store.occasion_models import ErrorOccasion
from supervision.errors.store.tagging import OTHER, most_frequent
from tests.supervision.errors.store.error_rows import ACTOR, NOW, accepted, event

pytestmark = pytest.mark.django_db
numbers = iter(range(1, 1_000_000))


@pytest.fixture
def project() -> ErrorProject:
    return ErrorProject.objects.create(slug="shop", name="Shop", tree="shop")


def _came(project: ErrorProject, *values: str, function: str = "load", **more: Any) -> None:
    for value in values:
        accepted(project, event(function=function, tags={"order": value}, **more), number=next(numbers))
    digest(now=NOW)


def _orders(issue: ErrorIssue | None = None) -> dict[str, int]:
    rows = ErrorTag.objects.filter(key="order", **({"issue": issue} if issue else {}))
    return dict(rows.values_list("value", "count"))


def test_all_of_two_hundred_tags_are_counted(project: ErrorProject) -> None:
    tags = {f"tag{number}": "x" for number in range(200)}
    for number in (1, 2):
        accepted(project, event(tags=tags, environment="qa", release="1.0"), number=number)
    digest(now=NOW)
    assert ErrorTag.objects.filter(key__startswith="tag", count=2).count() == 200
    assert set(ErrorTag.objects.exclude(key__startswith="tag").values_list("key", "value", "count")) == {
        ("environment", "qa", 2),
        ("release", "1.0", 2),
        ("level", "error", 2),
    }


def test_beyond_the_bound_values_are_counted_together(
    project: ErrorProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tagging, "MOST_VALUES", 3)
    _came(project, "a", "b", "b")
    _came(project, "c", "c", "d", "e", "a")
    assert _orders() == {"a": 2, "b": 2, "c": 2, OTHER: 2}
    _came(project, "d", "d", "c", "f")
    assert _orders() == {"a": 2, "b": 2, "c": 3, OTHER: 5}
    assert ErrorTag.objects.get(key="level").count == 12, "of other tags nothing is lost"
    _came(project, "x", "y", function="store")
    assert _orders(ErrorIssue.objects.get(number=2)) == {"x": 1, "y": 1}, "each issue has its own"


def test_a_thousand_values_of_a_tag_are_counted_one_by_one(project: ErrorProject) -> None:
    for first in range(0, 1200, 300):
        _came(project, *(f"order-{number}" for number in range(first, first + 300)))
    orders = _orders()
    assert (len(orders), orders[OTHER]) == (tagging.MOST_VALUES + 1, 200)


def test_a_merge_and_a_part_hold_to_the_bound_and_lose_nothing(
    project: ErrorProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tagging, "MOST_VALUES", 3)
    _came(project, "a", "b")
    _came(project, "b", "c", "d", function="store")
    first, second = ErrorIssue.objects.select_related("project").order_by("number")
    hashes = list(second.hashes.values_list("hash", flat=True))
    joining.merge(into=first, others=[second], now=NOW, actor=ACTOR)
    merged = _orders()
    assert (merged["b"], merged[OTHER], sum(merged.values())) == (2, 1, 5)
    new = parting.part(issue=first, hashes=hashes, now=NOW, actor=ACTOR).issue
    assert _orders(new) == {"b": 1, "c": 1, "d": 1}
    assert _orders(first) == {"a": 1, "b": 1}


def test_a_new_environment_is_told_once_and_others_never(
    project: ErrorProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tagging, "MOST_VALUES", 2)
    for environment in ("qa", "production", "qa", "test", "stage"):
        _came(project, "a", environment=environment)
    assert list(ErrorOccasion.objects.values_list("environment", flat=True)) == ["qa", "production"]


def test_the_most_frequent_values_of_each_tag_are_shown_and_how_many_there_are(project: ErrorProject) -> None:
    _came(project, *(f"v{number}" for number in range(20)), "v7", "v7", "v9")
    found = most_frequent(ErrorIssue.objects.get(), values=2, most=10)
    assert [tag for tag in found if tag[0] == "order"] == [("order", "v7", 3, 20), ("order", "v9", 2, 20)]
