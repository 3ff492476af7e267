"""Records are stored once each, and rows follow, however batches are cut, repeated or interrupted."""

import itertools
import os
import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from supervision.fleet.exceptions import StaleEpochError
from supervision.fleet.models import Node
from supervision.journal import handlers, selectors, services
from supervision.journal.exceptions import StreamGapError
from supervision.journal.facts import Batch
from supervision.journal.models import Incarnation, JournalRecord, ObservedChild, ObservedTree
from supervision.journal.replica import Replica
from tests.supervision.journal.told import eventful_life

Told = tuple[list[dict[str, Any]], dict[str, dict[str, Any]], str]
pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def told() -> Told:
    return eventful_life()


@pytest.fixture
def node(told: Told) -> Node:
    return Node.objects.create(id=told[2], name="web-1", joined_at=timezone.now())


def batches(records: list[dict[str, Any]], cuts: list[int]) -> list[Batch]:
    replica = Replica()
    edges = [0, *sorted(set(cuts) - {0}), len(records)]
    return [replica.fold(records[start:end]) for start, end in itertools.pairwise(edges) if start < end]


def take(node: Node, batch: Batch) -> int:
    return services.ingest(node_id=node.id, stream_epoch=1, epoch=node.epoch, batch=batch)


def stored() -> list[int]:
    return list(JournalRecord.objects.order_by("seq").values_list("seq", flat=True))


def observed() -> dict[str, tuple[Any, ...]]:
    names = ("state", "wanted", "incarnation", "pid", "restarts", "last_exit_reason", "held", "position")
    return {
        row["key"]: tuple(row[name] for name in names)
        for row in ObservedChild.objects.filter(removed=False).values("key", *names)
    }


def test_rows_say_what_the_node_says(told: Told, node: Node) -> None:
    records, views, _ = told
    (batch,) = batches(records, [])
    assert take(node, batch) == records[-1]["seq"]
    assert stored() == [record["seq"] for record in records]
    assert {key: row[0] for key, row in observed().items()} == {
        key: view["state"] for key, view in views.items()
    }
    assert set(ObservedTree.objects.values_list("name", "revision")) == {("shop", 2), ("pool", 1)}
    bad = Incarnation.objects.get(key="shop/bad")
    assert bad.reason == "exit(3)"
    assert "\ufffd" in bad.stderr_tail[0]
    node.refresh_from_db()
    assert node.journal_seq == records[-1]["seq"]


@pytest.mark.parametrize("seed", range(8))
def test_however_batches_are_cut_and_repeated(told: Told, node: Node, seed: int) -> None:
    records, _, _ = told
    chosen = random.Random(seed)
    cut = batches(records, chosen.sample(range(1, len(records)), chosen.randint(3, 10)))
    for index, batch in enumerate(cut):
        take(node, batch)
        if chosen.random() < 0.5:
            take(node, cut[chosen.randint(0, index)])
    assert stored() == [record["seq"] for record in records]
    again = observed()
    ObservedChild.objects.all().delete()
    services.write_everything(
        node_id=node.id, epoch=node.epoch, changes=_everything(records), seq=records[-1]["seq"]
    )
    assert observed() == again


def _everything(records: list[dict[str, Any]]) -> Any:
    replica = Replica()
    replica.skip(records)
    return replica.everything()


def test_a_gap_is_refused_and_nothing_of_it_stays(told: Told, node: Node) -> None:
    records, _, _ = told
    first, _, third = batches(records, [10, 20])
    take(node, first)
    with pytest.raises(StreamGapError) as error:
        take(node, third)
    assert error.value.expected == records[10]["seq"]
    assert len(stored()) == 10


def test_who_was_taken_for_lost_writes_nothing(told: Told, node: Node) -> None:
    records, _, _ = told
    (batch,) = batches(records, [])
    Node.objects.filter(pk=node.pk).update(epoch=2)
    with pytest.raises(StaleEpochError):
        take(node, batch)
    assert stored() == []


def test_a_removed_child_is_seen_to_go(told: Told, node: Node) -> None:
    records, _, _ = told
    for batch in batches(records, list(range(5, len(records), 5))):
        take(node, batch)
    gone = ObservedChild.objects.get(key="gone/x")
    assert gone.removed
    assert gone in selectors.changed_since(node.id, gone.seq - 1)


def test_a_handler_sees_each_record_once(told: Told, node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    monkeypatch.setattr(
        handlers,
        "_HANDLERS",
        {lambda taken: seen.extend(r["seq"] for r in taken.records): lambda record: True},
    )
    cut = batches(told[0], [7, 19])
    for batch in [*cut, *cut]:
        take(node, batch)
    assert seen == [record["seq"] for record in told[0]]


def test_one_odd_record_does_not_stop_the_line(node: Node) -> None:
    """A node journals also what it refuses, as it was asked; and a newer node may know kinds of its own."""
    head = {"v": 1, "t": 1_795_000_000.0, "b": 1.0}
    keys = ["a/" + "x" * 9000, "\U0001f333" * 3000, "\0\ud800/b", "t" * 200]
    records = [{**head, "seq": 1, "k": "node", "what": "started"}]
    records += [
        {
            **head,
            "seq": at,
            "k": "command",
            "op": "stop",
            "args": {"key": key},
            "error": {"code": "not_found"},
        }
        for at, key in enumerate(keys, 2)
    ]
    records.append({**head, "seq": 6, "k": "a_kind_of_a_later_version", "more": [1, 2]})
    records.append({**head, "seq": 7, "t": 1e18, "k": "command", "op": "stop", "args": {}})
    assert take(node, Replica().fold(records)) == 7
    assert stored() == [1, 2, 3, 4, 5, 6, 7]
    assert selectors.records(key="t" * 200).exists()


def test_a_handler_that_fails_holds_nothing_up(
    told: Told, node: Node, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(taken: handlers.Ingested) -> None:
        Node.objects.update(name="half done")
        raise KeyError("event")

    monkeypatch.setattr(handlers, "_HANDLERS", {fail: lambda record: True})
    (batch,) = batches(told[0], [])
    take(node, batch)
    assert len(stored()) == len(told[0])
    node.refresh_from_db()
    assert node.name == "web-1"
    assert "a handler of the journal failed" in caplog.text


def test_a_record_that_nobody_can_read_is_stored_and_changes_nothing(told: Told, node: Node) -> None:
    records = [*told[0]]
    strange = {**records[20], "k": "step", "event": ["from the future", {}], "actions": "?", "tree": "shop"}
    records[20] = strange
    (batch,) = batches(records, [])
    assert take(node, batch) == records[-1]["seq"]
    assert stored() == [record["seq"] for record in records]


def test_counts_take_two_queries(told: Told, node: Node, django_assert_num_queries: Any) -> None:
    (batch,) = batches(told[0], [])
    take(node, batch)
    with django_assert_num_queries(2):
        counts = selectors.count_children()
    assert counts.by_state["running"] == counts.by_tree["shop"]["running"] + counts.by_tree["pool"]["running"]


KILLED = """
import json, os, signal, sys
from pathlib import Path
import django
django.setup()
from django.db import connections
connections["default"].settings_dict.update(HOST=sys.argv[1], NAME=sys.argv[2])
from supervision.journal import handlers, services
from supervision.journal.replica import Replica
records = json.loads(Path(sys.argv[3]).read_text())
handlers.on_ingest(lambda taken: os.kill(os.getpid(), signal.SIGKILL))
services.ingest(node_id=sys.argv[4], stream_epoch=1, epoch=1, batch=Replica().fold(records))
"""


@pytest.mark.django_db(transaction=True)
def test_killed_in_the_middle_of_a_transaction_nothing_is_lost_or_doubled(
    told: Told, node: Node, tmp_path: Path
) -> None:
    import json

    records = told[0]
    (tmp_path / "records").write_text(json.dumps(records))
    settings = connection.settings_dict
    argv = [str(settings["HOST"]), str(settings["NAME"]), str(tmp_path / "records"), node.id]
    root = Path(__file__).resolve().parents[3]
    died = subprocess.run(
        [sys.executable, "-c", KILLED, *argv],
        cwd=root,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "controlplane.settings", "PYTHONPATH": str(root)},
        check=False,
    )
    assert died.returncode == -signal.SIGKILL
    assert stored() == []
    (batch,) = batches(records, [])
    take(node, batch)
    assert stored() == [record["seq"] for record in records]
