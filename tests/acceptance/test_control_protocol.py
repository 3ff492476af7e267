"""The control socket of a real node against clumsy and hostile clients: each hears what is wrong, nothing that runs does."""

import contextlib
import json
import os
import socket
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from supervision.runtime.arguments import ARGUMENTS
from supervision.runtime.client import ControlClient, ControlError
from tests.support.engine import Engine, child, tree
from tests.support.raw_client import DEADLINE, Raw
from tests.support.waiting import wait_for

TREE = tree(
    "t",
    child("a"),
    child("b", restart="transient", depends_on=["a"]),
    {"id": "sub", "supervisor": {"strategy": "rest_for_one", "children": [child("c"), child("d")]}},
    {"id": "pool", "supervisor": {"strategy": "simple_one_for_one", "children": [child("job")]}},
)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@pytest.fixture(scope="module")
def shared() -> Iterator[Engine]:
    with Engine() as engine:
        engine.apply(TREE)
        for key in ("t/a", "t/b", "t/sub/d"):
            engine.wait_state(key, "running")
        engine.call("start_child", supervisor="t/pool", instance="one")
        engine.wait_state("t/pool/one", "running")
        yield engine


def lives(engine: Engine) -> dict[str, Any]:
    """What must not change: which process, in which incarnation and state, under which key."""
    names = ("state", "pid", "incarnation", "restarts", "wanted", "held")
    return {key: {name: view[name] for name in names if name in view} for key, view in engine.views().items()}


@pytest.fixture
def untouched(shared: Engine) -> Iterator[Engine]:
    """The engine; afterwards the same node and the same processes, and in the journal nothing but what was asked."""
    node, before, seq = shared.node_pid(), lives(shared), shared.records()[-1]["seq"]
    yield shared
    assert shared.node_pid() == node, shared.log()[-3000:]
    assert lives(shared) == before
    later = [record for record in shared.records() if record["seq"] > seq and not is_harmless(record)]
    assert not later


def is_harmless(record: dict[str, Any]) -> bool:
    """A command and what a kernel only said to it, or the start time of a process learnt afterwards."""
    if record["k"] == "step":
        return all(action[0] == "reply" for action in record["actions"])
    return record["k"] == "command" or "identities" in record


@pytest.fixture
def raw(untouched: Engine) -> Iterator[Raw]:
    with Raw(untouched) as client:
        yield client


def test_the_hello_names_the_protocol_the_node_and_its_versions(raw: Raw, untouched: Engine) -> None:
    assert (raw.hello["overstory"], raw.hello["v"], raw.hello["min"]) == ("control", 1, 1)
    assert raw.hello["pid"] == untouched.node_pid()
    assert raw.hello["node_id"] == untouched.node_id()


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"GET / HTTP/1.1",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"\x00" * 1000,
        b"[]",
        b'"status"',
        b"null",
        b"1e999",
        b'{"op":"status"',
        b'{"op":"\xff"}',
        b'{"op":"status","id":NaN}',
        b'{"op":"status","id":{"a":1}}',
        b'{"op":["status"]}',
        b'{"op":"status","args":[1]}',
        b'{"op":"status","args":' + b"[" * 150_000 + b"]" * 150_000 + b"}",
        b'{"op":"stop","args":{"key":' + b'{"a":' * 900 + b"1" + b"}" * 900 + b"}}",
        b'{"id":' + b"[" * 900 + b"]" * 900 + b',"op":"status"}',
        b'{"op":"explode"}',
        b'{"op":"' + b"x" * 1_000_000 + b'"}',
        b'{"op":"_read"}',
        b'{"op":"__init__"}',
    ],
    ids=range(21),
)
def test_a_line_that_is_no_request_is_answered_with_a_short_error_and_the_next_one_is_heard(
    raw: Raw, line: bytes
) -> None:
    answer = raw.ask(line)
    assert answer["ok"] is False
    assert answer["error"]["code"] == "bad_request"
    assert 0 < len(answer["error"]["message"]) < 300
    assert raw.request("status", {})["ok"]


def test_a_request_of_17_mib_is_refused_by_its_size_and_the_next_one_is_heard(raw: Raw) -> None:
    answer = raw.ask(b'{"op":"status","args":{"x":"' + b"x" * (17 << 20) + b'"}}')
    assert "longer than 16777216 bytes" in answer["error"]["message"]
    assert raw.request("status", {})["ok"]


def test_the_client_of_the_command_line_hears_why_a_large_request_is_refused(untouched: Engine) -> None:
    with untouched.client() as client, pytest.raises(ControlError) as refused:
        client.call("apply", spec={"x": "x" * (17 << 20)}, timeout_s=DEADLINE)
    assert "longer than 16777216 bytes" in refused.value.message


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], database=None
)  # fmt: skip
@given(data=st.data())
def test_every_argument_of_every_operation_may_be_anything(raw: Raw, data: st.DataObject) -> None:
    """The key exists in no tree, so that a value that happens to be good touches nothing either."""
    op = data.draw(st.sampled_from(sorted(set(ARGUMENTS) - {"shutdown", "reexec", "watch"})))
    args: dict[str, Any] = {"key": "nowhere/a", "tree": "nowhere", "supervisor": "nowhere", "pid": 4_000_000}
    args |= {"signal": "TERM"}
    known = [argument.name for argument in ARGUMENTS[op]] or ["unknown"]
    changed = data.draw(st.sampled_from(known))
    args[changed] = data.draw(JSON)
    if data.draw(st.booleans()):
        args[data.draw(st.text(max_size=5))] = data.draw(JSON)
    answer = raw.request(op, args)
    if not answer["ok"]:
        error = answer["error"]
        assert error["code"] in ("bad_request", "not_found"), (op, args, error)
        assert 0 < len(error["message"]) < 500
        assert error["code"] == "not_found" or error["pointer"].startswith(("/args/", "/")), error
    else:
        assert op in ("status", "strays", "tree", "trees", "lease", "health"), (op, args, answer)


@pytest.mark.parametrize(
    ("op", "args", "code", "pointer"),
    [
        ("tree", {"tree": ["t"]}, "bad_request", "/args/tree"),
        ("tree", {"tree": "nowhere"}, "not_found", "/args/tree"),
        ("tree", {"key": "nowhere/a"}, "not_found", "/args/key"),
        ("spec", {}, "bad_request", "/args/tree"),
        ("wait", {"key": "t/a", "state": "up"}, "bad_request", "/args/state"),
        ("wait", {"key": "t/a", "state": "stopped", "timeout_s": "soon"}, "bad_request", "/args/timeout_s"),
        ("wait", {"key": "t/a", "state": "stopped", "timeout_s": 0.05}, "unavailable", None),
        ("stop", {}, "bad_request", "/args/key"),
        ("stop", {"key": "t/nobody"}, "not_found", "/args/key"),
        ("hold", {"key": "t/a", "seconds": -1}, "bad_request", "/args/seconds"),
        ("signal", {"key": "t/a", "signal": "NOTHING"}, "bad_request", "/args/signal"),
        ("signal", {"key": "t/sub", "signal": "TERM"}, "conflict", "/args/key"),
        ("reload", {"key": "t/a"}, "conflict", "/args/key"),
        ("delete", {"tree": "nowhere"}, "not_found", "/args/tree"),
        ("delete_child", {"key": "t/a"}, "conflict", "/args/key"),
        ("delete_child", {"key": "t"}, "bad_request", "/args/key"),
        ("start_child", {"supervisor": "t/a"}, "not_found", "/args/supervisor"),
        ("start_child", {"supervisor": "t/pool"}, "bad_request", "/args/instance"),
        ("start_child", {"supervisor": "t/pool", "instance": ".x"}, "bad_request", "/args/instance"),
        ("start_child", {"supervisor": "t/pool", "instance": "../x"}, "bad_request", "/args/instance"),
        ("start_child", {"supervisor": "t/pool", "instance": "x\x00"}, "bad_request", "/args/instance"),
        ("start_child", {"supervisor": "t/pool", "instance": "one"}, "conflict", None),
        ("start_child", {"supervisor": "t/sub", "child": 5}, "bad_request", "/args/child"),
        ("start_child", {"supervisor": "t/sub", "child": {"id": "x"}}, "bad_request", "/args/child"),
        (
            "start_child",
            {"supervisor": "t/sub", "child": child("x", ["/no/such/program"])},
            "refused",
            "/args/child/process/command",
        ),
        ("adopt_stray", {"pid": 1, "key": "t/a"}, "not_found", "/args/pid"),
        ("end_stray", {"pid": "1"}, "bad_request", "/args/pid"),
        ("end_stray", {"pid": 1}, "not_found", "/args/pid"),
        ("apply", {}, "bad_request", "/args/spec"),
        ("apply", {"spec": TREE, "message": 7}, "bad_request", "/args/message"),
        ("apply", {"spec": TREE, "from_revision": 17}, "conflict", "/args/from_revision"),
        ("apply", {"spec": {**TREE, "colour": "red"}}, "bad_request", "/args/spec/colour"),
        ("apply", {"spec": tree("x", child("a", ["/no/such/program"]))}, "refused", None),
        ("reexec", {"what": "everything"}, "bad_request", "/args/what"),
    ],
)
def test_a_refusal_names_its_kind_and_the_field(
    raw: Raw, op: str, args: dict[str, Any], code: str, pointer: str | None
) -> None:
    error = raw.refused(op, args)
    assert error["code"] == code, error
    if pointer is not None:
        assert error["pointer"].startswith(pointer), error
    assert error["message"]


PATHS: list[tuple[str | int, ...]] = [
    (),
    ("tree",),
    ("version",),
    ("supervisor",),
    ("supervisor", "children"),
    ("supervisor", "children", 0),
    ("supervisor", "children", 0, "process"),
    ("supervisor", "children", 0, "process", "command"),
    ("supervisor", "children", 1, "depends_on"),
    ("supervisor", "children", 2, "supervisor", "children", 0, "id"),
    ("environment",),
    ("on_failure",),
]


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], database=None
)  # fmt: skip
@given(path=st.sampled_from(PATHS), value=JSON)
def test_any_part_of_a_document_may_be_anything(raw: Raw, path: tuple[str | int, ...], value: Any) -> None:
    """With `plan`, which goes the whole way but for the deed."""
    spec: Any = deepcopy(TREE)
    if path:
        at = spec
        for step in path[:-1]:
            at = at[step]
        at[path[-1]] = value
    else:
        spec = value
    answer = raw.request("plan", {"spec": spec})
    if not answer["ok"]:
        error = answer["error"]
        assert error["code"] == "bad_request", error
        assert "Traceback" not in error["message"]
    else:
        assert answer["result"]["steps"]


def test_a_newer_client_may_say_more_than_this_node_understands(raw: Raw) -> None:
    line = {"id": 5, "op": "tree", "args": {"tree": "t", "fields": ["state"]}, "trace": {"span": 1}, "v": 9}
    answer = raw.ask(json.dumps(line).encode())
    assert (answer["id"], answer["ok"]) == (5, True)
    assert [one["name"] for one in answer["result"]["trees"]] == ["t"]


def test_who_asked_and_what_stands_in_the_journal_and_nothing_else_that_was_said(
    raw: Raw, untouched: Engine
) -> None:
    raw.request("stop", {"key": "t/nobody", "password": "hunter2"})
    raw.request("apply", {"spec": {"environment": {"TOKEN": "hunter2"}}, "message": "why"})
    *_, stop, refused, apply, _refused = untouched.records("command")
    assert (refused["what"], refused["of"]) == ("refused", stop["seq"])
    assert (stop["op"], stop["args"]) == ("stop", {"key": "t/nobody"})
    assert (stop["pid"], stop["uid"]) == (os.getpid(), os.getuid())
    assert (apply["op"], apply["args"]) == ("apply", {"message": "why"})
    journal = b"".join(path.read_bytes() for path in untouched.paths.journal_dir.iterdir())
    assert b"hunter2" not in journal


def test_a_client_that_asks_without_end_and_never_reads_is_not_noticed_by_others(untouched: Engine) -> None:
    line = b'{"op":"tree"}\n' * 1000
    started = untouched.call("status")["started"]
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(Raw(untouched)) for _ in range(10)]
        for client in clients:
            client.sock.setblocking(False)
        for _ in range(20):
            for client in clients:
                with contextlib.suppress(BlockingIOError):
                    client.sock.send(line)
            assert untouched.call("status")["started"] == started
        assert memory_of(untouched.node_pid()) < 200 * 1024


def memory_of(pid: int) -> int:
    """Resident KiB."""
    text = Path(f"/proc/{pid}/status").read_text()
    return int(text.partition("VmRSS:")[2].split()[0])


def test_a_hundred_clients_at_once_each_get_an_answer_or_the_reason_why_not(untouched: Engine) -> None:
    refusals: list[dict[str, Any]] = []
    with contextlib.ExitStack() as stack:
        watching: list[dict[str, Any]] = []
        for _ in range(100):
            client = stack.enter_context(Raw(untouched))
            client.sock.sendall(b'{"id":1,"op":"watch"}\n')
            message = client.message()
            (watching if "event" in message else refusals).append(message)
        assert len(watching) == 64
        assert {refusal["error"]["code"] for refusal in refusals} == {"unavailable"}
        assert "64 clients" in refusals[0]["error"]["message"]
        with pytest.raises(ControlError) as refused, untouched.client() as late:
            late.call("status", timeout_s=DEADLINE)
        assert refused.value.code == "unavailable"
    wait_for(lambda: untouched.call("status")["trees"] == 1, timeout=DEADLINE)


def test_clients_that_only_connect_keep_no_operator_out(
    untouched: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Idle for longer than a few seconds they give way; here they simply go away unread."""
    for _ in range(5):
        with contextlib.ExitStack() as stack:
            for _ in range(60):
                sock = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
                sock.connect(str(untouched.paths.control_socket))
                sock.send(b'{"op":"tree"}\n{"op":"wat')
        assert untouched.call("status")["trees"] == 1


def test_the_sockets_are_only_for_their_owner(shared: Engine) -> None:
    assert shared.paths.control_socket.stat().st_mode & 0o777 == 0o600
    assert shared.paths.runtime_dir.stat().st_mode & 0o777 == 0o700
    with ControlClient(shared.paths.control_socket) as client:
        assert client.hello.pid == shared.node_pid()
