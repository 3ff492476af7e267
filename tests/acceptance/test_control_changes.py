"""Clients of a real node that change things: at once, against each other, gone in the middle."""

import contextlib
import json
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import wait as wait_ready
from pathlib import Path
from typing import Any

import pytest

from supervision.runtime.client import ControlError
from tests.support.engine import Engine, alive, child, python, tree
from tests.support.raw_client import DEADLINE, Raw
from tests.support.waiting import wait_for

STUBBORN = python(
    "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('deaf', flush=True)\ntime.sleep(3600)"
)


@pytest.fixture(scope="module")
def shared() -> Iterator[Engine]:
    with Engine() as engine:
        yield engine


def test_an_operation_goes_on_when_its_client_disconnects_in_the_middle(shared: Engine) -> None:
    node = shared.node_pid()
    deaf = child("deaf", STUBBORN, shutdown="500ms")
    shared.apply(tree("gone", deaf, child("other")))
    before = shared.wait_state("gone/deaf", "running")
    wait_for(lambda: said(shared, "gone/deaf", 1), timeout=DEADLINE)
    with Raw(shared) as client:
        client.sock.sendall(b'{"id":1,"op":"stop","args":{"key":"gone/deaf"}}\n')
    shared.wait_state("gone/deaf", "stopped")
    assert not alive(before["pid"])
    shared.call("start", key="gone/deaf")
    wait_for(lambda: said(shared, "gone/deaf", 2), timeout=DEADLINE)
    with Raw(shared) as client:
        spec = tree("gone", child("other"), child("new"))
        client.sock.sendall(json.dumps({"id": 1, "op": "apply", "args": {"spec": spec}}).encode() + b"\n")
    shared.wait_state("gone/new", "running")
    wait_for(lambda: "gone/deaf" not in shared.views(), timeout=DEADLINE)
    with Raw(shared) as client:
        client.sock.sendall(b'{"id":1,"op":"delete","args":{"tree":"gone"}}\n')
    wait_for(lambda: "gone" not in shared.views(), timeout=DEADLINE)
    assert shared.node_pid() == node


def said(engine: Engine, key: str, incarnation: int) -> bool:
    path = engine.paths.logs_dir / key / f"{incarnation}.out"
    return path.exists() and path.read_text() == "deaf\n"


def test_clients_that_stop_and_start_the_same_child_at_once_leave_it_as_the_last_one_wanted(
    shared: Engine,
) -> None:
    node = shared.node_pid()
    shared.apply(tree("pull", child("a"), child("b")))
    other = shared.wait_state("pull/b", "running")

    def pull(number: int) -> list[dict[str, Any]]:
        ops = ("stop", "start", "restart", "stop", "start") if number % 2 else ("restart", "stop") * 3
        with Raw(shared) as client:
            return [client.request(op, {"key": "pull/a"}) for op in ops]

    with ThreadPoolExecutor(4) as pool:
        answers = [answer for some in pool.map(pull, range(4)) for answer in some]
    for answer in answers:
        assert answer["ok"] or "somebody stopped it meanwhile" in answer["error"]["message"], answer
    shared.call("stop", key="pull/a")
    assert shared.child("pull/a")["pid"] is None
    shared.call("start", key="pull/a")
    view = shared.wait_state("pull/a", "running")
    assert alive(view["pid"])
    mine = [pid for pid, _ in shared.processes().items() if marked(pid, b"OVERSTORY_CHILD=pull/a")]
    assert mine == [view["pid"]]
    starts = [
        tuple(action[1:3])
        for record in shared.records("step")
        for action in record["actions"]
        if action[0] == "start" and action[1] == "pull/a"
    ]
    assert len(starts) == len(set(starts)), "no incarnation twice"
    after = shared.child("pull/b")
    assert (after["pid"], after["incarnation"], after["restarts"]) == (other["pid"], 1, 0)
    assert shared.node_pid() == node
    shared.call("delete", tree="pull")


def marked(pid: int, words: bytes) -> bool:
    with contextlib.suppress(OSError):
        return words in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    return False


def test_two_clients_that_delete_the_same_tree_are_both_told_when_it_is_gone(shared: Engine) -> None:
    shared.apply(tree("twice", child("deaf", STUBBORN, shutdown="300ms")))
    wait_for(lambda: said(shared, "twice/deaf", 1), timeout=DEADLINE)
    with Raw(shared) as one, Raw(shared) as other:
        for client in (one, other):
            client.sock.sendall(b'{"id":1,"op":"delete","args":{"tree":"twice"}}\n')
        with Raw(shared) as third:
            assert third.refused("start", {"key": "twice/deaf"})["code"] == "conflict"
            assert third.refused("apply", {"spec": tree("twice", child("a"))})["code"] == "conflict"
        assert one.message()["result"] == other.message()["result"] == {"tree": "twice", "removed": True}
    with pytest.raises(ControlError) as refused:
        shared.call("delete", tree="twice")
    assert refused.value.code == "not_found"


def test_a_wait_is_answered_as_soon_as_the_state_comes(shared: Engine) -> None:
    shared.apply(tree("waited", child("a"), child("b")))
    shared.wait_state("waited/b", "running")
    with Raw(shared) as client:
        client.sock.sendall(b'{"id":1,"op":"wait","args":{"key":"waited/a","state":"stopped"}}\n')
        shared.call("stop", key="waited/a")
        assert client.message()["result"] == {"key": "waited/a", "state": "stopped"}
        assert client.request("wait", {"key": "waited/a", "state": "stopped"}, 2)["ok"]
    shared.call("delete", tree="waited")


def test_a_reload_by_notification_is_answered_when_the_child_is_ready_again(
    shared: Engine, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    code = (
        "import os, signal, socket, time\n"
        "s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)\n"
        "def tell(text): s.sendto(text.encode(), os.environ['NOTIFY_SOCKET'])\n"
        "def reload(*_):\n"
        "    tell('RELOADING=1\\nSTATUS=reading')\n"
        f"    open({str(gate)!r}).read()\n"
        "    tell('READY=1\\nSTATUS=read')\n"
        "signal.signal(signal.SIGHUP, reload)\n"
        "tell('READY=1')\n"
        "while True: time.sleep(3600)\n"
    )
    section = {"reload": "notify", "readiness": {"notify": True}}
    shared.apply(tree("re", child("a", python(code), process=section), child("b")))
    view = shared.wait_state("re/a", "running")
    with Raw(shared) as client:
        client.sock.sendall(b'{"id":1,"op":"reload","args":{"key":"re/a"}}\n')
        shared.wait_state("re/a", "running", status="reading")
        assert not wait_ready([client.sock], 0), "answered before it was ready again"
        gate.write_text("go")
        assert client.message()["result"] == {"key": "re/a", "pid": view["pid"], "signal": "SIGHUP"}
        client.sock.sendall(b'{"id":2,"op":"reload","args":{"key":"re/a"}}\n')
        shared.wait_state("re/a", "running", status="reading")
        os.kill(view["pid"], 9)
        assert client.message()["error"]["message"] == "re/a did not reload: it ended"
    shared.call("delete", tree="re")


def test_a_removal_is_carried_through_by_the_next_node() -> None:
    with Engine() as engine:
        engine.apply(tree("t", child("deaf", STUBBORN, shutdown="60s"), child("other")))
        wait_for(lambda: said(engine, "t/deaf", 1), timeout=DEADLINE)
        with Raw(engine) as client:
            client.sock.sendall(b'{"id":1,"op":"delete","args":{"tree":"t"}}\n')
            engine.wait_state("t/other", "stopped")
            pid = engine.child("t/deaf")["pid"]
            old = engine.kill_node()
        wait_for(lambda: engine.wait_answer()["pid"] != old, timeout=DEADLINE)
        os.kill(pid, 9)
        wait_for(lambda: not engine.views(), timeout=DEADLINE)


def test_a_node_takes_no_more_children_than_its_owner_allows() -> None:
    engine = Engine()
    settings_file = engine.data_dir / "node.toml"
    settings_file.write_text("root_children = true\n[limits]\nchildren = 3\n")
    with engine:
        pool = {
            "id": "pool",
            "supervisor": {"strategy": "simple_one_for_one", "children": [child("job")]},
        }
        engine.apply(tree("t", child("a"), child("b"), pool))
        with pytest.raises(ControlError) as refused:
            engine.apply(tree("u", child("a"), child("b")))
        assert refused.value.code == "refused"
        assert "limits.children in node.toml" in refused.value.message
        engine.call("start_child", supervisor="t/pool", instance="one")
        with pytest.raises(ControlError):
            engine.call("start_child", supervisor="t/pool", instance="two")
        engine.apply(tree("t", child("a"), pool))
