"""Nothing escapes: double forks, sessions of their own, scrubbed environments, chains and bombs, after any kill -9."""

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from supervision.runtime.cgroups import NodeCgroup
from supervision.runtime.node import OUTSIDE_SCAN_EVERY_S
from supervision.runtime.relatives import STRAY_GRACE_S
from tests.support.brood import Brood, Member
from tests.support.engine import Engine, alive, tree
from tests.support.waiting import elapsed, wait_for

GENTLE: dict[str, Any] = {"intensity": 1000, "period": 1}


@pytest.fixture
def brood(tmp_path: Path) -> Iterator[Brood]:
    made = Brood(tmp_path / "brood")
    yield made
    left = made.census()
    for member in left:
        os.kill(member.pid, signal.SIGKILL)
    assert not left, f"left behind: {left}"


@pytest.fixture
def engine(brood: Brood) -> Iterator[Engine]:
    """Stops before `brood` counts what is left."""
    with Engine() as running:
        yield running


def up(engine: Engine, key: str) -> int:
    """The pid of the child's main process once it runs."""
    return int(engine.wait_state(key, "running")["pid"])


def descendants(brood: Brood, name: str, count: int, *, of: int | None = None) -> list[Member]:
    """The descendants of `name`, once there are `count`."""

    def probe() -> list[Member] | None:
        found = [m for m in brood.named(name) if m.kind != "main" and of in (None, m.life)]
        return found if len(found) == count else None

    return wait_for(probe, timeout=30, what=f"{count} descendants of {name}")


def both_die(engine: Engine) -> None:
    """kill -9 of guardian and node within a millisecond."""
    node, guardian = engine.node_pid(), engine.guardian_pid()
    assert guardian is not None
    os.kill(guardian, signal.SIGKILL)
    os.kill(node, signal.SIGKILL)
    wait_for(lambda: not alive(guardian) and not alive(node), timeout=10)


# -- from a living child ------------------------------------------------------------------------------------------------


def test_a_scrubbed_double_fork_of_a_living_child_is_shown_as_a_stray_and_ended_after_its_grace(
    engine: Engine, brood: Brood
) -> None:
    engine.apply(tree("t", brood.child("a", "scrubbed"), **GENTLE))
    pid = up(engine, "t/a")
    (stray,) = descendants(brood, "a", 1)
    shown = wait_for(lambda: engine.call("strays")["strays"], timeout=10, what="the stray is shown")
    assert [one["pid"] for one in shown] == [stray.pid]
    assert shown[0]["command"][0] == "brood"
    assert engine.call("strays")["processes"] == 2
    wait_for(lambda: not alive(stray.pid), timeout=10 * STRAY_GRACE_S)
    wait_for(lambda: engine.call("strays") == {"strays": [], "processes": 1}, timeout=10)
    records = [r for r in engine.records("stray") if r["pid"] == stray.pid]
    assert [r["what"] for r in records] == ["found", "ended"]
    assert records[1]["b"] - records[0]["b"] >= STRAY_GRACE_S
    assert engine.child("t/a")["pid"] == pid


def test_an_adopted_stray_lives_until_its_child_is_stopped_also_across_a_death_of_the_node(
    engine: Engine, brood: Brood
) -> None:
    engine.apply(tree("t", brood.child("a", "scrubbed"), brood.child("b"), **GENTLE))
    up(engine, "t/a")
    (stray,) = descendants(brood, "a", 1)
    wait_for(lambda: engine.call("strays")["strays"], timeout=10)
    engine.call("adopt_stray", pid=stray.pid, key="t/b")
    assert engine.call("strays")["strays"] == []
    old = engine.kill_node()
    wait_for(lambda: engine.wait_answer()["pid"] != old, timeout=30)
    wait_for(elapsed(STRAY_GRACE_S + 2), timeout=60)
    assert alive(stray.pid)
    engine.call("stop", key="t/b")
    wait_for(lambda: not alive(stray.pid), timeout=30)


def test_an_operator_ends_a_stray_at_once(engine: Engine, brood: Brood) -> None:
    engine.apply(tree("t", brood.child("a", "scrubbed"), **GENTLE))
    up(engine, "t/a")
    (stray,) = descendants(brood, "a", 1)
    wait_for(lambda: engine.call("strays")["strays"], timeout=10)
    engine.call("end_stray", pid=stray.pid)
    wait_for(lambda: not alive(stray.pid), timeout=STRAY_GRACE_S - 1.5)


def test_descendants_that_stay_below_their_child_are_no_strays_whatever_they_did_to_themselves(
    engine: Engine, brood: Brood
) -> None:
    engine.apply(tree("t", brood.child("a", "session", "marked"), **GENTLE))
    up(engine, "t/a")
    members = descendants(brood, "a", 2)
    node = engine.kill_node()  # a new node looks at every process it can find
    wait_for(lambda: engine.wait_answer()["pid"] != node, timeout=30)
    wait_for(
        elapsed(STRAY_GRACE_S + OUTSIDE_SCAN_EVERY_S + 2), timeout=90
    )  # past the next look into the control group
    assert engine.call("strays")["strays"] == []
    assert engine.records("stray") == []
    assert all(alive(member.pid) for member in members)


# -- from a dying child -------------------------------------------------------------------------------------------------

KINDS = {
    "marked": ("marked", 1),
    "scrubbed": ("scrubbed", 1),
    "session": ("session", 1),
    "three generations": ("generations=3", 3),
    "a bomb of 200": ("bomb=200", 200),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_child_is_replaced_only_when_every_descendant_is_gone(
    engine: Engine, brood: Brood, kind: str
) -> None:
    behaviour, count = KINDS[kind]
    engine.apply(tree("t", brood.child("a", behaviour), brood.child("b"), **GENTLE))
    other = up(engine, "t/b")
    for incarnation in range(1, 4):
        view = engine.wait_incarnation("t/a", incarnation - 1)
        members = descendants(brood, "a", count, of=view["pid"])
        os.kill(view["pid"], signal.SIGKILL)
        engine.wait_incarnation("t/a", incarnation)
        assert [m for m in members if alive(m.pid)] == []
    brood.wait_lives("a", 4)
    assert engine.child("t/b")["pid"] == other


def test_a_child_adopted_from_a_dead_node_is_replaced_only_when_every_descendant_is_gone(
    engine: Engine, brood: Brood
) -> None:
    behaviours = ("marked", "scrubbed", "session", "generations=2")
    engine.apply(tree("t", brood.child("a", *behaviours), brood.child("b", *behaviours), **GENTLE))
    for incarnation in range(1, 4):
        before = {name: engine.wait_incarnation(f"t/{name}", incarnation - 1)["pid"] for name in "ab"}
        for name in "ab":
            descendants(brood, name, 5, of=before[name])
        old = engine.kill_node()
        if incarnation == 2:  # dead before a new node looks
            for pid in before.values():
                os.kill(pid, signal.SIGKILL)
        wait_for(lambda old=old: engine.wait_answer()["pid"] != old, timeout=30)  # type: ignore[misc]
        if incarnation != 2:
            for pid in before.values():
                os.kill(pid, signal.SIGKILL)
        for name in "ab":
            assert engine.wait_incarnation(f"t/{name}", incarnation)["last_exit"]["reason"] == "signal(9)"
    assert brood.violations() == []
    for name in "ab":
        brood.wait_lives(name, 4)


def test_stopping_a_child_ends_its_whole_tree(engine: Engine, brood: Brood) -> None:
    engine.apply(tree("t", brood.child("a", "marked", "scrubbed", "session", "generations=2"), **GENTLE))
    up(engine, "t/a")
    descendants(brood, "a", 5)
    engine.call("stop", key="t/a")
    wait_for(lambda: not brood.census(), timeout=30)


def test_strays_that_were_known_before_their_child_died_are_gone_before_its_replacement_starts(
    engine: Engine, brood: Brood
) -> None:
    engine.apply(tree("t", brood.child("a", "scrubbed"), **GENTLE))
    pid = up(engine, "t/a")
    (stray,) = descendants(brood, "a", 1)
    wait_for(lambda: engine.call("strays")["strays"], timeout=10)
    os.kill(pid, signal.SIGKILL)
    engine.wait_incarnation("t/a", 1)
    assert not alive(stray.pid)
    assert brood.violations() == []


# -- descendants: keep --------------------------------------------------------------------------------------------------


def keeper(brood: Brood, *behaviours: str) -> dict[str, object]:
    return brood.child("a", "unlocked", *behaviours, process={"descendants": "keep"})


@pytest.mark.parametrize("kind", ["marked", "scrubbed"])
def test_kept_descendants_stay_across_incarnations_and_end_when_the_child_is_stopped(
    engine: Engine, brood: Brood, kind: str
) -> None:
    engine.apply(tree("t", keeper(brood, kind, "late"), **GENTLE))
    kept: list[int] = []
    for incarnation in range(1, 4):
        view = engine.wait_incarnation("t/a", incarnation - 1)
        wait_for(lambda n=incarnation: len(brood.stamps("a")) == n, timeout=30)  # type: ignore[misc]
        os.kill(view["pid"], signal.SIGUSR1)
        kept += [m.pid for m in descendants(brood, "a", 1, of=view["pid"])]
        os.kill(view["pid"], signal.SIGKILL)
    engine.wait_incarnation("t/a", 3)
    if kind == "scrubbed":
        old = engine.node_pid()
    else:  # marks outlive the node's memory
        old = engine.kill_node()
        wait_for(lambda: engine.wait_answer()["pid"] != old, timeout=30)
    wait_for(elapsed(STRAY_GRACE_S + 2), timeout=60)
    assert [pid for pid in kept if not alive(pid)] == []
    assert engine.call("strays")["strays"] == []
    engine.call("stop", key="t/a")
    wait_for(lambda: not brood.census(), timeout=30)


def test_kept_descendants_of_a_child_that_is_down_end_when_it_is_stopped_or_removed(
    engine: Engine, brood: Brood
) -> None:
    def document(*names: str) -> dict[str, object]:
        backoff = {"initial": 3600, "cap": 3600}
        children = [
            brood.child(
                name, "unlocked", "marked", "exit=3", backoff=backoff, process={"descendants": "keep"}
            )
            for name in names
        ]
        return tree("t", *children, brood.child("other"), **GENTLE)

    engine.apply(document("a", "b"))
    for name in "ab":
        engine.wait_state(f"t/{name}", "backoff")
        descendants(brood, name, 1)
    engine.call("stop", key="t/a")
    wait_for(lambda: not brood.named("a"), timeout=30)
    assert brood.named("b")
    engine.apply(document("a"))
    wait_for(lambda: not brood.named("b"), timeout=30)


def test_kept_descendants_stay_when_a_sibling_makes_their_child_restart(engine: Engine, brood: Brood) -> None:
    engine.apply(tree("t", brood.child("b"), keeper(brood, "marked"), strategy="rest_for_one", **GENTLE))
    first = up(engine, "t/a")
    (kept,) = descendants(brood, "a", 1, of=first)
    os.kill(up(engine, "t/b"), signal.SIGKILL)
    engine.wait_incarnation("t/a", 1)
    assert alive(kept.pid)


# -- after guardian and node died together ------------------------------------------------------------------------------


def test_after_both_died_marked_descendants_of_children_that_died_too_are_ended_before_the_replacement(
    engine: Engine, brood: Brood
) -> None:
    engine.apply(tree("t", brood.child("a", "marked"), brood.child("b", "marked"), **GENTLE))
    before = {name: up(engine, f"t/{name}") for name in "ab"}
    for name in "ab":
        descendants(brood, name, 1)
    both_die(engine)
    os.kill(before["a"], signal.SIGKILL)
    wait_for(lambda: not Path(f"/proc/{before['a']}").exists(), timeout=10, what="init reaps")
    engine.start()
    view = engine.wait_incarnation("t/a", 1)
    assert view["last_exit"]["reason"] == "lost"
    assert brood.violations() == []
    wait_for(lambda: [m.life for m in brood.named("a", "marked")] == [view["pid"]], timeout=10)
    assert up(engine, "t/b") == before["b"]
    assert len(brood.named("b", "marked")) == 1


@pytest.mark.skipif(
    NodeCgroup.open("00000000") is None, reason="the stated limit: no writable cgroup v2 here"
)
@pytest.mark.parametrize("dead", [True, False], ids=["its child died too", "its child lives"])
def test_after_both_died_scrubbed_processes_are_found_by_their_control_group(
    engine: Engine, brood: Brood, dead: bool
) -> None:
    engine.apply(tree("t", brood.child("a", "late", "scrubbed"), brood.child("b"), **GENTLE))
    before = {name: up(engine, f"t/{name}") for name in "ab"}
    wait_for(lambda: brood.stamps("a"), timeout=10)
    both_die(engine)
    os.kill(before["a"], signal.SIGUSR1)  # it forks while nobody watches
    (stray,) = descendants(brood, "a", 1)
    if dead:
        os.kill(before["a"], signal.SIGKILL)
        wait_for(lambda: not Path(f"/proc/{before['a']}").exists(), timeout=10, what="init reaps")
    engine.start()
    if dead:
        assert engine.wait_incarnation("t/a", 1)["last_exit"]["reason"] == "lost"
        assert not alive(stray.pid)
        assert brood.violations() == []
    else:
        wait_for(lambda: not alive(stray.pid), timeout=10 * STRAY_GRACE_S)
        assert up(engine, "t/a") == before["a"]
    assert up(engine, "t/b") == before["b"]


def test_a_child_adopted_from_init_is_replaced_only_when_every_descendant_is_gone(
    engine: Engine, brood: Brood
) -> None:
    engine.apply(tree("t", brood.child("a", "marked", "session", "generations=2"), **GENTLE))
    first = up(engine, "t/a")
    descendants(brood, "a", 4)
    both_die(engine)
    engine.start()
    assert up(engine, "t/a") == first
    os.kill(first, signal.SIGKILL)
    assert engine.wait_incarnation("t/a", 1)["last_exit"]["reason"] == "signal(9)"
    assert brood.violations() == []


# -- at the end ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "before",
    [lambda _: None, Engine.kill_node, both_die],
    ids=["as it is", "after a node died", "after both died"],
)
def test_a_stopped_guardian_leaves_nothing(brood: Brood, before: Callable[[Engine], object]) -> None:
    with Engine() as engine:
        kinds = ("marked", "scrubbed", "session", "generations=3", "bomb=20")
        engine.apply(tree("t", brood.child("a", *kinds), brood.child("b", *kinds), **GENTLE))
        for name in "ab":
            descendants(brood, name, 26)
        before(engine)
        if before is both_die:
            engine.start()
    assert brood.census() == []
