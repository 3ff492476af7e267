"""The control socket's promises, held by the real node and by the fake one that the command line is tested against."""

import json
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from supervision.runtime.client import ControlClient, ControlError
from supervision.runtime.observed import Child, Observed, Supervisor
from tests.support import engine
from tests.support.fake_node import FakeNode
from tests.support.waiting import wait_for

TREE = engine.tree("shop", engine.child("db"), engine.child("api"))
DEADLINE = 30.0


class Served:
    """A node behind a socket."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def client(self) -> ControlClient:
        return ControlClient(self.path)

    def call(self, op: str, **args: Any) -> Any:
        with self.client() as client:
            return client.call(op, timeout_s=DEADLINE, **args)

    def observed(self) -> Observed:
        return Observed.from_json(self.call("tree"))

    def child(self, key: str) -> Child:
        found = self.observed().find(key)
        assert isinstance(found, Child), key
        return found

    def until(self, key: str, state: str) -> Child:
        def probe() -> Child | None:
            found = self.observed().find(key)
            return found if isinstance(found, Child) and found.state == state else None

        found = wait_for(probe, timeout=DEADLINE, what=f"{key} {state}")
        assert found is not None
        return found


@pytest.fixture(params=["fake", "real"], scope="module")
def served(request: pytest.FixtureRequest) -> Iterator[Served]:
    """Either node, with the tree applied once."""
    if request.param == "fake":
        with (
            tempfile.TemporaryDirectory(prefix="ovs-") as directory,
            FakeNode(Path(directory) / "c.sock", []) as fake,
        ):
            served = Served(fake.path)
            served.call("apply", spec=TREE, message="first")
            yield served
        return
    with engine.Engine() as real:
        served = Served(real.paths.control_socket)
        served.call("apply", spec=TREE, message="first")
        yield served


@pytest.fixture(autouse=True)
def running(served: Served) -> None:
    """Each test begins with both children up."""
    for key in ("shop/db", "shop/api"):
        served.call("release", key=key)
        served.call("start", key=key)
        served.until(key, "running")


def refused(served: Served, op: str, **args: Any) -> ControlError:
    with pytest.raises(ControlError) as refusal:
        served.call(op, **args)
    return refusal.value


def test_the_hello_names_the_node(served: Served) -> None:
    with served.client() as client:
        status = client.call("status")
        assert (client.hello.node_id, client.hello.pid) == (status["node_id"], status["pid"])


def test_status_has_what_is_shown_of_it(served: Served) -> None:
    status = served.call("status")
    for name in (
        "node_id",
        "pid",
        "guardian_pid",
        "version",
        "started",
        "journal_seq",
        "trees",
        "children",
        "strays",
    ):
        assert name in status
    assert {"name", "pid", "starts"} <= set(status["helpers"][0])


def test_the_tree_has_every_field_that_is_read(served: Served) -> None:
    (body,) = served.call("tree")["trees"]
    assert {"name", "revision", "message", "digest", "applied_at", "ended", "root"} <= set(body)
    root = body["root"]
    supervisor = {
        "key", "id", "kind", "state", "incarnation", "since", "restarts", "window_used", "strategy", "intensity", "period",
        "stop", "wanted", "children",
    }  # fmt: skip
    assert supervisor <= set(root)
    child = {
        "key", "id", "kind", "state", "incarnation", "pid", "stage", "since", "restarts", "restart", "last_exit", "held",
        "held_until", "wanted", "waiting_for", "backoff_until", "status", "ready", "command", "dynamic",
        "descendants_ending", "blocked",
    }  # fmt: skip
    assert child <= set(root["children"][0])


def test_a_child_says_how_it_is(served: Served) -> None:
    db = served.child("shop/db")
    assert (db.state, db.wanted, db.held, db.restart, db.stage) == (
        "running",
        "up",
        False,
        "permanent",
        "main",
    )
    assert db.pid
    root = served.observed().find("shop")
    assert isinstance(root, Supervisor)
    assert (root.strategy, root.intensity, root.period) == ("one_for_one", 3, 5.0)


def test_one_tree_can_be_asked_for(served: Served) -> None:
    assert [body["name"] for body in served.call("tree", tree="shop")["trees"]] == ["shop"]
    assert refused(served, "tree", tree="nix").code == "not_found"


def test_stop_is_idempotent_and_start_brings_it_back_in_a_new_incarnation(served: Served) -> None:
    before = served.child("shop/db")
    for _ in range(2):
        served.call("stop", key="shop/db")
        stopped = served.child("shop/db")
        assert (stopped.state, stopped.wanted, stopped.pid) == ("stopped", "down", None)
        assert stopped.last_exit is not None
        assert stopped.last_exit.reason == "shutdown"
    for _ in range(2):
        served.call("start", key="shop/db")
        assert served.until("shop/db", "running").incarnation == before.incarnation + 1


def test_restart_is_a_new_incarnation_each_time(served: Served) -> None:
    before = served.child("shop/db").incarnation
    served.call("restart", key="shop/db")
    assert served.until("shop/db", "running").incarnation == before + 1


def test_a_hold_is_seen_and_ends(served: Served) -> None:
    served.call("hold", key="shop/db", seconds=600)
    held = served.child("shop/db")
    assert held.held
    assert held.held_until is not None
    served.call("release", key="shop/db")
    assert not served.child("shop/db").held


@pytest.mark.parametrize(
    "op", ["start", "stop", "restart", "hold", "release", "signal", "reload", "delete_child"]
)
def test_what_names_an_unknown_key_is_not_found(served: Served, op: str) -> None:
    more = {"signal": "HUP"} if op == "signal" else {}
    assert refused(served, op, key="shop/nix", **more).code == "not_found"
    assert refused(served, op, key="nix", **more).code == "not_found"


def test_an_unknown_op_is_a_bad_request_that_names_it(served: Served) -> None:
    error = refused(served, "dance")
    assert (error.code, error.pointer) == ("bad_request", "/op")
    assert "dance" in error.message


def test_a_missing_argument_is_a_bad_request(served: Served) -> None:
    assert refused(served, "stop").code == "bad_request"


def test_unknown_arguments_are_ignored(served: Served) -> None:
    assert served.call("status", moon="full")["pid"]


def test_watch_greets_and_hints_at_changes(served: Served) -> None:
    with served.client() as client:
        stream = client.stream("watch")
        first = next(stream)["seq"]
        served.call("restart", key="shop/db")
        assert next(stream)["seq"] > first


def test_requests_of_one_connection_overlap(served: Served) -> None:
    with served.client() as client:
        watch = client.begin("watch")
        assert client.call("status")["pid"]
        assert client.poll(watch, timeout_s=DEADLINE)


def test_a_line_that_is_no_request_is_refused_and_the_connection_stays(served: Served) -> None:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(DEADLINE)
        sock.connect(str(served.path))
        lines = sock.makefile("rwb")
        json.loads(lines.readline())
        lines.write(b'{"id": \n{"id": 7, "op": "status"}\n')
        lines.flush()
        bad, good = (json.loads(lines.readline()) for _ in range(2))
    assert (bad["ok"], bad["error"]["code"]) == (False, "bad_request")
    assert (good["id"], good["ok"]) == (7, True)


def test_a_plan_of_what_runs_keeps_it(served: Served) -> None:
    plan = served.call("plan", spec=TREE)
    assert (plan["tree"], plan["changes"]) == ("shop", 0)
    assert {step["do"] for step in plan["steps"]} == {"keep"}
    assert plan["from_revision"] == served.observed().trees[0].revision


def test_a_plan_of_a_new_tree_starts_its_children_in_order(served: Served) -> None:
    plan = served.call("plan", spec=engine.tree("other", engine.child("a"), engine.child("b")))
    assert plan["from_revision"] is None
    started = [step["key"] for step in plan["steps"] if step["do"] == "start"]
    assert [key for key in started if "/" in key] == ["other/a", "other/b"]


def test_applying_the_same_again_makes_no_revision(served: Served) -> None:
    before = served.observed().trees[0]
    assert served.call("apply", spec=TREE)["revision"] == before.revision
    after = served.observed().trees[0]
    assert (after.revision, after.message, after.digest) == (before.revision, "first", before.digest)


def test_an_apply_planned_on_another_revision_is_a_conflict(served: Served) -> None:
    other = engine.tree("shop", engine.child("db"))
    assert refused(served, "apply", spec=other, from_revision=999).code == "conflict"
    assert served.child("shop/api").state == "running"


def test_strays_are_told_with_the_number_of_processes_that_were_looked_at(served: Served) -> None:
    answer = served.call("strays")
    assert answer["strays"] == []
    assert answer["processes"] >= len([child for child in served.observed().processes() if child.pid])


def test_a_signal_needs_a_process(served: Served) -> None:
    served.call("stop", key="shop/db")
    assert refused(served, "signal", key="shop/db", signal="HUP").code == "conflict"


def test_deleting_a_tree_that_is_not_there_is_not_found(served: Served) -> None:
    assert refused(served, "delete", tree="nix").code == "not_found"
