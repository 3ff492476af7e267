"""Snapshots and frames of a table: what a subscriber holds is what the table has, whatever was lost on the way."""

import json
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controlplane.dashboard.live.frames import (
    Subscription,
    SubscriptionError,
    View,
    follows,
    frame,
    may_see,
    snapshot,
    subscription,
)
from controlplane.dashboard.live.table import KEEP_S, Table
from controlplane.dashboard.live.topics import PROCS, TOPICS
from tests.controlplane.dashboard.live.browser import Copy

COLUMNS = ("key", "tree", "state", "restarts", "cpu")
NOW = 1_800_000_000.0


def make_table() -> Table:
    return Table("procs", COLUMNS, epoch="e1", urgent=("state",), tree_column="tree")


def row(number: int, state: str = "running", restarts: int = 0, cpu: float | None = None) -> list[Any]:
    return [f"{'ab'[number % 2]}/{number}", "ab"[number % 2], state, restarts, cpu]


def expected(table: Table, wanted: Subscription) -> dict[str, dict[str, Any]]:
    return {
        row_id: {name: one.values[table.at[name]] for name in wanted.cols}
        for row_id, one in table.rows.items()
        if may_see(wanted, one.tree)
        and (wanted.accepts is None or wanted.accepts(View(table.at, one.values), NOW))
    }


def wire(body: dict[str, Any]) -> Any:
    return json.loads(orjson.dumps(body))


FILTERS = [
    "",
    "state:failed",
    "-state:failed",
    "restarts:>2",
    "state:running cpu:>0.5",
    "a/",
    "tree:a restarts:<3",
]
STEPS = st.one_of(
    st.tuples(
        st.just("put"),
        st.integers(0, 7),
        st.sampled_from(["running", "failed", "backoff"]),
        st.integers(0, 4),
        st.sampled_from([None, 0.25, 0.75]),
    ),
    st.tuples(st.just("patch"), st.integers(0, 7), st.sampled_from([None, 0.25, 0.75])),
    st.tuples(st.just("drop"), st.integers(0, 7)),
    st.tuples(st.just("sample")),
    st.tuples(st.just("close"), st.sampled_from([0.0, 1.0, 20.0, 40.0])),
    st.tuples(st.just("deliver"), st.integers(0, 2)),
    st.tuples(st.just("lose"), st.integers(0, 2)),
    st.tuples(st.just("restart")),
)


class Reader:
    """A browser that is told, sometimes not, and asks again as it should."""

    def __init__(self, wanted: Subscription) -> None:
        self.wanted = wanted
        self.copy = Copy()
        self.held: int | None = None

    def deliver(self, table: Table) -> None:
        if not follows(table, epoch=self.copy.epoch, since=self.copy.seq):
            self.copy.reset(wire(snapshot(table, self.wanted, now=NOW)))
            return
        self.copy.apply(wire(frame(table, self.wanted, self.copy.seq or 0, now=NOW)))


@settings(max_examples=300, deadline=None)
@given(
    st.lists(STEPS, max_size=60),
    st.lists(st.sampled_from(FILTERS), min_size=3, max_size=3),
    st.lists(st.sampled_from([None, frozenset("a"), frozenset("ab"), frozenset()]), min_size=3, max_size=3),
    st.lists(
        st.permutations(COLUMNS).flatmap(lambda c: st.integers(1, 5).map(lambda n: tuple(c[:n]))),
        min_size=3,
        max_size=3,
    ),
)
def test_any_sequence_of_changes_losses_and_resyncs_ends_with_the_reader_equal_to_the_table(
    steps: list[Any], filters: list[str], visible: list[frozenset[str] | None], cols: list[tuple[str, ...]]
) -> None:
    table, now = make_table(), 100.0
    readers = [Reader(subscription("procs", COLUMNS, cols[at], filters[at], visible[at])) for at in range(3)]
    for step in steps:
        match step:
            case ("put", int(number), str(state), int(restarts), cpu):
                table.put(f"n:{number}", row(number, state, restarts, cpu))
            case ("patch", int(number), cpu):
                table.patch(f"n:{number}", {4: cpu})
            case ("drop", int(number)):
                table.drop(f"n:{number}", now=now)
            case ("sample",):
                table.sample("n", now)
            case ("close", float(passed)):
                now += passed
                table.close_batch(now=now)
            case ("deliver", int(which)):
                table.close_batch(now=now)
                readers[which].deliver(table)
            case ("lose", int(which)):
                table.close_batch(now=now)
                if follows(table, epoch=readers[which].copy.epoch, since=readers[which].copy.seq):
                    frame(table, readers[which].wanted, readers[which].copy.seq or 0, now=NOW)
            case ("restart",):
                rows = {row_id: list(one.values) for row_id, one in table.rows.items()}
                table = Table(
                    "procs", COLUMNS, epoch=f"{table.epoch}+", urgent=("state",), tree_column="tree"
                )
                table.replace(rows, now=now)
    table.close_batch(now=now)
    for reader in readers:
        reader.deliver(table)
        assert reader.copy.rows == expected(table, reader.wanted)
        assert reader.copy.seq == table.seq


def test_a_frame_names_only_the_cells_that_changed() -> None:
    table = make_table()
    table.put("n:1", row(1))
    table.put("n:2", row(2))
    table.close_batch(now=1)
    wanted = subscription("procs", COLUMNS, ("state", "cpu", "key"), "", None)
    table.patch("n:2", {4: 0.5})
    table.close_batch(now=2)
    assert frame(table, wanted, 1, now=NOW) == {
        "t": "procs", "e": "e1", "a": 1, "b": 2, "u": [["n:2", 0b010, 0.5]],
    }  # fmt: skip


def test_only_the_newest_value_is_sent_and_what_is_equal_is_no_change() -> None:
    table = make_table()
    table.put("n:1", row(1))
    table.close_batch(now=1)
    for cpu in (0.1, 0.2, 0.3):
        table.patch("n:1", {4: cpu})
        assert table.close_batch(now=1)
    assert not table.put("n:1", row(1, cpu=0.3))
    assert not table.close_batch(now=1)
    wanted = subscription("procs", COLUMNS, ("cpu",), "", None)
    assert frame(table, wanted, 1, now=NOW)["u"] == [["n:1", 1, 0.3]]


def test_a_row_that_comes_to_match_is_sent_whole_and_one_that_ceases_to_is_gone() -> None:
    table = make_table()
    table.put("n:1", row(1))
    table.put("n:2", row(2, "failed"))
    table.close_batch(now=1)
    wanted = subscription("procs", COLUMNS, ("key", "state"), "state:failed", None)
    table.put("n:1", row(1, "failed"))
    table.put("n:2", row(2))
    table.close_batch(now=2)
    sent = frame(table, wanted, 1, now=NOW)
    assert sent["u"] == [["n:1", 0b11, "b/1", "failed"]]
    assert sent["d"] == ["n:2"]


def test_trees_that_may_not_be_seen_are_not_even_named_as_gone() -> None:
    table = make_table()
    table.put("n:1", row(1))
    table.put("n:2", row(2))
    table.close_batch(now=1)
    wanted = subscription("procs", COLUMNS, None, "", frozenset("a"))
    assert snapshot(table, wanted, now=NOW)["ids"] == ["n:2"]
    table.drop("n:1", now=2)
    table.close_batch(now=2)
    assert "d" not in frame(table, wanted, 1, now=NOW)


def test_removals_are_forgotten_after_half_a_minute_and_an_older_reader_begins_again() -> None:
    table = make_table()
    table.put("n:1", row(1))
    table.close_batch(now=1)
    table.drop("n:1", now=2)
    table.close_batch(now=2)
    assert follows(table, epoch="e1", since=1)
    table.close_batch(now=2 + KEEP_S + 1)
    assert not follows(table, epoch="e1", since=1)
    assert follows(table, epoch="e1", since=2)
    assert not follows(table, epoch="e0", since=2)
    assert not follows(table, epoch="e1", since=3)


def test_state_is_urgent_and_a_sample_is_not() -> None:
    table = make_table()
    table.put("n:1", row(1))
    table.close_batch(now=1)
    table.patch("n:1", {4: 0.5})
    table.sample("n", 5.0)
    table.close_batch(now=1)
    assert table.urgent_seq == 1
    table.patch("n:1", {2: "failed"})
    table.close_batch(now=1)
    assert table.urgent_seq == table.seq == 3


@pytest.mark.parametrize(
    ("cols", "filter_text", "part", "at"),
    [
        (("key", "colour"), "", "cols", None),
        ((), "", "cols", None),
        (("key", "key"), "", "cols", None),
        (("key",), "state:blue", "filter", 6),
    ],
)
def test_what_cannot_be_subscribed_to_is_refused(
    cols: tuple[str, ...], filter_text: str, part: str, at: int | None
) -> None:
    with pytest.raises(SubscriptionError) as caught:
        subscription("procs", PROCS, cols, filter_text, None)
    assert (caught.value.part, caught.value.at) == (part, at)


def test_terms_about_ages_are_left_to_the_subscriber() -> None:
    assert subscription("procs", PROCS, None, "uptime:<5m state:failed", None).filter == "state:failed"


def test_a_mask_fits_the_browsers_integers() -> None:
    for topic in TOPICS.values():
        assert len(topic.columns) <= 32
        assert len(set(topic.columns)) == len(topic.columns)
        assert set(topic.urgent) <= set(topic.columns)


def test_cells_side_by_side_are_set_like_one_by_one() -> None:
    table = make_table()
    table.put("n:1", row(1))
    table.close_batch(now=1)
    table.patch_span("n:1", 3, (2, 0.5))
    table.patch_span("n:9", 3, (2, 0.5))
    assert table.close_batch(now=1)
    table.patch_span("n:1", 3, (2, 0.5))
    assert not table.close_batch(now=1)
    wanted = subscription("procs", COLUMNS, ("restarts", "cpu"), "", None)
    assert frame(table, wanted, 1, now=NOW)["u"] == [["n:1", 0b11, 2, 0.5]]
    assert PROCS[PROCS.index("cpu") :][:6] == ("cpu", "rss", "pss", "fds", "threads", "children")
