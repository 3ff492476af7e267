"""Revisions: what is refused before anything is on record, and what is on record before anything is done."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from supervision.kernel import Kernel
from supervision.runtime.arguments import read_arguments
from supervision.runtime.control import ControlError, Request
from supervision.runtime.desired import DesiredStore
from supervision.runtime.journal_reader import read
from supervision.runtime.log import Log
from supervision.runtime.nodesettings import AllowList, NodeSettings
from supervision.runtime.operations import Operations
from supervision.runtime.tree_operations import count_processes
from supervision.runtime.tree_runner import TreeRunner
from supervision.runtime.treedoc import parse_tree
from tests.supervision.runtime.asking import ask, sent
from tests.supervision.runtime.journaled_tree import FakeDriver, JournaledTree
from tests.support.engine import child, tree

POOL = {"id": "pool", "supervisor": {"strategy": "simple_one_for_one", "children": [child("job")]}}


class Desk:
    """As much of a node as revisions need, with a driver in memory."""

    def __init__(self, directory: Path) -> None:
        self.base = JournaledTree(str(directory / "journal"), parse_tree(tree("unused")).spec)
        self.journal = self.base.journal
        self.directory = directory
        self.log_file = directory / "log"
        (directory / "desired").mkdir()
        self.closed: list[str] = []
        self.declared: list[tuple[str, int | None]] = []
        self.node: Any
        node: Any = SimpleNamespace(
            loop=self.base.loop, clock=self.base.clock, journal=self.journal, stopping=False,
            log=Log(str(self.log_file), "node"),
            identity=SimpleNamespace(node_id="0" * 32), desired=DesiredStore(directory / "desired"),
            settings=NodeSettings(AllowList(root_children=True), {}, 1 << 30, 5), why_no_memory=lambda: "",
            templates=SimpleNamespace(why_exec=lambda python, modules: ""),
            reporting=SimpleNamespace(mark=""),
            trees=SimpleNamespace(
                runners={}, revisions={}, retired={}, removing=set(), add=self.add_runner,
                applied=lambda runner: self.closed.append(runner.name),
                remove=lambda name, origin, uid: self.node.trees.removing.add(name), local_seq=0,
                returning=SimpleNamespace(requests={}),
            ),
            fencing=SimpleNamespace(must_wait=lambda name: False, is_down=lambda name: False, declare=self.declare),
        )  # fmt: skip
        self.node = node
        self.operations = Operations(node)

    def add_runner(self, name: str, kernel: Kernel) -> TreeRunner:
        driver = FakeDriver()
        runner = driver.runner = TreeRunner(
            name, kernel, loop=self.base.loop, clock=self.base.clock, journal=self.journal, driver=driver,
            on_reply=self.operations.reply, on_change=lambda: None, on_exit=lambda *_: None,
        )  # fmt: skip
        self.node.trees.runners[name] = runner
        return runner

    def declare(self, tree: str, epoch: int | None) -> None:
        self.declared.append((tree, epoch))

    def request(self, op: str, **args: Any) -> Request:
        request = ask(op, **args)
        request.args = read_arguments(op, request.args)
        return request

    def apply(self, document: Any, **args: Any) -> dict[str, Any]:
        """The result; ControlError."""
        request = self.request("apply", spec=document, **args)
        self.operations.trees.apply(request)
        result: dict[str, Any] = sent(request)[0]["result"]
        return result

    def records(self) -> list[str]:
        return [
            f"{r['k']} {r.get('what', r.get('event', [''])[0])}" for r in read(self.directory / "journal")
        ]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.base.close()


def test_a_new_tree_is_on_record_and_on_disk_before_it_begins(desk: Desk) -> None:
    result = desk.apply(tree("t", child("a"), child("b")), message="why")
    assert (result["revision"], result["from_revision"]) == (1, None)
    assert [step["do"] for step in result["steps"]] == ["start"] * 3
    assert desk.records()[:2] == ["tree applied", "step begin"]
    desired = desk.node.desired.read("t")
    assert (desired.revision, desired.message, desired.digest) == (1, "why", result["digest"])


def test_the_next_revision_is_numbered_and_its_sockets_are_looked_over(desk: Desk) -> None:
    desk.apply(tree("t", child("a")))
    result = desk.apply(tree("t", child("a"), child("b")))
    assert (result["revision"], result["from_revision"], desk.closed) == (2, 1, ["t"])


def test_a_revision_planned_on_another_one_is_refused(desk: Desk) -> None:
    with pytest.raises(ControlError, match="t is at revision None, not at 1: plan again"):
        desk.apply(tree("t", child("a")), from_revision=1)
    desk.apply(tree("t", child("a")), from_revision=None)
    with pytest.raises(ControlError) as refused:
        desk.apply(tree("t", child("b")), from_revision=None)
    assert (refused.value.code, refused.value.pointer) == ("conflict", "/args/from_revision")
    desk.apply(tree("t", child("b")), from_revision=1)


@pytest.mark.parametrize(
    ("document", "pointer"),
    [
        (None, "/args/spec"),
        ("tree: t", "/args/spec"),
        (tree("t", child("a"), child("a")), "/args/spec/supervisor/children/1/id"),
        (tree("t", child("a", depends_on=["nobody"])), "/args/spec/supervisor/children/0/depends_on/0"),
        (tree("t", child("a", ["/no/such/program"])), "/args/spec/supervisor/children/0/process/command"),
    ],
)
def test_a_faulty_document_is_refused_where_it_is_wrong_and_leaves_no_trace(
    desk: Desk, document: Any, pointer: str
) -> None:
    with pytest.raises(ControlError) as refused:
        desk.apply(document)
    assert refused.value.pointer is not None
    assert refused.value.pointer.startswith(pointer)
    assert (desk.records(), desk.node.trees.runners, desk.node.trees.revisions) == ([], {}, {})


def test_more_children_than_the_host_takes_are_refused_and_instances_count_when_they_come(desk: Desk) -> None:
    desk.apply(tree("t", child("a", instances=3), POOL))
    with pytest.raises(
        ControlError, match=r"6 children are more than the 5 this node takes \(limits.children"
    ):
        desk.apply(tree("u", child("a", instances=3)))
    desk.apply(tree("t", child("a", instances=5), POOL))
    with pytest.raises(ControlError, match="6 children"):
        desk.operations.trees.refuse_too_many(1)


def test_children_are_counted_at_every_depth() -> None:
    inner = {"id": "sub", "supervisor": {"children": [child("x"), child("y", instances=2)]}}
    assert count_processes(parse_tree(tree("t", child("a"), inner, POOL)).spec) == 4


def test_a_copy_that_cannot_be_written_is_said_and_holds_nothing_up(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(desk.node.desired, "write", full)
    assert desk.apply(tree("t", child("a")))["revision"] == 1
    assert "desired tree not written" in desk.log_file.read_text()


def test_a_revision_that_cannot_be_recorded_is_not_applied(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(desk.journal, "_write", full)
    with pytest.raises(ControlError, match="journal full") as refused:
        desk.apply(tree("t", child("a")))
    assert refused.value.code == "unavailable"
    assert (desk.node.trees.runners, desk.node.trees.revisions) == ({}, {})


def test_one_child_is_read_by_the_rules_of_its_tree_and_with_its_environment(desk: Desk) -> None:
    desk.apply({**tree("t", child("a")), "environment": {"WIDE": "yes"}})
    spec = desk.operations.trees.child(child("extra"), desk.node.trees.runners["t"])
    assert spec.body["process"]["environment"] == {"WIDE": "yes"}
    with pytest.raises(ControlError) as refused:
        desk.operations.trees.child({"id": "extra", "colour": "red"}, desk.node.trees.runners["t"])
    assert refused.value.pointer is not None
    assert refused.value.pointer.startswith("/args/child")


def test_removing_answers_everybody_who_asked(desk: Desk) -> None:
    desk.apply(tree("t", child("a")))
    requests = [desk.request("delete", tree="t") for _ in range(2)]
    for request in requests:
        desk.operations.trees.delete(request)
        assert sent(request) == []
    desk.operations.trees.removed("t")
    assert all(sent(request)[0]["result"] == {"tree": "t", "removed": True} for request in requests)
    with pytest.raises(ControlError, match="being removed"):
        desk.apply(tree("t", child("b")))
