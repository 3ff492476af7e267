"""The journal's way into the store: whatever is lost or repeated on the way, each record arrives once and in order."""

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from controlplane.courier.session import Session
from controlplane.courier.shipping import Shipping
from controlplane.deadlines import Deadlines
from supervision.fleet.exceptions import StaleEpochError
from supervision.fleet.models import Node
from supervision.journal.models import JournalRecord, ObservedTree, StreamCursor
from supervision.journal.services import cursor_of
from supervision.runtime.clock import ManualClock
from supervision.runtime.journal import Journal
from supervision.runtime.journal_segments import list_segments, read_cursor
from supervision.runtime.paths import Paths
from tests.support.engine import child, tree

SNAPSHOT: dict[str, Any] = {
    "version": 1, "boot_id": "b", "guardian_pid": 1, "adopted_strays": {}, "strays": {}, "helpers": [],
    "interrupted": [], "stopped_cleanly": False, "node_id": "", "incarnations": {}, "removing": [],
    "returning": {}, "trees": {}, "processes": {}, "unconfirmed": {},
}  # fmt: skip

pytestmark = pytest.mark.django_db(transaction=True)


class Desk:
    """A journal on disk, and couriers that ship it one after the other."""

    def __init__(self, directory: Path) -> None:
        self.node = uuid.uuid4().hex
        Node.objects.create(id=self.node, name="one", joined_at=timezone.now(), epoch=1)
        self.paths = Paths(directory)
        self.said: list[str] = []
        self.deadlines = Deadlines()
        self.deadlines.start()
        self.journal = Journal.open(
            self.paths.journal_dir,
            clock=ManualClock(),
            segment_bytes=4000,
            reserve_bytes=65536,
            bound_bytes=9000,
        )

    def courier(self) -> Shipping:
        session = Session(self.paths, self.node, 1, self.said.append, self.deadlines)
        session.epoch = 1
        return Shipping(session)

    def write(self, count: int) -> None:
        for number in range(count):
            self.journal.append("node", {"what": "helper", "role": "x" * 40, "pid": number + 1})

    def turn_over(self) -> None:
        """A snapshot: the next segment begins, and what is over the bound goes."""
        self.journal.append_snapshot(SNAPSHOT)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.journal.close()


def ship(shipping: Shipping, wanted: int) -> None:
    for _ in range(200):
        shipping.step()
        if cursor_of(node_id=shipping.session.node_id, stream_epoch=1) >= wanted:
            return
    raise AssertionError(f"{wanted} was not reached")


def stored(desk: Desk) -> list[int]:
    """Numbers in the order in which they arrived; the table is emptied by nobody."""
    return list(JournalRecord.objects.filter(node_id=desk.node).order_by("id").values_list("seq", flat=True))


def test_couriers_that_follow_each_other_store_everything_once(desk: Desk) -> None:
    document = tree("t", child("a"))
    record = {
        "what": "applied",
        "tree": "t",
        "revision": 1,
        "digest": "d",
        "message": "",
        "document": document,
    }
    desk.journal.append("tree", {**record, "origin": "store", "epoch": 1})
    for _ in range(4):
        desk.write(10)
        ship(desk.courier(), desk.journal.next_seq - 1)
    assert stored(desk) == list(range(1, 42))
    assert ObservedTree.objects.get(name="t").revision == 1
    assert StreamCursor.objects.get(node_id=desk.node).seq == 41
    last = desk.courier()
    ship(last, 41)
    for _ in range(2):
        last.step()  # nothing more: the cursor is brought to disk
    assert read_cursor(str(desk.paths.journal_dir)) == 41
    assert stored(desk) == list(range(1, 42))


def test_what_is_shipped_may_go_from_the_disk(desk: Desk) -> None:
    shipping = desk.courier()
    for _ in range(6):
        desk.write(30)
        ship(shipping, desk.journal.next_seq - 1)
        desk.turn_over()
    shipping.step()
    assert len(list_segments(str(desk.paths.journal_dir))) < 6
    ship(desk.courier(), desk.journal.next_seq - 1)
    assert stored(desk) == list(range(1, desk.journal.next_seq))
    assert desk.said == []


def test_what_went_over_the_bound_is_counted_and_the_rest_arrives(desk: Desk) -> None:
    desk.write(5)
    ship(desk.courier(), 5)
    for _ in range(8):
        desk.write(30)
        desk.turn_over()
    first = list_segments(str(desk.paths.journal_dir))[0].first_seq
    assert first > 6
    ship(desk.courier(), desk.journal.next_seq - 1)
    numbers = stored(desk)
    assert numbers == [1, 2, 3, 4, 5, *range(first, desk.journal.next_seq)]
    assert any("are gone from the disk" in words for words in desk.said)
    assert JournalRecord.objects.filter(node_id=desk.node, kind="dropped").exists()


def test_a_store_that_was_set_back_gets_again_what_it_lost(desk: Desk) -> None:
    shipping = desk.courier()
    desk.write(20)
    ship(shipping, 20)
    StreamCursor.objects.update(seq=8)
    _forget_after(desk, 8)
    desk.write(5)
    ship(shipping, 25)
    assert stored(desk) == list(range(1, 26))
    assert any("wanted next" in words for words in desk.said)


def _forget_after(desk: Desk, seq: int) -> None:
    """As a restored backup would; rows of the journal are append-only otherwise."""
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        cursor.execute(
            "DELETE FROM supervision_journalrecord WHERE node_id = %s AND seq > %s", [desk.node, seq]
        )
        cursor.execute("SET session_replication_role = DEFAULT")


def test_nothing_is_written_while_the_epoch_is_over(desk: Desk) -> None:
    desk.write(3)
    Node.objects.update(epoch=2)
    with pytest.raises(StaleEpochError):
        ship(desk.courier(), 3)
    assert stored(desk) == []
