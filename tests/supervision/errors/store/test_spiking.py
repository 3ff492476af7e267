"""A spike is seen to begin, to go on and to end, by what the intake counted; the alert and the page follow."""

import datetime as dt

import pytest

from supervision.alerts.models import Alert
from supervision.alerts.watching import _watch_spikes
from supervision.errors.store import selectors
from supervision.errors.store.digesting import digest
from supervision.errors.store.models import ErrorDiscard, ErrorProject
from supervision.errors.store.projects import change_project
from supervision.errors.store.spike_models import ErrorProjectHour, ErrorSpike
from supervision.errors.store.spiking import REASON, look_at_spikes, weigh
from tests.supervision.errors.store.error_rows import ACTOR, NOW, accepted, event

pytestmark = pytest.mark.django_db
MINUTE = dt.timedelta(minutes=1)


@pytest.fixture
def shop() -> ErrorProject:
    return ErrorProject.objects.create(slug="shop", name="Shop", tree="shop")


def refuse(project: ErrorProject, count: int, at: dt.datetime) -> None:
    """As the intake counts it."""
    row, _ = ErrorDiscard.objects.get_or_create(
        project=project, hour=at.replace(minute=0), category="error", reason=REASON, defaults={"count": 0}
    )
    ErrorDiscard.objects.filter(pk=row.pk).update(count=row.count + count)


def test_the_limit_follows_from_what_was_digested_and_is_said_anew_when_the_factor_changes(
    shop: ErrorProject,
) -> None:
    for number in range(3):
        accepted(shop, event(), number=number + 1, at=NOW)
    accepted(shop, event(), number=1, at=NOW)
    digest(now=NOW)
    assert ErrorProjectHour.objects.get().count == 3
    ErrorProjectHour.objects.bulk_create(
        ErrorProjectHour(project=shop, hour=NOW - hour * 60 * MINUTE, count=6000) for hour in range(1, 49)
    )
    assert weigh(now=NOW) == 1
    shop.refresh_from_db()
    assert shop.usual_per_minute == pytest.approx(100)
    assert shop.spike_limit == 500
    assert weigh(now=NOW + 9 * MINUTE) == 0
    change_project(project=shop, fields={"spike_factor": 0}, now=NOW, actor=ACTOR)
    assert weigh(now=NOW + 9 * MINUTE) == 1
    shop.refresh_from_db()
    assert shop.spike_limit is None


def test_a_spike_begins_goes_on_and_ends_by_itself(shop: ErrorProject) -> None:
    ErrorProject.objects.update(spike_limit=500, usual_per_minute=100)
    assert look_at_spikes(now=NOW) == 0
    refuse(shop, 40, NOW)
    assert look_at_spikes(now=NOW) == 1
    assert _watch_spikes(NOW) == 1
    refuse(shop, 2, NOW + MINUTE)
    assert look_at_spikes(now=NOW + MINUTE) == 0
    spike = selectors.spikes(trees=None).get()
    assert (spike.refused, spike.limit_per_minute) == (42, 500)
    assert look_at_spikes(now=NOW + 3 * MINUTE) == 0
    assert look_at_spikes(now=NOW + 3.1 * MINUTE) == 1
    assert not selectors.spikes(trees=None).exists()
    assert _watch_spikes(NOW + 4 * MINUTE) == 1
    alert = Alert.objects.get()
    assert (alert.kind, alert.tree, alert.state) == ("error_spike", "shop", "resolved")
    assert look_at_spikes(now=NOW + 5 * MINUTE) == 0


def test_the_next_spike_counts_only_its_own(shop: ErrorProject) -> None:
    refuse(shop, 40, NOW)
    look_at_spikes(now=NOW)
    look_at_spikes(now=NOW + 5 * MINUTE)
    refuse(shop, 3, NOW + 10 * MINUTE)
    assert look_at_spikes(now=NOW + 10 * MINUTE) == 1
    refuse(shop, 4, NOW + 70 * MINUTE)
    look_at_spikes(now=NOW + 70 * MINUTE)
    assert [spike.refused for spike in ErrorSpike.objects.order_by("pk")] == [40, 7]


def test_only_projects_that_may_be_seen_are_said_to_spike(shop: ErrorProject) -> None:
    refuse(shop, 1, NOW)
    look_at_spikes(now=NOW)
    assert selectors.spikes(trees=frozenset({"shop"})).count() == 1
    assert not selectors.spikes(trees=frozenset({"bank"})).exists()
