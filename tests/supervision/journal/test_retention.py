"""Partitions are made ahead and dropped whole; nothing younger goes with them."""

from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from django.db import OperationalError, connection

from supervision.fleet.models import Node
from supervision.journal import retention
from supervision.journal.models import Incarnation, JournalRecord, ObservedChild

pytestmark = pytest.mark.django_db
NOW = datetime(2046, 11, 28, 12, tzinfo=UTC)


def record(seq: int, received_at: datetime) -> None:
    JournalRecord.objects.create(
        node_id="n" * 32, stream_epoch=1, seq=seq, at=received_at, boot=1.0, kind="node", body={},
        received_at=received_at,
    )  # fmt: skip


def test_partitions_are_made_for_this_month_and_the_next_two_once() -> None:
    assert retention.make_partitions(now=NOW) == [
        "supervision_journalrecord_2046_11", "supervision_journalrecord_2046_12",
        "supervision_journalrecord_2047_01",
    ]  # fmt: skip
    assert retention.make_partitions(now=NOW) == []
    record(1, NOW)
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM supervision_journalrecord_2046_11")
        assert cursor.fetchone() == (1,)


def test_a_month_that_begins_in_the_default_partition_stays_there() -> None:
    record(1, NOW)
    assert "supervision_journalrecord_2046_11" not in retention.make_partitions(now=NOW)
    assert JournalRecord.objects.count() == 1


def test_old_partitions_go_and_young_ones_stay() -> None:
    for month in (1, 4, 5, 11):
        retention.make_partitions(now=datetime(2046, month, 3, tzinfo=UTC))
    record(1, datetime(2046, 1, 5, tzinfo=UTC))
    record(2, datetime(2046, 4, 30, tzinfo=UTC))
    record(3, datetime(2046, 5, 1, tzinfo=UTC))
    record(4, datetime(2045, 1, 1, tzinfo=UTC))  # in the default partition
    dropped = retention.drop_old(now=NOW)
    assert "supervision_journalrecord_2046_01" in dropped.partitions
    assert dropped.records == 1
    assert list(JournalRecord.objects.values_list("seq", flat=True)) == [3]


@pytest.mark.django_db(transaction=True)
def test_a_drop_gives_way_to_a_long_report() -> None:
    retention.make_partitions(now=datetime(2046, 1, 3, tzinfo=UTC))
    with psycopg.connect(**connection.get_connection_params()) as report:
        report.execute("SELECT count(*) FROM supervision_journalrecord")
        with pytest.raises(OperationalError, match="lock timeout"):
            retention.drop_old(now=NOW)
    assert "supervision_journalrecord_2046_01" in retention.drop_old(now=NOW).partitions


def test_lives_and_removed_members_that_ended_long_ago_go() -> None:
    node = Node.objects.create(id="n" * 32, name="web-1", joined_at=NOW)
    for number, ended_at in ((1, NOW - timedelta(days=200)), (2, NOW - timedelta(days=1)), (3, None)):
        Incarnation.objects.create(
            node=node, tree="shop", key="shop/web", number=number, ended_at=ended_at, seq=1
        )
    for key, removed, age in (("a", True, 3), ("b", True, 1), ("c", False, 300)):
        ObservedChild.objects.create(
            node=node, tree="shop", key=f"shop/{key}", child_id=key, state="stopped", removed=removed, seq=1,
            since=NOW - timedelta(days=age),
        )  # fmt: skip
    dropped = retention.drop_old(now=NOW)
    assert (dropped.lives, dropped.members) == (1, 1)
    assert set(Incarnation.objects.values_list("number", flat=True)) == {2, 3}
    assert set(ObservedChild.objects.values_list("child_id", flat=True)) == {"b", "c"}
