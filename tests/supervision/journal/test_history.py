"""The state of a moment follows from what is stored, to the field, also when retention took what it was folded from."""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from supervision.fleet.models import Node
from supervision.journal import history, retention, services
from supervision.journal.exceptions import NoHistoryError
from supervision.journal.facts import Record
from supervision.journal.models import JournalRecord, StreamBase
from supervision.journal.replica import Replica, differs
from supervision.runtime import snapshot
from supervision.runtime.recovery import from_snapshot
from tests.supervision.journal.told import eventful_life

Told = tuple[list[dict[str, Any]], dict[str, dict[str, Any]], str]
pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def told() -> Told:
    return eventful_life()


@pytest.fixture
def node(told: Told) -> Node:
    return Node.objects.create(id=told[2], name="web-1", joined_at=timezone.now())


@pytest.fixture
def stored(told: Told, node: Node) -> list[Record]:
    take(node, Replica(), told[0])
    return told[0]


def take(node: Node, replica: Replica, records: list[Record], **more: Any) -> None:
    services.ingest(node_id=node.id, stream_epoch=1, epoch=node.epoch, batch=replica.fold(records), **more)


def behind(node: Node, seq: int) -> history.Past:
    return history.state_behind(node_id=node.id, stream_epoch=1, seq=seq)


def rows_behind(records: list[Record], seq: int) -> dict[str, dict[str, Any]]:
    """What a reader of the journal itself has there."""
    replica = Replica()
    replica.skip([record for record in records if record["seq"] <= seq])
    return replica.everything().members


def same(one: dict[str, dict[str, Any]], other: dict[str, dict[str, Any]]) -> bool:
    return one.keys() == other.keys() and not any(differs(row, other[key]) for key, row in one.items())


def test_the_state_behind_each_record_is_what_its_journal_says(node: Node, stored: list[Record]) -> None:
    for record in stored[:: max(1, len(stored) // 25)]:
        past = behind(node, record["seq"])
        assert past.is_whole
        assert same(past.rows.members, rows_behind(stored, record["seq"])), record


def test_just_before_a_snapshot_it_is_what_the_node_wrote_there(node: Node, stored: list[Record]) -> None:
    snapshots = [record for record in stored if record["k"] == "snapshot" and record["seq"] > 2]
    assert snapshots
    for written in snapshots:
        # Not the one that the record itself holds: folded from the one before it.
        past = behind(node, written["seq"] - 1)
        folded = snapshot.of_recovered(past.state)
        assert folded["trees"].keys() == written["trees"].keys()
        for name, tree in written["trees"].items():
            mine = folded["trees"][name]
            assert mine["kernel"] == tree["kernel"], name
            assert {key: mine[key] for key in ("revision", "digest", "message", "document", "ended")} == {
                key: tree[key] for key in ("revision", "digest", "message", "document", "ended")
            }
            assert mine["since"] == pytest.approx(tree["since"], abs=0.01)
        assert {key: one["pid"] for key, one in folded["processes"].items()} == {
            key: one["pid"] for key, one in written["processes"].items()
        }


def test_a_state_survives_being_written_and_read(node: Node, stored: list[Record]) -> None:
    state = behind(node, stored[-1]["seq"]).state
    body = snapshot.of_recovered(state)
    assert snapshot.of_recovered(from_snapshot(body)) == body


def test_a_time_is_the_state_behind_the_last_record_before_it(node: Node, stored: list[Record]) -> None:
    middle = stored[len(stored) // 2]
    at = datetime.fromtimestamp(middle["t"], UTC)
    past = history.state_at(node_id=node.id, at=at)
    last = max(record["seq"] for record in stored if record["t"] <= at.timestamp())
    assert abs(past.seq - last) <= 1  # the database keeps microseconds
    assert history.state_at(node_id=node.id, at=timezone.now()).seq == stored[-1]["seq"]


def test_before_the_first_record_there_is_no_state(node: Node, stored: list[Record]) -> None:
    with pytest.raises(NoHistoryError):
        history.state_at(node_id=node.id, at=datetime.fromtimestamp(stored[0]["t"] - 10, UTC))
    with pytest.raises(NoHistoryError):
        behind(node, stored[-1]["seq"] + 1)
    with pytest.raises(NoHistoryError):
        history.state_at(node_id="another", at=timezone.now())


def test_what_was_lost_on_the_way_is_said_until_a_snapshot(told: Told, node: Node) -> None:
    records = told[0]
    snapshots = [at for at, record in enumerate(records) if record["k"] == "snapshot" and at > 12]
    cut = snapshots[0]
    replica = Replica()
    take(node, replica, records[:5])
    take(node, replica, records[6:], may_jump=True)
    assert behind(node, records[4]["seq"]).is_whole
    assert not behind(node, records[cut - 1]["seq"]).is_whole
    assert behind(node, records[cut]["seq"]).is_whole


def test_retention_leaves_a_state_from_which_the_rest_follows(told: Told, node: Node) -> None:
    records = told[0]
    cut = next(at for at, record in enumerate(records) if record["k"] == "snapshot" and at > 12) - 1
    retention.make_partitions(now=datetime(2026, 1, 3, tzinfo=UTC))
    take(node, Replica(), records)
    _received(records[: cut + 1], datetime(2026, 1, 20, tzinfo=UTC))
    edge = records[cut]["seq"]
    before = {seq: behind(node, seq).rows.members for seq in (edge + 1, records[-1]["seq"])}
    dropped = retention.drop_old(now=datetime(2026, 11, 28, tzinfo=UTC))
    assert "supervision_journalrecord_2026_01" in dropped.partitions
    assert JournalRecord.objects.order_by("seq").values_list("seq", flat=True)[0] == edge + 1
    assert StreamBase.objects.get().seq == edge
    with pytest.raises(NoHistoryError):
        behind(node, edge - 1)
    for seq, rows in before.items():
        past = behind(node, seq)
        assert past.is_whole
        assert same(past.rows.members, rows)
    assert retention.keep_bases(datetime(2026, 2, 1, tzinfo=UTC)) == 0


def test_the_state_of_a_stream_that_is_over_goes_with_its_last_record(node: Node) -> None:
    now = timezone.now()
    for stream_epoch in (1, 2):
        StreamBase.objects.create(
            node_id=node.id, stream_epoch=stream_epoch, seq=9, at=now, boot=1.0, body={}
        )
    Node.objects.filter(pk=node.pk).update(stream_epoch=2)
    retention.drop_old(now=now)
    assert StreamBase.objects.get().stream_epoch == 2


def _received(records: list[Record], at: datetime) -> None:
    """As if they had come in then: only for a test, past the trigger."""
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE supervision_journalrecord DISABLE TRIGGER append_only")
        cursor.execute(
            "UPDATE supervision_journalrecord SET received_at = %s WHERE seq = ANY(%s)",
            [at, [record["seq"] for record in records]],
        )
        cursor.execute("ALTER TABLE supervision_journalrecord ENABLE TRIGGER append_only")
