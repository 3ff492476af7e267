"""What the control socket shows of a tree."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from supervision.kernel.events import Begin, Call, HoldKey, StartChild, StopKey
from supervision.kernel.spec import SupervisorSpec
from supervision.runtime.kinship import Leader
from supervision.runtime.observed import STATES
from supervision.runtime.own_children import OwnChildren
from supervision.runtime.run import Run
from supervision.runtime.tree_view import tree_text
from supervision.runtime.treedoc import parse_tree
from tests.supervision.runtime.driver_stage import Stage
from tests.supervision.runtime.journaled_tree import JournaledTree

DOCUMENT: dict[str, Any] = {
    "version": 1,
    "tree": "t",
    "supervisor": {
        "intensity": 7,
        "children": [
            {"id": "a", "process": {"command": ["/bin/sleep", "60"], "readiness": {"notify": True}}},
            {
                "id": "b",
                "depends_on": ["a"],
                "backoff": {"initial": "5s"},
                "process": {"command": ["/bin/cat"]},
            },
            {
                "id": "pool",
                "supervisor": {
                    "strategy": "simple_one_for_one",
                    "children": [{"id": "job", "process": {"command": ["/bin/cat"]}}],
                },
            },
        ],
    },
}


class Shown:
    """A tree whose starts go through a real driver over processes in memory."""

    def __init__(self, directory: Path, spec: SupervisorSpec) -> None:
        self.stage = Stage(directory / "logs")
        self.tree = JournaledTree(str(directory / "journal"), spec)
        self.stage.clock = self.tree.clock
        self.driver = self.stage.driver
        self.driver.clock = self.tree.clock
        runner = self.tree.runner
        runner.driver = self.driver
        events = self.stage.events
        events.started = runner.started  # type: ignore[method-assign]
        events.start_failed = runner.start_failed  # type: ignore[method-assign]
        events.ready = runner.ready  # type: ignore[method-assign]
        events.exited = self.exited  # type: ignore[method-assign]

    def exited(self, run: Run, reason: str, leader: Leader | None) -> None:
        self.tree.runner.exited(run.key, run.incarnation, reason)

    def view(self) -> dict[str, Any]:
        own = OwnChildren(self.stage.loop, lambda what, child: None)
        shown: dict[str, Any] = json.loads(
            "".join(tree_text(self.tree.runner, self.driver, own, self.tree.clock))
        )
        return shown

    def child(self, child_id: str) -> dict[str, Any]:
        found: dict[str, Any] = next(one for one in self.view()["children"] if one["id"] == child_id)
        return found

    def ask(self, request: Any) -> None:
        self.tree.runner.feed(Call("r", request))

    def end(self, key: str, status: int) -> None:
        leader = self.driver.runs[key].leader
        assert leader is not None
        self.stage.table.end(leader, status)

    def close(self) -> None:
        self.tree.close()
        self.stage.loop.close()


@pytest.fixture
def shown(tmp_path: Path) -> Iterator[Shown]:
    made = Shown(tmp_path, parse_tree(DOCUMENT).spec)
    yield made
    made.close()


def test_a_tree_that_was_never_begun_shows_what_is_declared(shown: Shown) -> None:
    view = shown.view()
    assert (view["state"], view["since"], view["intensity"]) == ("stopped", None, 7)
    assert [(one["id"], one["state"], one.get("pid")) for one in view["children"]] == [
        ("a", "stopped", None), ("b", "stopped", None), ("pool", "stopped", None),
    ]  # fmt: skip


def test_supervisors_stand_around_what_is_below_them(tmp_path: Path) -> None:
    def process(name: str) -> dict[str, Any]:
        return {"id": name, "process": {"command": ["/bin/cat"]}}

    def supervisor(name: str, *children: dict[str, Any]) -> dict[str, Any]:
        return {"id": name, "supervisor": {"children": list(children)}}

    inner = supervisor("inner", process("b"), supervisor("none"), supervisor("deep", process("c")))
    children = [process("a"), inner, supervisor("also", process("d")), process("e")]
    spec = parse_tree({"version": 1, "tree": "t", "supervisor": {"children": children}}).spec
    made = Shown(tmp_path, spec)
    made.tree.runner.feed(Begin())

    def outline(item: dict[str, Any]) -> Any:
        below = item.get("children")
        return item["id"] if below is None else {item["id"]: [outline(one) for one in below]}

    assert outline(made.view()) == {
        "t": ["a", {"inner": ["b", {"none": []}, {"deep": ["c"]}]}, {"also": ["d"]}, "e"]
    }
    made.close()


def test_a_running_child_is_shown_with_its_process(shown: Shown) -> None:
    shown.tree.runner.feed(Begin())
    a = shown.child("a")
    assert (a["state"], a["stage"], a["ready"], a["incarnation"]) == ("starting", "main", False, 1)
    assert a["command"] == ["/bin/sleep", "60"]
    assert a["since"] == shown.tree.clock.wall()
    assert a["pid"] in shown.stage.table.leaders
    assert (a["kind"], a["restart"], a["wanted"], a["last_exit"]) == ("process", "permanent", "up", None)


def test_what_a_child_waits_for_is_named(shown: Shown) -> None:
    shown.tree.runner.feed(Begin())
    b = shown.child("b")
    assert (b["state"], b["waiting_for"], b["depends_on"], b["pid"]) == ("waiting", ["t/a"], ["a"], None)
    shown.driver.deadlines.mark_ready(shown.driver.runs["t/a"])
    assert (shown.child("a")["ready"], shown.child("b")["state"]) == (True, "running")


def test_times_are_unix_seconds_whatever_clock_decides(shown: Shown) -> None:
    shown.tree.runner.feed(Begin())
    shown.driver.deadlines.mark_ready(shown.driver.runs["t/a"])
    wall = shown.tree.clock.wall()
    shown.end("t/b", 256)
    b = shown.child("b")
    assert (b["state"], b["backoff_until"]) == ("backoff", wall + 5)
    assert b["last_exit"] == {"reason": "exit(1)", "at": wall, "incarnation": 1}
    shown.ask(HoldKey("t/b", shown.tree.clock.boot() + 60))
    assert (shown.child("b")["held"], shown.child("b")["held_until"]) == (True, wall + 60)
    shown.tree.clock.set_wall(wall + 3600)
    assert shown.child("b")["held_until"] == wall + 3660


def test_an_operators_stop_is_shown_as_what_is_wanted(shown: Shown) -> None:
    shown.tree.runner.feed(Begin())
    shown.ask(StopKey("t/pool"))
    assert (shown.child("pool")["state"], shown.child("pool")["wanted"]) == ("stopped", "down")


def test_dynamic_children_stand_below_their_supervisor(shown: Shown) -> None:
    shown.tree.runner.feed(Begin())
    shown.ask(StartChild("t/pool", instance="one"))
    (one,) = shown.child("pool")["children"]
    assert (one["key"], one["dynamic"], one["state"]) == ("t/pool/one", True, "running")
    assert shown.child("pool")["strategy"] == "simple_one_for_one"


def test_descendants_that_are_being_ended_are_named(shown: Shown) -> None:
    shown.tree.runner.feed(Begin())
    leader = shown.driver.runs["t/a"].leader
    assert leader is not None
    leader.victims |= {9, 7}
    assert shown.child("a")["descendants_ending"] == [7, 9]


def test_a_full_disk_is_said(shown: Shown, monkeypatch: pytest.MonkeyPatch) -> None:
    shown.tree.runner.feed(Begin())
    monkeypatch.setattr(type(shown.tree.journal), "room", 0)
    monkeypatch.setattr(type(shown.tree.journal), "refill", lambda *_, **__: 0)
    shown.end("t/a", 9)
    assert shown.child("b")["blocked"] == "journal full"


def test_every_state_has_a_word_that_clients_know(shown: Shown) -> None:
    shown.tree.runner.feed(Begin())
    states = {shown.view()["state"], *(one["state"] for one in shown.view()["children"])}
    assert states <= set(STATES)
