"""Which events go when a project has too many: of issues that have many, evenly, and nothing of rare ones."""

import datetime as dt
from itertools import pairwise

import pytest

from supervision.errors.store import thinning
from supervision.errors.store.digesting import digest
from supervision.errors.store.models import ErrorEvent, ErrorIssue, ErrorIssueStat, ErrorProject
from supervision.errors.store.retention import drop_old
from supervision.errors.store.thinning import LEAST, share_of, thin
from tests.supervision.errors.store.error_rows import NOW, accepted, event


@pytest.mark.parametrize(
    ("counts", "most", "expected"),
    [
        ([5, 5], 10, None),
        ([5, 6], 10, LEAST),
        ([10, 1000, 5], 115, 100),
        ([1000, 1000], 1000, 500),
        ([300, 1000, 1000], 1300, 500),
        ([], 0, None),
    ],
)
def test_each_issue_keeps_so_many_that_all_fit(counts: list[int], most: int, expected: int | None) -> None:
    assert share_of(counts, most) == expected


@pytest.fixture
def shop(db: None) -> ErrorProject:
    """An issue with 200 events, one with 10, and another project's with 50."""
    shop = ErrorProject.objects.create(slug="shop", name="Shop", most_events=100)
    bank = ErrorProject.objects.create(slug="bank", name="Bank")
    for project, function, numbers in (
        (shop, "load", range(1, 201)),
        (shop, "save", range(201, 211)),
        (bank, "pay", range(211, 261)),
    ):
        for number in numbers:
            accepted(project, event(function=function), number=number, at=NOW + dt.timedelta(seconds=number))
        digest(now=NOW + dt.timedelta(seconds=numbers[-1]))
    return shop


def kept(number: int) -> list[int]:
    issue = ErrorIssue.objects.get(project__slug="shop", number=number)
    return [
        int(one, 16)
        for one in ErrorEvent.objects.filter(issue_id=issue.pk)
        .order_by("id")
        .values_list("event_id", flat=True)
    ]


def test_a_flood_is_thinned_evenly_and_a_rare_issue_keeps_everything(shop: ErrorProject) -> None:
    assert thin(shop.pk, 100) == 120
    many = kept(1)
    assert len(many) == 80
    assert (many[0], many[-1]) == (1, 200)
    assert max(after - before for before, after in pairwise(many)) == 3
    assert kept(2) == list(range(201, 211))
    assert ErrorEvent.objects.exclude(project_id=shop.pk).count() == 50
    assert thin(shop.pk, 100) == 0
    assert ErrorIssueStat.objects.get(issue__project=shop, issue__number=1).count == 200


def test_what_is_kept_in_any_case_and_how_much_goes_at_once(shop: ErrorProject) -> None:
    assert thin(shop.pk, 1, at_once=30) == 30
    while thin(shop.pk, 1):
        pass
    many = kept(1)
    assert (len(many), many[0], many[-1]) == (LEAST, 1, 200)
    assert len(kept(2)) == 10


def test_retention_does_it_unless_the_project_keeps_everything(
    shop: ErrorProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(thinning, "KEPT_FREE", 0.0)
    ErrorProject.objects.filter(pk=shop.pk).update(most_events=0)
    drop_old(now=NOW)
    assert ErrorEvent.objects.filter(project_id=shop.pk).count() == 210
    ErrorProject.objects.filter(pk=shop.pk).update(most_events=100)
    drop_old(now=NOW)
    assert ErrorEvent.objects.filter(project_id=shop.pk).count() == 100
