"""One connection against a hub, with a clock moved by hand."""

import itertools
import json
from typing import Any

import pytest

from controlplane.access.policy import Held, Principal, Role
from controlplane.dashboard.live.hub import MOST_CHILDREN, Hub
from controlplane.dashboard.live.session import Close, Session
from supervision.runtime.clock import ManualClock
from tests.controlplane.dashboard.live.browser import Copy
from tests.controlplane.dashboard.live.rows import member, node

ADMIN = Principal(1, "ada", (Held(Role.ADMIN),))
SHOP_ONLY = Principal(2, "grace", (Held(Role.VIEWER, "shop"),))


class World:
    """A hub with two trees, and a session on it."""

    def __init__(self, principal: Principal = ADMIN) -> None:
        self.clock = ManualClock(wall=1_800_000_000.0)
        self.hub = Hub(self.clock)
        with self.hub.batch() as now:
            self.hub.fleet.set_nodes([node("n1")], now=now)
            self.hub.fleet.set_members(
                [member("shop/web", pid=1), member("bank/ledger", tree="bank", pid=2)], now=now
            )
        self.session = Session(self.hub, principal, now=self.clock.boot())
        self.copy = Copy()
        self.closed: int | None = None
        self.heard: list[dict[str, Any]] = []
        self.take(self.session.open())

    def take(self, outputs: list[Any]) -> list[dict[str, Any]]:
        messages = []
        for output in outputs:
            if isinstance(output, Close):
                self.closed = output.code
                continue
            message = json.loads(output)
            messages.append(message)
            if message.get("t") == "procs":
                self.copy.take(message)
        self.heard += messages
        return messages

    def say(self, **message: Any) -> list[dict[str, Any]]:
        return self.take(self.session.receive(json.dumps(message), now=self.clock.boot()))

    def due(self, after: float = 0.0) -> list[dict[str, Any]]:
        """What is sent, beats apart, after that many seconds."""
        self.clock.jump(after)
        outputs, _when = self.session.due(now=self.clock.boot())
        return [message for message in self.take(outputs) if message.get("op") != "beat"]

    def change(self, **columns: Any) -> None:
        with self.hub.batch() as now:
            self.hub.fleet.set_members([member("shop/web", **{"pid": 1, **columns})], now=now)

    def subscribe(self, **more: Any) -> None:
        self.say(op="sub", topics={"procs": {"cols": ["key", "state", "restarts"], **more}})
        self.due()


def test_it_says_hello_and_sends_a_snapshot_first() -> None:
    world = World()
    assert world.heard[0]["op"] == "hello"
    world.subscribe()
    assert world.copy.rows["n1:shop/web"] == {"key": "shop/web", "state": "running", "restarts": 0}
    assert world.copy.epoch == world.heard[0]["epoch"]


def test_a_change_of_state_is_sent_within_50_ms_and_others_at_the_chosen_rate() -> None:
    world = World()
    world.subscribe()
    world.change(restarts=1)
    assert world.due(0.06) == []
    assert [m["u"] for m in world.due(0.2)] == [[["n1:shop/web", 0b100, 1]]]
    world.change(state="backoff", restarts=1)
    assert [m["u"] for m in world.due(0.05)] == [[["n1:shop/web", 0b010, "backoff"]]]


def test_changes_of_state_without_a_pause_are_gathered_longer_after_the_first_few() -> None:
    world = World()
    world.subscribe()
    world.due(1.0)
    sent_at = []
    for step in range(60):  # 1.2 s in which something changes every 20 ms
        world.change(state="backoff" if step % 2 else "running")
        if world.due(0.02):
            sent_at.append(step * 20)
            world.say(op="ack", t="procs", b=world.copy.seq)
    gaps = [after - before for before, after in itertools.pairwise(sent_at)]
    assert all(gap <= 60 for gap in gaps[:3]), "the first are sent as they come"
    assert all(100 < gap <= 160 for gap in gaps[4:]), gaps
    world.due(0.3)
    world.change(state="failed")
    assert len(world.due(0.05)) == 1, "after a pause they are again"


def test_a_hidden_page_is_told_every_five_seconds() -> None:
    world = World()
    world.subscribe()
    world.say(op="rate", hz=0.2)
    world.change(state="failed")
    assert world.due(4.9) == []
    assert len(world.due(0.2)) == 1


def test_nothing_is_sent_while_three_frames_are_not_acknowledged_and_then_one_frame_has_all() -> None:
    world = World()
    world.subscribe()
    for number in range(1, 7):
        world.change(restarts=number)
        world.due(0.3)
    assert world.copy.rows["n1:shop/web"]["restarts"] == 3
    world.say(op="ack", t="procs", b=world.copy.seq)
    assert len(world.due()) == 1
    assert world.copy.rows["n1:shop/web"]["restarts"] == 6


def test_a_browser_that_acknowledges_nothing_for_15_s_is_closed() -> None:
    world = World()
    world.subscribe()
    world.change(restarts=1)
    world.due(0.3)
    world.say(op="beat")
    world.due(14.9)
    assert world.closed is None
    world.due(0.2)
    assert world.closed == 4408


def test_a_silent_browser_is_closed_after_30_s() -> None:
    world = World()
    world.due(29)
    assert world.closed is None
    world.due(1.1)
    assert world.closed == 4408


def test_beats_say_how_old_it_all_is_and_unknown_is_not_zero() -> None:
    world = World()
    outputs, _when = world.session.due(now=world.clock.boot())
    beat = json.loads(str(outputs[-1]))
    assert beat["ages"] == {"rows": None, "samples": None}
    world.hub.ages.rows = world.clock.boot()
    world.clock.jump(7)
    outputs, _when = world.session.due(now=world.clock.boot())
    assert json.loads(str(outputs[-1]))["ages"] == {"rows": 7.0, "samples": None}


def test_a_reader_that_comes_back_goes_on_where_it_was() -> None:
    world = World()
    world.subscribe()
    world.change(state="failed")
    session = Session(world.hub, ADMIN, now=world.clock.boot())
    text = json.dumps(
        {
            "op": "sub",
            "topics": {
                "procs": {
                    "cols": ["key", "state", "restarts"],
                    "since": world.copy.seq,
                    "epoch": world.copy.epoch,
                }
            },
        }
    )
    assert session.receive(text, now=world.clock.boot()) == []
    outputs, _when = session.due(now=world.clock.boot())
    world.take(outputs)
    assert world.copy.rows["n1:shop/web"]["state"] == "failed"
    assert not any(m.get("op") == "snap" for m in world.heard[2:])


def test_a_reader_of_another_epoch_is_told_and_begins_again() -> None:
    world = World()
    assert world.say(op="sub", topics={"procs": {"since": 3, "epoch": "other"}}) == [
        {"op": "gone", "t": "procs"}
    ]
    assert [m["op"] for m in world.due()] == ["snap"]


def test_a_changed_filter_brings_a_new_snapshot() -> None:
    world = World()
    world.subscribe()
    world.subscribe(filter="tree:bank", since=world.copy.seq, epoch=world.copy.epoch)
    assert list(world.copy.rows) == ["n1:bank/ledger"]


def test_a_bad_filter_is_refused_with_its_position() -> None:
    [refused] = World().say(op="sub", topics={"procs": {"filter": "tree:shop state:blue"}})
    assert refused["op"] == "refused"
    assert refused["at"] == 16


@pytest.mark.parametrize(
    "text", ["", "[]", "nonsense", '{"op":"fly"}', '{"op":"sub"}', '{"op":"sub","topics":{"procs":1}}',
             '{"op":"rate","hz":100}', '{"op":"ack","t":"procs","b":"x"}', '{"op":"sparks","ids":[1]}',
             '{"op":"sub","topics":{"procs":{"since":-1.5}}}', "[" * 100_000],
)  # fmt: skip
def test_a_message_that_cannot_be_understood_is_refused_in_words(text: str) -> None:
    world = World()
    [refused] = world.take(world.session.receive(text, now=world.clock.boot()))
    assert refused["op"] == "refused"
    assert refused["why"]


def test_a_viewer_of_one_tree_sees_that_tree_and_no_nodes_and_no_audit() -> None:
    world = World(SHOP_ONLY)
    world.subscribe()
    assert list(world.copy.rows) == ["n1:shop/web"]
    topics: dict[str, dict[str, str]] = {
        "nodes": {},
        "audit": {},
        "child:bank/ledger": {},
        "child:shop/web": {},
        "summary": {},
        "other": {},
    }
    refused = world.say(op="sub", topics=topics)
    assert sorted(m["t"] for m in refused) == ["audit", "child:bank/ledger", "nodes", "other"]
    summary = next(m for m in world.due() if m["t"] == "summary")
    values = dict(zip(summary["ids"], summary["v"][0], strict=True))
    assert [one["tree"] for one in values["trees"]] == ["shop"]
    assert values["strays"] is None


def test_a_right_that_is_taken_away_takes_the_rows_with_it() -> None:
    world = World()
    world.subscribe()
    world.say(op="sub", topics={"nodes": {}})
    world.due()
    assert world.take(world.session.authorise(SHOP_ONLY))[0]["t"] == "nodes"
    world.due()
    assert list(world.copy.rows) == ["n1:shop/web"]
    world.take(world.session.authorise(None))
    assert world.closed == 4401


def test_sparks_are_of_what_may_be_seen_with_gaps_where_nothing_was_measured() -> None:
    world = World(SHOP_ONLY)
    at = world.clock.wall()
    for second in (50, 52):
        with world.hub.batch():
            world.hub.fleet.set_samples(
                "n1",
                at + second,
                {"shop/web": (0.5, second, None, 1, 1, 0), "bank/ledger": (1.0, 2, None, 1, 1, 0)},
            )
    world.clock.jump(53)
    [sparks] = world.say(op="sparks", ids=["n1:shop/web", "n1:bank/ledger", "n1:none"])
    assert list(sparks["rows"]) == ["n1:shop/web"]
    assert sparks["rows"]["n1:shop/web"]["rss"][-3:] == [50, None, 52]


def test_equal_subscriptions_are_encoded_once() -> None:
    world = World()
    world.subscribe()
    other = Session(world.hub, Principal(3, "lin", (Held(Role.VIEWER),)), now=world.clock.boot())
    other.receive(
        json.dumps({"op": "sub", "topics": {"procs": {"cols": ["key", "state", "restarts"]}}}),
        now=world.clock.boot(),
    )
    other.due(now=world.clock.boot())
    world.change(state="failed")
    world.clock.jump(1)
    one, two = (session.due(now=world.clock.boot())[0] for session in (world.session, other))
    first, second = (next(text for text in outputs if '"procs"' in str(text)) for outputs in (one, two))
    assert first is second


def test_tables_of_single_keys_are_bounded_and_one_that_nobody_uses_gives_way() -> None:
    world = World()
    for number in range(MOST_CHILDREN):
        world.hub.table(f"child:shop/c{number}", None)
    world.say(op="sub", topics={"child:shop/late": {}})
    [refused] = [one for one in world.heard if one.get("op") == "refused"]
    assert "try again" in refused["why"]
    world.clock.jump(5)
    world.hub.table("child:shop/c0", None)  # somebody looks at it
    world.clock.jump(6)
    world.say(op="sub", topics={"child:shop/late": {}})
    assert len(world.hub.children) == MOST_CHILDREN
    assert {"shop/late", "shop/c0"} <= set(world.hub.children)
    assert "shop/c1" not in world.hub.children


def test_a_table_of_ones_own_lives_as_long_as_somebody_looks_at_it_although_nothing_changes() -> None:
    world = World()
    world.say(op="sub", topics={"child:shop/web": {}, "summary": {}})
    for _minute in range(5):
        world.say(op="beat")
        world.due(25)
        with world.hub.batch():
            world.hub.write_summaries()
    assert list(world.hub.children) == ["shop/web"]
    world.session.streams.clear()
    world.clock.jump(61)
    with world.hub.batch():
        world.hub.write_summaries()
    assert not world.hub.children
    assert not world.hub.summaries
