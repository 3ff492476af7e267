"""The copy of a node's state is that node's state, however the records are cut into batches."""

import random
from typing import Any

import pytest

from supervision.journal.facts import Changes
from supervision.journal.replica import Replica
from tests.supervision.journal.told import eventful_life

Told = tuple[list[dict[str, Any]], dict[str, dict[str, Any]], str]


@pytest.fixture(scope="module")
def told() -> Told:
    return eventful_life()


def rows_of(records: list[dict[str, Any]], cuts: list[int]) -> dict[str, dict[str, Any]]:
    """What a reader has who takes in every batch's changes."""
    replica = Replica()
    rows: dict[str, dict[str, Any]] = {}
    for start, end in zip([0, *cuts], [*cuts, len(records)], strict=True):
        if start == end:
            continue
        changes: Changes = replica.fold(records[start:end]).changes
        for key in changes.gone:
            rows.pop(key, None)
        rows.update(changes.members)
    assert not replica.state.problems
    assert replica.is_synced
    return rows


SAME = ("state", "wanted", "incarnation", "restarts", "held", "waiting_for")


def test_the_copy_says_what_the_node_says(told: Told) -> None:
    records, views, _ = told
    rows = rows_of(records, [])
    assert rows.keys() == views.keys()
    for key, view in views.items():
        row = rows[key]
        assert {name: row[name] for name in SAME} == {name: view[name] for name in SAME}, key
        if not row["is_supervisor"]:
            assert (row["pid"], row["command"], row["dynamic"]) == (
                view["pid"],
                view["command"],
                view["dynamic"],
            )
        else:
            assert (row["strategy"], row["intensity"]) == (view["strategy"], view["intensity"])
        last = view["last_exit"] or {"reason": ""}
        assert row["last_exit_reason"] == last["reason"]


def test_one_record_at_a_time_tells_the_same(told: Told) -> None:
    records, _, _ = told
    whole = rows_of(records, [])
    single = rows_of(records, list(range(1, len(records))))
    assert single == whole


@pytest.mark.parametrize("seed", range(20))
def test_any_cut_tells_the_same(told: Told, seed: int) -> None:
    records, _, _ = told
    chosen = random.Random(seed)
    cuts = sorted(chosen.sample(range(len(records)), chosen.randint(1, 12)))
    assert rows_of(records, cuts) == rows_of(records, [])


def test_a_snapshot_heals_what_was_lost(told: Told) -> None:
    records, _, _ = told
    snapshots = [at for at, record in enumerate(records) if record["k"] == "snapshot"]
    assert snapshots
    replica = Replica()
    replica.fold(records[:3])
    replica.fold([{**records[3], "k": "damage", "first": records[3]["seq"], "last": records[3]["seq"]}])
    assert not replica.is_synced
    rest = replica.fold(records[snapshots[-1] :])
    assert replica.is_synced
    rows = rows_of(records, [])
    assert {key: rest.changes.members.get(key, rows[key]) for key in rows} == rows


def test_lives_are_told_with_their_ends_and_last_words(told: Told) -> None:
    records, _, _ = told
    lives = Replica().fold(records).changes.lives
    killed = lives["shop/front/web", 1]
    assert (killed.reason, killed.pid is not None, killed.ended_at is not None) == ("signal(9)", True, True)
    failed = lives["shop/bad", 1]
    assert failed.reason == "exit(3)"
    assert failed.stderr_tail
    assert "luck" in failed.stderr_tail[0]
