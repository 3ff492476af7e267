"""What a page shows of a moment is what the node itself said, behind the record that the moment resolves to."""

import os
import random
from datetime import UTC, datetime
from typing import Any

import pytest
from django.utils import timezone

from controlplane.dashboard.moments import PastReading
from supervision.fleet.models import Node
from supervision.journal import services
from supervision.journal.fleetpast import fleet_at
from supervision.journal.replica import Replica
from supervision.runtime.observed import term_words
from tests.support.restless import Dump, restless_life

pytestmark = pytest.mark.django_db

SAME = ("state", "incarnation", "restarts", "wanted")


def check(moments: int) -> None:
    seed = random.randrange(1 << 32)
    records, dumps, node_id = restless_life(moments, seed=seed)
    node = Node.objects.create(id=node_id, name="web-1", joined_at=timezone.now())
    replica = Replica()
    for first in range(0, len(records), 500):
        batch = replica.fold(records[first : first + 500])
        services.ingest(node_id=node.id, stream_epoch=1, epoch=node.epoch, batch=batch)
    chance = random.Random(seed)
    seen = {"exited": 0, "applied": 0, "adopted": 0}
    for record in records:
        seen["exited"] += record["k"] == "step" and record["event"][0] == "exited"
        seen["applied"] += record["k"] == "tree" and record.get("what") == "applied"
        seen["adopted"] += record["k"] == "node" and record.get("what") == "started"
    assert all(number > 1 for number in seen.values()), (seed, seen)
    times = {record["seq"]: record["t"] for record in records}
    looked = 0
    for dump in dumps:
        begin, end = times.get(dump.seq), times.get(dump.seq + 1)
        if begin is None or (end is not None and end - begin < 1e-4):
            continue  # nobody can name a moment between the two: the clock and the database keep microseconds
        moment = begin + chance.uniform(1e-5, (end if end is not None else begin + 1) - begin - 1e-5)
        at = datetime.fromtimestamp(moment, UTC)
        [then] = fleet_at(at)
        assert then.position == f"record {dump.seq} of stream 1", (seed, moment)
        assert_same(dump, at, seed)
        looked += 1
    print(f"seed {seed}: {looked} moments over {len(records)} records, {seen}")
    assert looked >= moments * 0.9, "nearly every dump has a moment of its own"


def assert_same(dump: Dump, at: datetime, seed: int) -> None:
    rows: dict[str, dict[str, Any]] = {row["key"]: row for row in PastReading(at).hub.rows("tree", None)}
    assert rows.keys() == dump.members.keys(), (seed, dump.seq)
    for key, said in dump.members.items():
        row = rows[key]
        names: tuple[str, ...] = SAME if row["is_supervisor"] else (*SAME, "held")
        if said["state"] in (
            "running",
            "stopping",
        ):  # before, the node knows a pid that is in the next record
            names += () if row["is_supervisor"] else ("pid",)
        assert {name: row[name] for name in names} == {name: said.get(name) for name in names}, (
            seed,
            dump.seq,
            key,
        )
        last = said.get("last_exit")
        assert (row["exit"] or "") == (term_words(last["reason"]) if last else ""), (seed, dump.seq, key)


def test_fifty_moments_of_a_run_with_restarts_revisions_and_adoptions_are_as_the_node_said() -> None:
    check(50)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_a_thousand_moments_are_as_the_node_said() -> None:
    check(int(os.environ.get("OVERSTORY_MOMENTS", "1000")))
