"""What a beat's messages say of the entry they came from."""

import datetime as dt
import json
from typing import Any

import pytest
from celery.schedules import BaseSchedule, crontab, schedule
from overstory.celery import names, schedules

from supervision.errors.monitors.schedule import next_due
from tests.support.celery_lab import celery_lab
from tests.support.waiting import wait_for


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (crontab(minute="15", hour="2"), {"type": "crontab", "value": "15 2 * * *"}),
        (
            crontab(minute="*/5", day_of_week="mon,fri"),
            {"type": "crontab", "value": "*/5 * * * mon,fri"},
        ),
        (schedule(dt.timedelta(hours=1)), {"type": "interval", "value": 60, "unit": "minute"}),
        (schedule(dt.timedelta(seconds=90)), None),
        (schedule(dt.timedelta(seconds=10)), None),
        (BaseSchedule(), None),
    ],
)
def test_a_schedule_is_told_in_words_that_the_control_plane_can_follow(given: Any, told: Any) -> None:
    found = schedules.of(given)
    assert found == told
    if found is not None:
        now = dt.datetime(2026, 11, 29, 12, 0, tzinfo=dt.UTC)
        assert next_due(found, "UTC", now) > now


def test_a_message_of_a_beat_names_its_entry() -> None:
    with celery_lab() as lab:
        lab.beat("x", EVERY_S="1")
        payload = wait_for(lambda: lab.redis.lindex("celery", 0), timeout=60, what="a message of the beat")
        headers = json.loads(payload)["headers"]
        assert names.of_beat(headers) == {"beat": {"entry": "tick", "schedule": None, "timezone": "UTC"}}
        assert headers["task"] == "shop.tick"
    assert names.of_beat({"task": "shop.tick"}) == {}
