"""Which processes an agent started itself and still has, out of its records."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from supervision.journal.models import JournalRecord
from supervision.journal.selectors import own_children

pytestmark = pytest.mark.django_db
NOW = timezone.now()


def record(seq: int, what: str, name: str, pid: int, *, incarnation: int = 1, key: str = "t/a") -> None:
    own: dict[str, Any] = {
        "key": key, "incarnation": incarnation, "name": name, "policy": "adopt", "pid": pid, "start_time": pid * 10,
    }  # fmt: skip
    JournalRecord.objects.create(
        node_id="n" * 32, stream_epoch=1, seq=seq, at=NOW + timedelta(seconds=seq), boot=1.0, kind="process",
        key=key, tree="t", body={"what": what, "own": own}, received_at=NOW,
    )  # fmt: skip


def test_what_started_and_has_not_ended_is_there_under_the_life_that_has_it(
    django_assert_num_queries: Any,
) -> None:
    record(1, "started", "encoder", 50)
    record(2, "started", "crawl", 51)
    record(3, "ended", "crawl", 51)
    record(4, "kept", "encoder", 50)
    record(5, "adopted", "encoder", 50, incarnation=2)
    record(6, "started", "other", 60, key="t/b")
    record(7, "started", "again", 51, incarnation=2)  # the number of one that ended
    with django_assert_num_queries(1):
        found = own_children("t/a")
    assert [(own["name"], own["pid"], own["incarnation"]) for own in found] == [
        ("again", 51, 2),
        ("encoder", 50, 2),
    ]
    assert found[1]["at"] == NOW + timedelta(seconds=1), "since it was started"
