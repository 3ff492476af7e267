"""Placement, sentence by sentence."""

from dataclasses import replace
from typing import Any

from supervision.fleet.leases import Standing
from supervision.fleet.placement import compares, decide
from supervision.fleet.views import Assign, Change, NodeView, Row, RowState, TreeView, Wish
from tests.supervision.fleet.world import World

NOW = 1000.0
WISHES: tuple[dict[str, Any], ...] = ({}, {"singleton": True, "fence": True})


def node(name: str, **fields: object) -> NodeView:
    return replace(NodeView(name, name, lease_until=NOW + 5), **fields)  # type: ignore[arg-type]  # by name


def tree(name: str = "t", **wish: object) -> TreeView:
    return TreeView(name, Wish(**wish))  # type: ignore[arg-type]  # by name


def assigned(decision: object) -> dict[str, str]:
    return {step.tree: step.node for step in decision.steps if isinstance(step, Assign)}  # type: ignore[attr-defined]


class TestWish:
    def test_of_a_document_without_placement_is_one_node_whichever(self) -> None:
        assert Wish.from_document({}) == Wish({}, "one", 1, False, False)

    def test_a_singleton_is_fenced_unless_it_says_otherwise(self) -> None:
        assert Wish.from_document({"placement": {"singleton": True}}).fence
        assert not Wish.from_document({"placement": {"singleton": True, "fence": False}}).fence
        assert Wish.from_document({"placement": {"fence": True}}).fence

    def test_of_a_normal_form(self) -> None:
        document = {
            "placement": {"labels": {"zone": "a"}, "mode": "replicas", "replicas": 3, "singleton": False}
        }
        assert Wish.from_document(document) == Wish({"zone": "a"}, "replicas", 3)


class TestOne:
    def test_goes_to_a_node_with_its_labels(self) -> None:
        nodes = [node("a", labels={"zone": "a"}), node("b", labels={"zone": "b", "disk": "fast"})]
        assert assigned(decide(nodes, [tree(labels={"zone": "b"})], [], NOW)) == {"t": "b"}

    def test_goes_to_a_node_that_can_run_its_kinds(self) -> None:
        nodes = [node("a", kinds=frozenset({"process"})), node("b", kinds=frozenset({"process", "agent"}))]
        wanted = replace(tree(), kinds=frozenset({"agent"}))
        assert assigned(decide(nodes, [wanted], [], NOW)) == {"t": "b"}

    def test_many_are_spread_by_load(self) -> None:
        nodes = [node("a"), node("b"), node("c")]
        trees = [tree(f"t{number}") for number in range(9)]
        placed = list(assigned(decide(nodes, trees, [], NOW)).values())
        assert {name: placed.count(name) for name in "abc"} == {"a": 3, "b": 3, "c": 3}

    def test_a_heavy_tree_counts_by_its_children(self) -> None:
        nodes = [node("a"), node("b")]
        trees = [replace(tree("big"), weight=10), *(tree(f"t{number}") for number in range(5))]
        placed = assigned(decide(nodes, trees, [], NOW))
        assert all(placed[f"t{number}"] != placed["big"] for number in range(5))

    def test_stays_where_it_is_though_another_node_is_idle(self) -> None:
        rows = [Row(f"t{number}", "a", ready=True) for number in range(5)]
        trees = [tree(f"t{number}") for number in range(5)]
        assert decide([node("a"), node("b")], trees, rows, NOW).steps == ()

    def test_has_a_higher_epoch_each_time(self) -> None:
        [step] = decide([node("a")], [replace(tree(), epoch=7)], [], NOW).steps
        assert isinstance(step, Assign)
        assert step.epoch == 8

    def test_a_deleted_tree_is_removed_everywhere(self) -> None:
        rows = [Row("t", "a"), Row("t", "b", 1)]
        steps = decide([node("a"), node("b")], [replace(tree(), deleted=True)], rows, NOW).steps
        assert [(s.node, s.state) for s in steps if isinstance(s, Change)] == [
            ("a", RowState.REMOVING),
            ("b", RowState.REMOVING),
        ]


class TestALostNode:
    def lost(self, over_s: float) -> NodeView:
        down = Standing.DOWN if over_s >= 2 else Standing.SUSPECT
        return node("a", lease_until=NOW - over_s, standing=down)

    def test_keeps_everything_before_its_lease_is_over_for_two_seconds(self) -> None:
        for over_s in (-1.0, 0.0, 1.9):
            for wish in WISHES:
                assert not decide([self.lost(over_s), node("b")], [tree(**wish)], [Row("t", "a")], NOW).steps

    def test_loses_its_trees_then_and_the_new_place_carries_what_was_stopped_and_held(self) -> None:
        for wish in WISHES:
            steps = decide([self.lost(2.0), node("b")], [tree(**wish)], [Row("t", "a", epoch=4)], NOW).steps
            [new] = [step for step in steps if isinstance(step, Assign)]
            assert (new.node, new.epoch, new.carry_from, new.why) == ("b", 5, "a", "a is lost")
            assert Change("t", "a", RowState.REMOVING, "a is lost") in steps

    def test_is_not_taken_over_from_while_its_row_says_it_may_still_renew(self) -> None:
        """The row is what renewals are refused by: time alone is not enough."""
        late = node("a", lease_until=NOW - 60, standing=Standing.SUSPECT)
        assert not decide([late, node("b")], [tree()], [Row("t", "a")], NOW).steps

    def test_keeps_its_trees_when_no_other_node_can_have_them(self) -> None:
        decision = decide([self.lost(9), node("b")], [tree(labels={"x": "y"})], [Row("t", "a")], NOW)
        assert decision.steps == ()
        decision = decide([self.lost(9)], [tree()], [Row("t", "a")], NOW)
        assert decision.steps == ()
        assert decision.problems == {"t": "no node is up: a; it stays on a"}

    def test_that_was_forgotten_is_replaced_at_once(self) -> None:
        assert assigned(decide([node("b")], [tree(singleton=True)], [Row("t", "gone")], NOW)) == {"t": "b"}

    def test_keeps_its_place_of_a_tree_that_runs_on_every_node(self) -> None:
        rows = [Row("t", "a"), Row("t", "b", 1, ready=True)]
        assert decide([self.lost(9), node("b")], [tree(mode="every")], rows, NOW).steps == ()


class TestDrain:
    def test_adds_a_place_before_it_removes_the_old_one(self) -> None:
        world = World([node("a"), node("b")], [tree()])
        world.settle()
        [old] = world.places("t")
        world.drain(old)
        seen = []
        for _ in range(10):
            world.tick()
            seen.append(world.places("t"))
        assert all(seen)
        assert ["a", "b"] in seen
        assert world.places("t") == [{"a": "b", "b": "a"}[old]]

    def test_stops_a_singleton_first(self) -> None:
        world = World([node("a"), node("b")], [tree(singleton=True, fence=True)])
        world.settle()
        [old] = world.places("t")
        world.drain(old)
        for _ in range(10):
            world.tick()
            assert len(world.places("t")) <= 1
            assert len(world.active("t")) <= 1
        assert world.places("t") == [{"a": "b", "b": "a"}[old]]

    def test_of_the_only_node_leaves_the_tree_and_says_why(self) -> None:
        world = World([node("a")], [tree()])
        world.settle()
        world.drain("a")
        world.tick()
        assert world.last.problems == {"t": "every node is drained: a; it stays on a"}
        assert world.places("t") == ["a"]

    def test_called_off_in_the_middle_leaves_one(self) -> None:
        world = World([node("a"), node("b")], [tree()])
        world.settle()
        [old] = world.places("t")
        world.drain(old)
        world.tick()
        world.drain(old, on=False)
        world.settle()
        assert len(world.places("t")) == 1

    def test_ends_a_tree_of_every_node_there(self) -> None:
        world = World([node("a"), node("b")], [tree(mode="every")])
        world.settle()
        assert world.places("t") == ["a", "b"]
        world.drain("a")
        world.settle()
        assert world.places("t") == ["b"]
        world.drain("a", on=False)
        world.settle()
        assert world.places("t") == ["a", "b"]

    def test_keeps_the_number_of_replicas_ready(self) -> None:
        world = World([node(name) for name in "abcd"], [tree(mode="replicas", replicas=3)])
        world.settle()
        busy = world.places("t")
        world.drain(busy[0])
        world.drain(busy[1])
        for _ in range(15):
            world.tick()
            assert len(world.places("t")) >= 3
        assert len(world.places("t")) == 3


class TestReplicas:
    def test_are_on_different_nodes(self) -> None:
        decision = decide([node("a"), node("b")], [tree(mode="replicas", replicas=3)], [], NOW)
        assert sorted(s.node for s in decision.steps if isinstance(s, Assign)) == ["a", "b"]
        assert sorted(s.replica for s in decision.steps if isinstance(s, Assign)) == [0, 1]
        assert decision.problems == {
            "t": "2 of 3 have a place: every node has it already, or is still removing it"
        }

    def test_that_are_too_many_go_the_unready_first(self) -> None:
        rows = [Row("t", "a", 0, 1, ready=False), Row("t", "b", 1, 2, ready=True)]
        [step] = decide([node("a"), node("b")], [tree(mode="replicas", replicas=1)], rows, NOW).steps
        assert isinstance(step, Change)
        assert (step.node, step.state) == ("a", RowState.REMOVING)


class TestWords:
    def test_say_that_no_node_has_the_labels(self) -> None:
        decision = decide([node("a")], [tree(labels={"zone": "b", "disk": "fast"})], [], NOW)
        assert decision.problems == {"t": "no node has the labels disk=fast, zone=b"}

    def test_say_that_no_node_can_run_the_kinds(self) -> None:
        wanted = replace(tree(), kinds=frozenset({"agent"}))
        decision = decide([node("a", kinds=frozenset({"process"}))], [wanted], [], NOW)
        assert decision.problems == {"t": "no node can run agent"}

    def test_say_that_nobody_joined(self) -> None:
        assert decide([], [tree()], [], NOW).problems == {"t": "no node has joined"}
        assert decide([], [tree(mode="every")], [], NOW).problems == {"t": "no node has joined"}

    def test_say_what_a_singleton_waits_for(self) -> None:
        rows = [Row("t", "a", state=RowState.REMOVING)]
        decision = decide([node("a"), node("b")], [tree(singleton=True)], rows, NOW)
        assert decision.problems == {"t": "it is being stopped on a"}

    def test_say_why_a_tree_leaves_a_node(self) -> None:
        nodes = [node("a", labels={"zone": "x"}), node("b", labels={"zone": "b"})]
        steps = decide(nodes, [tree(labels={"zone": "b"})], [Row("t", "a", ready=True)], NOW).steps
        [draining] = [step for step in steps if isinstance(step, Change)]
        assert draining.why == (
            "a does not fit any more: its label zone is x, not b; it stays until its replacement is ready"
        )


class TestCompares:
    """Whether it has to be known which rows are ready."""

    def asked(self, *rows: Row, nodes: tuple[NodeView, ...] = (), **wish: Any) -> bool:
        given = nodes or (node("a"), node("b"))
        return compares({each.id: each for each in given}, tree(**wish), rows)

    def test_not_where_everything_is_in_its_place(self) -> None:
        assert not self.asked(Row("t", "a"))
        assert not self.asked(Row("t", "a"), Row("t", "b", 1), mode="replicas", replicas=2)
        assert not self.asked(Row("t", "a"), Row("t", "b", 1), mode="every")

    def test_where_one_is_too_many_or_has_to_go(self) -> None:
        assert self.asked(Row("t", "a"), Row("t", "b", 1))
        assert self.asked(Row("t", "a", state=RowState.DRAINING))
        assert self.asked(Row("t", "a"), nodes=(node("a", draining=True),))
        assert self.asked(Row("t", "a"), labels={"zone": "x"})
