"""Whatever happens to the nodes: what is promised of placement holds, and it comes to rest."""

import os
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from supervision.fleet.placement import compares, decide
from supervision.fleet.views import Assign, Change, NodeView, RowState, TreeView, Wish
from tests.supervision.fleet.world import World

NODES = ("a", "b", "c", "d")
MINUTES = float(os.environ.get("OVERSTORY_SOAK_MINUTES", "30"))

wishes = st.one_of(
    st.builds(Wish, labels=st.sampled_from([{}, {"zone": "x"}])),
    st.builds(
        Wish, labels=st.sampled_from([{}, {"zone": "x"}]), singleton=st.just(True), fence=st.just(True)
    ),
    st.builds(Wish, singleton=st.just(True)),
    st.builds(Wish, mode=st.just("every"), fence=st.booleans()),
    st.builds(Wish, mode=st.just("replicas"), replicas=st.integers(0, 4)),
)
events = st.tuples(
    st.sampled_from(["cut", "heal", "kill", "drain", "undrain", "wait", "wait", "wait"]),
    st.sampled_from(NODES),
    st.integers(1, 12),
)


def world_of(labels: list[bool], given_wishes: list[Wish]) -> World:
    nodes = [
        NodeView(name, name, {"zone": "x"} if marked else {})
        for name, marked in zip(NODES, labels, strict=True)
    ]
    return World(nodes, [TreeView(f"t{number}", wish) for number, wish in enumerate(given_wishes)])


def happen(world: World, what: str, name: str) -> None:
    match what:
        case "cut":
            world.cut(name)
        case "heal":
            world.heal(name)
        case "kill":
            world.kill(name)
        case "drain" | "undrain":
            world.drain(name, what == "drain")


def check(world: World) -> None:
    for tree in world.trees.values():
        if tree.wish.singleton:
            assert len(world.active(tree.name)) <= 1, "two placements of a singleton"
        if tree.wish.singleton and tree.wish.fence:
            assert len(world.places(tree.name)) <= 1, "a fenced singleton runs twice"
        epochs = [epoch for name, epoch in world.epochs if name == tree.name]
        assert epochs == sorted(set(epochs)), "an epoch did not grow"


def check_causes(world: World) -> None:
    """Every removal of a placement has a reason that is true."""
    for step in world.last.steps:
        if isinstance(step, Change) and step.state is RowState.REMOVING:
            assert step.why
    if all(host.connected and not host.view.draining for host in world.hosts.values()):
        kept = [row for row in world.rows.values() if row.state is RowState.ASSIGNED and row.ready]
        moved = {(s.tree, s.node) for s in world.last.steps if isinstance(s, Change)}
        extra = {name for name in world.trees if len(world.active(name)) >= world.trees[name].wish.replicas}
        assert all((row.tree, row.node) not in moved or row.tree in extra for row in kept)


def check_masked(world: World) -> None:
    """Where `compares` says that readiness decides nothing, it decides nothing."""
    nodes = {host.view.id: host.view for host in world.hosts.values()}
    rows = list(world.rows.values())
    told = {
        name
        for name, tree in world.trees.items()
        if compares(nodes, tree, [r for r in rows if r.tree == name])
    }
    masked = [row if row.tree in told else replace(row, ready=False) for row in rows]
    assert decide(nodes.values(), world.trees.values(), masked, world.now) == world.decide()


def play(labels: list[bool], given_wishes: list[Wish], script: list[tuple[str, str, int]]) -> None:
    world = world_of(labels, given_wishes)
    for what, name, ticks in script:
        happen(world, what, name)
        for _ in range(ticks):
            world.tick()
            check(world)
            check_causes(world)
            check_masked(world)
    for name in NODES:
        world.heal(name)
        world.drain(name, on=False)
    for _ in range(25):  # bounded: a few leases
        world.tick()
        check(world)
    assert_at_rest(world)
    assert world.decide().steps == ()


def assert_at_rest(world: World) -> None:
    """Everything runs where it is placed, as often as was asked, and nothing else runs anywhere."""
    for tree in world.trees.values():
        fitting = [
            name
            for name, host in world.hosts.items()
            if all(host.view.labels.get(key) == value for key, value in tree.wish.labels.items())
        ]
        want = {"every": len(fitting), "one": 1, "replicas": tree.wish.replicas}[tree.wish.mode]
        assert world.places(tree.name) == world.active(tree.name)
        assert len(world.places(tree.name)) == min(want, len(fitting))
        assert set(world.places(tree.name)) <= set(fitting)


scripts = st.lists(events, max_size=12)
labels = st.lists(st.booleans(), min_size=len(NODES), max_size=len(NODES))


def run(examples: int) -> None:
    quiet = [HealthCheck.too_slow, HealthCheck.data_too_large]
    decorated = settings(max_examples=examples, deadline=None, suppress_health_check=quiet)
    decorated(given(labels, st.lists(wishes, min_size=1, max_size=5), scripts)(play))()


def test_promises_hold_and_it_comes_to_rest() -> None:
    run(200)


@pytest.mark.soak
def test_promises_hold_and_it_comes_to_rest_for_long() -> None:
    run(int(500 * MINUTES))


@given(labels, st.lists(wishes, min_size=1, max_size=6))
@settings(max_examples=100, deadline=None)
def test_a_fleet_at_rest_stays_at_rest(marks: list[bool], given_wishes: list[Wish]) -> None:
    world = world_of(marks, given_wishes)
    for _ in range(6):
        world.tick()
    before = dict(world.rows)
    for _ in range(20):
        assert not world.tick().steps
    assert world.rows == before


@given(st.integers(1, 4), st.integers(1, 30))
@settings(max_examples=50, deadline=None)
def test_equal_trees_are_spread_evenly(nodes: int, trees: int) -> None:
    world = World([NodeView(name, name) for name in NODES[:nodes]], [TreeView(f"t{n}") for n in range(trees)])
    world.tick()
    counts = [sum(node == name for _tree, node in world.rows) for name in NODES[:nodes]]
    assert max(counts) - min(counts) <= 1


def test_a_new_node_takes_nothing_from_the_others() -> None:
    world = World([NodeView("a", "a")], [TreeView(f"t{n}") for n in range(5)])
    world.settle()
    other = World([NodeView("b", "b")], [])
    world.hosts["b"] = other.hosts["b"]
    world.trees["new"] = TreeView("new")
    decision = world.tick()
    assert [(step.tree, step.node) for step in decision.steps if isinstance(step, Assign)] == [("new", "b")]
    assert len(decision.steps) == 1
