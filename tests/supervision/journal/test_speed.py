"""What taking in costs: statements are counted, and a burst is through before anybody waits for it.

The figures themselves (2,000 records in 2 s, one in 20 ms) are measured by `make bench`; here a machine may be busy.
"""

import time
from typing import Any

import pytest
from django.utils import timezone

from bench.burst import Burst
from supervision.fleet.models import Node
from supervision.journal import services
from supervision.journal.facts import Record
from supervision.journal.models import Incarnation, JournalRecord, ObservedChild
from supervision.journal.replica import Replica

pytestmark = pytest.mark.django_db
CHILDREN = 1000
BATCH = 1000
"""Records a courier sends at a time."""
GENEROUS_S = 30.0


class Taking:
    """A node whose records are taken in as a courier does."""

    def __init__(self) -> None:
        self.node = Node.objects.create(id="n" * 32, name="web-1", joined_at=timezone.now())
        self.replica = Replica()

    def take(self, records: list[Record]) -> None:
        for start in range(0, len(records), BATCH):
            batch = self.replica.fold(records[start : start + BATCH])
            services.ingest(node_id=self.node.id, stream_epoch=1, epoch=1, batch=batch)


def test_a_burst_of_starts_is_stored_in_bulk() -> None:
    burst, taking = Burst(CHILDREN), Taking()
    began = time.monotonic()
    taking.take(burst.records)
    assert time.monotonic() - began < GENEROUS_S
    assert JournalRecord.objects.count() == len(burst.records) > 2 * CHILDREN
    assert ObservedChild.objects.filter(state="running", is_supervisor=False).count() == CHILDREN
    assert Incarnation.objects.exclude(ready_at=None).count() == CHILDREN


@pytest.mark.parametrize(("children", "most"), [(CHILDREN, 28), (2 * CHILDREN, 28)])
def test_statements_do_not_grow_with_the_children(
    children: int, most: int, django_assert_max_num_queries: Any
) -> None:
    """One statement for up to a thousand rows of a kind: records, members, lives."""
    burst, taking = Burst(children), Taking()
    first, rest = burst.records[:BATCH], burst.records[BATCH : 2 * BATCH]
    taking.take(first)
    with django_assert_max_num_queries(most):
        taking.take(rest)


def test_one_record_takes_few_statements(django_assert_max_num_queries: Any) -> None:
    """Savepoint and its release, cursor, node, record, members, lives, the end; and what rooms above look at, each inside a
    savepoint."""
    burst, taking = Burst(100), Taking()
    taking.take(burst.records)
    exited, started, ready = burst.crash("burst/c50")
    for record, most in ((exited, 18), (started, 15), (ready, 15)):
        with django_assert_max_num_queries(most):
            taking.take([record])


def test_a_record_that_changes_no_row_writes_none() -> None:
    burst, taking = Burst(100), Taking()
    taking.take(burst.records)
    before = len(burst.records)
    burst.crash("burst/c50")
    changes = taking.replica.fold(burst.records[before:]).changes
    assert changes.members.keys() <= {"burst", "burst/c50"}
    assert changes.trees == {}
