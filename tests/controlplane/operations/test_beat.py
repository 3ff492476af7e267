"""The clock of periodic jobs."""

import datetime as dt
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection
from django.db.models import F
from kombu.exceptions import OperationalError

from controlplane.celery import app
from controlplane.operations.beat import Beat, publish_due
from controlplane.operations.models import PeriodicJob
from controlplane.operations.schedule import JOBS, Job
from supervision.fleet.models import Leadership

EARLIER = dt.timedelta(days=2)


def make_due() -> None:
    """Every job's slot has come."""
    publish_due(lambda _: None)
    PeriodicJob.objects.update(next_at=F("next_at") - EARLIER)


def test_slots_lie_on_a_grid_whatever_the_time_of_asking() -> None:
    job = Job("x", 60, 5)
    assert [job.next_after(at) for at in (0, 4.9, 5, 64.9, 65)] == [5, 5, 65, 65, 125]


@pytest.mark.django_db
def test_a_new_job_begins_with_its_next_slot() -> None:
    assert publish_due(lambda _: None) == []
    assert PeriodicJob.objects.count() == len(JOBS)


@pytest.mark.django_db
def test_a_slot_is_published_once_and_missed_ones_are_not_made_up() -> None:
    make_due()
    published: list[str] = []
    publish_due(lambda job: published.append(job.name))
    publish_due(lambda job: published.append(job.name))
    assert published == [job.name for job in JOBS]


@pytest.mark.django_db
def test_a_broker_that_is_away_leaves_the_slot_due() -> None:
    make_due()

    def fail(job: Job) -> None:
        raise OperationalError("away")

    with pytest.raises(OperationalError):
        publish_due(fail)
    assert len(publish_due(lambda _: None)) == len(JOBS)


@pytest.mark.django_db(transaction=True)
def test_two_that_both_think_they_lead_publish_each_slot_once() -> None:
    make_due()
    published: list[str] = []

    def ask(_: int) -> None:
        try:
            publish_due(lambda job: published.append(job.name))
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(ask, range(8)))
    assert sorted(published) == sorted(job.name for job in JOBS)


@pytest.mark.django_db
def test_one_leads_the_other_waits_and_takes_over_when_the_lease_is_over() -> None:
    first, second = Beat("one", lambda _: None), Beat("two", lambda _: None)
    first.turn()
    second.turn()
    assert (first.term is not None, second.term) == (True, None)
    Leadership.objects.update(until=F("until") - EARLIER)
    second.turn()
    first.turn()
    assert (first.term, second.term is not None) == (None, True)


def test_every_job_has_a_task_and_every_task_a_job() -> None:
    app.loader.import_default_modules()
    tasks = {name for name in app.tasks if name.startswith("platform.")}
    assert tasks == {job.task for job in JOBS}
