"""Stores that stop, die or forget, a courier that is killed: the host notices nothing, and everything arrives once."""

import contextlib
import os
import random
import signal
import time
from collections.abc import Iterator
from typing import Any

import pytest

from supervision.runtime.client import ControlError
from supervision.runtime.clock import SystemClock
from supervision.runtime.identity import read_stat
from supervision.runtime.paths import LEASE_FILE
from tests.controlplane.courier.joined import WAIT_S, Joined
from tests.support.engine import child, tree
from tests.support.own_stores import OwnStores, own_stores
from tests.support.waiting import wait_for

CLOCK = SystemClock()
SLOW = ["/bin/sleep", "3600"]


@pytest.fixture(scope="module")
def own() -> Iterator[OwnStores]:
    with own_stores() as stores:
        yield stores


class Host(Joined):
    """A node on stores of the test's own, asked without Django."""

    def __init__(self, own: OwnStores) -> None:
        super().__init__(own, "overstory")
        self.own = own

    def wait_joined(self) -> None:
        def is_there() -> bool:
            return bool(self.own.query("SELECT 1 FROM supervision_node WHERE id = %s", self.node_id()))

        wait_for(is_there, timeout=WAIT_S, every=0.2, what=f"joined; {self.log()[-3000:]}")

    def stored(self) -> list[int]:
        rows = self.own.query(
            "SELECT seq FROM supervision_journalrecord WHERE node_id = %s ORDER BY id", self.node_id()
        )
        return [row[0] for row in rows]

    def wait_everything(self) -> None:
        """All records up to now are stored, each once and in order."""
        wanted = self.seq()
        wait_for(
            lambda: (self.stored() or [0])[-1] >= wanted, timeout=WAIT_S, every=0.2,
            what=f"{wanted} records; {self.log()[-3000:]}",
        )  # fmt: skip
        stored = self.stored()
        assert stored == list(range(1, len(stored) + 1))

    def crash(self, key: str) -> float:
        """Kill the child; seconds until its next life runs."""
        view = self.wait_state(key, "running")
        began = CLOCK.boot()
        os.kill(view["pid"], signal.SIGKILL)
        wait_for(lambda: self.child(key)["incarnation"] > view["incarnation"], timeout=WAIT_S)
        return CLOCK.boot() - began


@pytest.fixture
def host(own: OwnStores) -> Iterator[Host]:
    made = Host(own)
    with made:
        made.wait_joined()
        yield made


@pytest.mark.parametrize("way", ["stopped", "killed"])
def test_postgres_away_is_noticed_by_nobody_on_the_host(own: OwnStores, host: Host, way: str) -> None:
    host.apply(tree("shop", child("a"), child("b"), intensity=1000))
    host.wait_everything()
    courier = host.courier_pid()
    if way == "stopped":
        own.signal("postgres", signal.SIGSTOP)
    else:
        own.kill("postgres")
    until = CLOCK.boot() + 8.0
    try:
        while CLOCK.boot() < until:
            assert host.crash("shop/a") < 5.0  # milliseconds, on a machine of one's own
        assert host.courier_pid() == courier, host.log()[-3000:]
    finally:
        if way == "stopped":
            own.signal("postgres", signal.SIGCONT)
        else:
            own.start_postgres()
    host.wait_everything()
    assert host.courier_pid() == courier, host.log()[-3000:]
    lives = own.query(
        "SELECT count(*) FROM supervision_incarnation WHERE node_id = %s AND key = 'shop/a'", host.node_id()
    )
    assert lives[0][0] == host.child("shop/a")["incarnation"]


def test_redis_killed_and_wiped_costs_telemetry_alone(own: OwnStores, host: Host) -> None:
    host.apply(tree("shop", child("a"), intensity=1000))
    own.kill("redis")
    host.crash("shop/a")
    host.wait_everything()
    for left in (own.directory / "redis").rglob("*.aof"):
        left.unlink()
    own.start_redis()
    with own.redis() as client:
        client.flushall()
        with client.pubsub(ignore_subscribe_messages=True) as heard:
            heard.psubscribe("overstory:*")

            def frame() -> bool:
                message: Any = heard.get_message(timeout=1.0)
                return message is not None and message["channel"].startswith(b"overstory:samples:")

            wait_for(frame, timeout=WAIT_S, what="samples are published again")
    host.wait_everything()


def test_courier_and_node_killed_again_and_again_leave_no_gap_and_nothing_twice(
    own: OwnStores, host: Host
) -> None:
    host.apply(tree("shop", child("a"), child("b"), child("c"), intensity=1000))
    host.wait_everything()
    seed = random.SystemRandom().randrange(1 << 30)
    choose = random.Random(seed)
    ids = []
    for number in range(8):
        ids.append(_order(own, host, "restart", "shop/c"))
        for _ in range(choose.randrange(1, 4)):
            with contextlib.suppress(ControlError, AssertionError):
                host.crash("shop/a")
        time.sleep(choose.random() * (0.5 if number % 2 else 3.0))  # the moment that is chosen
        if number % 3 == 2:
            host.kill_node()
        else:
            host.kill_courier()

    def ended() -> bool:
        rows = own.query("SELECT state FROM supervision_command WHERE id = ANY(%s)", ids)
        return all(row[0] == "done" for row in rows)

    wait_for(
        ended, timeout=WAIT_S, every=0.2, what=f"every command is done; seed {seed}; {host.log()[-3000:]}"
    )
    host.wait_everything()
    outcomes = [r["id"] for r in host.records("command") if r.get("what") == "ended"]
    assert len(outcomes) == len(set(outcomes)), seed
    assert host.child("shop/c")["incarnation"] == 1 + len(ids), seed


def _order(own: OwnStores, host: Host, verb: str, key: str) -> str:
    wait_for(
        lambda: own.query("SELECT 1 FROM supervision_observedchild WHERE key = %s AND NOT removed", key),
        timeout=WAIT_S, every=0.1,
    )  # fmt: skip
    rows = own.query(
        "INSERT INTO supervision_command (id, verb, tree, key, node_id, args, actor_kind, actor_id, actor_name, reason,"
        " state, created_at, deadline_at, claimed_by) VALUES (gen_random_uuid(), %s, %s, %s, %s, '{}', 'system', 't', 't',"
        " '', 'pending', now(), now() + interval '90 seconds', '') RETURNING id::text",
        verb, key.partition("/")[0], key, host.node_id(),
    )  # fmt: skip
    own.query("NOTIFY overstory_desired")
    return str(rows[0][0])


def test_a_singleton_is_down_before_its_lease_can_be_taken_over(own: OwnStores, host: Host) -> None:
    document = tree("one", child("a")) | {"placement": {"mode": "one", "singleton": True}}
    host.apply(document)
    other = tree("many", child("b"))
    host.apply(other)
    wait_for(
        lambda: [t for t in host.call("trees")["trees"] if t["name"] == "one" and t["fence"] and not t["fenced"]],
        timeout=WAIT_S, what=f"it runs under its lease; {host.log()[-3000:]}",
    )  # fmt: skip
    pid, stays = host.wait_state("one/a", "running")["pid"], host.wait_state("many/b", "running")["pid"]
    for _ in range(2):  # a courier that begins anew ends nothing
        before = host.courier_pid()
        host.kill_courier()
        wait_for(lambda old=before: host.courier_pid() not in (None, old), timeout=WAIT_S)  # type: ignore[misc]
        _wait_told_again(host)
        assert host.child("one/a")["pid"] == pid
    own.signal("postgres", signal.SIGSTOP)
    stopped = CLOCK.boot()
    try:

        def is_gone() -> bool:
            stat = read_stat(pid)
            return stat is None or stat.is_zombie

        wait_for(is_gone, timeout=WAIT_S, what=host.log()[-3000:])
        assert CLOCK.boot() - stopped < 6.0 + 2.0
        assert host.child("many/b")["pid"] == stays
    finally:
        own.signal("postgres", signal.SIGCONT)
    assert host.wait_state("one/a", "running", timeout=WAIT_S)["incarnation"] == 2
    host.wait_everything()


def _wait_told_again(host: Host) -> None:
    """A renewal is confirmed to the node after this call."""
    path = host.paths.runtime_dir / LEASE_FILE
    before = path.stat().st_mtime_ns
    wait_for(lambda: path.stat().st_mtime_ns != before, timeout=WAIT_S, what=host.log()[-2000:])


def test_two_nodes_run_what_is_placed_on_each(own: OwnStores, host: Host) -> None:
    second = Host(own)
    with second:
        second.wait_joined()
        host.apply(tree("left", child("a")))
        second.apply(tree("right", child("a")))
        host.wait_everything()
        second.wait_everything()
        own.query(
            "UPDATE supervision_placement p SET node_id = %s, epoch = p.epoch + 1 FROM supervision_tree t"
            " WHERE t.id = p.tree_id AND t.name = 'left' AND p.node_id = %s",
            second.node_id(), host.node_id(),
        )  # fmt: skip
        own.query("NOTIFY overstory_desired")
        second.wait_state("left/a", "running", timeout=WAIT_S)
        wait_for(lambda: host.call("trees")["trees"] == [], timeout=WAIT_S)
        assert {t["name"] for t in second.call("trees")["trees"]} == {"left", "right"}
        second.wait_everything()
