"""Listening sockets: one for each address of a tree, kept with the guardian, closed when nobody names them."""

import errno
import os
import signal
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from supervision.kernel.spec import ChildSpec, ChildType, Strategy, SupervisorSpec
from supervision.runtime.link import Link
from supervision.runtime.listeners import ListenError, Listeners, sockets_of
from supervision.runtime.processdoc import SocketSpec
from tests.support.engine import Engine, child, python, tree
from tests.support.waiting import wait_for


class Held:
    """Listeners, and the guardian's end of their link."""

    def __init__(self, stored: dict[str, int] | None = None) -> None:
        link, theirs = Link.pair()
        self.guardian = Link(theirs)
        self.listeners = Listeners(link, stored or {})

    def told(self) -> list[tuple[str, str]]:
        """What the guardian was told; it keeps no copy here."""
        messages = self.guardian.receive() or []
        for message in messages:
            for fd in message.fds:
                os.close(fd)
        return [(message.op, message.body["name"]) for message in messages]

    def close(self) -> None:
        for fd in self.listeners.fds.values():
            os.close(fd)
        self.guardian.close()
        assert self.listeners.link is not None
        self.listeners.link.close()


@pytest.fixture
def held() -> Iterator[Held]:
    made = Held()
    yield made
    made.close()


def free_port(kind: int = socket.SOCK_STREAM, host: str = "127.0.0.1") -> int:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, kind) as sock:
        sock.bind((host, 0))
        port: int = sock.getsockname()[1]
        return port


def tcp() -> SocketSpec:
    return SocketSpec("http", "tcp", f"127.0.0.1:{free_port()}", 16)


def connect(spec: SocketSpec) -> None:
    host, _, port = spec.address.rpartition(":")
    socket.create_connection((host.strip("[]"), int(port)), timeout=30).close()


def test_all_instances_of_a_child_share_one_socket_and_the_guardian_has_a_copy(held: Held) -> None:
    spec = tcp()
    fd = held.listeners.get("shop", spec)
    assert held.listeners.get("shop", replace(spec, name="other", backlog=1)) == fd
    connect(spec)
    assert held.told() == [("store_fd", f"listen:shop:tcp:{spec.address}")]
    assert not os.get_inheritable(fd)


def test_an_ipv6_address_stands_in_brackets(held: Held) -> None:
    spec = SocketSpec("http", "tcp", f"[::1]:{free_port(host='::1')}", 16)
    held.listeners.get("shop", spec)
    connect(spec)


def test_a_datagram_socket_listens_too(held: Held) -> None:
    spec = SocketSpec("dns", "udp", f"127.0.0.1:{free_port(socket.SOCK_DGRAM)}", 1)
    fd = held.listeners.get("shop", spec)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.sendto(b"hello", ("127.0.0.1", int(spec.address.rpartition(":")[2])))
        with socket.socket(fileno=os.dup(fd)) as server:
            server.settimeout(30)
            assert server.recv(10) == b"hello"


def test_a_unix_socket_listens_and_its_file_goes_with_its_tree(held: Held, session_dir: Path) -> None:
    path = session_dir / "served"
    spec = SocketSpec("app", "unix", str(path), 16)
    held.listeners.get("shop", spec)
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
    held.listeners.close_tree("shop")
    assert not path.exists()


@pytest.mark.parametrize("kind", ["tcp", "udp"])
def test_an_address_in_use_is_said_with_the_name_and_the_address(held: Held, kind: str) -> None:
    number = socket.SOCK_DGRAM if kind == "udp" else socket.SOCK_STREAM
    with socket.socket(socket.AF_INET, number) as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", 0))
        if kind == "tcp":
            taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        spec = SocketSpec("http", kind, address, 16)  # type: ignore[arg-type]
        with pytest.raises(ListenError, match=f"^socket http at {address}: Address already in use$"):
            held.listeners.get("shop", spec)
    held.listeners.get("shop", spec)


def test_a_unix_socket_that_somebody_serves_is_not_taken_away(held: Held, session_dir: Path) -> None:
    path = session_dir / "theirs"
    spec = SocketSpec("app", "unix", str(path), 16)
    with socket.socket(socket.AF_UNIX) as theirs:
        theirs.bind(str(path))
        theirs.listen()
        with pytest.raises(ListenError, match="Address already in use"):
            held.listeners.get("shop", spec)
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))
    held.listeners.get("shop", spec)


@pytest.mark.parametrize(
    ("kind", "address", "words"),
    [
        ("unix", "/no/such/directory/socket", "No such file"),
        ("unix", "/" + "x" * 200, "too long"),
        ("tcp", "203.0.113.7:80", "assign requested address"),
        ("tcp", "127.0.0.1:http", "invalid literal"),
        ("tcp", "127.0.0.1:70000", "port must be"),
    ],
)
def test_an_address_that_cannot_be_had_is_said(held: Held, kind: str, address: str, words: str) -> None:
    with pytest.raises(ListenError, match=words) as caught:
        held.listeners.get("shop", SocketSpec("http", kind, address, 16))  # type: ignore[arg-type]
    assert str(caught.value).startswith(f"socket http at {address}: ")
    assert held.listeners.fds == {}


def test_only_the_sockets_that_a_tree_still_names_are_kept(held: Held) -> None:
    kept, dropped, other = tcp(), tcp(), tcp()
    held.listeners.get("shop", kept)
    held.listeners.get("shop", dropped)
    held.listeners.get("shop2", other)
    held.told()
    held.listeners.keep_only("shop", [kept])
    assert held.told() == [("drop_fd", f"listen:shop:tcp:{dropped.address}")]
    connect(kept)
    with pytest.raises(ConnectionRefusedError):
        connect(dropped)
    held.listeners.close_tree("shop")
    with pytest.raises(ConnectionRefusedError):
        connect(kept)
    connect(other)


def test_a_guardian_that_is_too_busy_for_a_copy_gets_it_later(held: Held) -> None:
    link = held.listeners.link
    assert link is not None
    while link.send("beat"):
        pass
    spec = tcp()
    held.listeners.get("shop", spec)
    held.guardian.receive()
    held.listeners.store()
    held.listeners.store()
    assert held.told() == [("store_fd", f"listen:shop:tcp:{spec.address}")]


def test_a_new_node_finds_the_sockets_of_its_predecessor_among_what_was_stored() -> None:
    spec = tcp()
    first = Held()
    fd = first.listeners.get("shop", spec)
    second = Held({f"listen:shop:tcp:{spec.address}": os.dup(fd), "pidfd:7": -1})
    first.close()
    connect(spec)
    second.listeners.get("shop", spec)
    assert second.told() == []
    assert len(second.listeners.fds) == 1
    second.close()


def test_the_sockets_of_a_tree_are_those_of_all_its_children() -> None:
    def body(port: int) -> dict[str, object]:
        sockets = [{"name": "http", "address": f"127.0.0.1:{port}"}]
        return {"kind": "process", "process": {"command": ["x"], "cwd": "/", "sockets": sockets}}

    inner = SupervisorSpec(
        intensity=1,
        period=1,
        strategy=Strategy.SIMPLE_ONE_FOR_ONE,
        children=(ChildSpec("job", body=body(2)),),
    )
    children = (
        ChildSpec("a", body=body(1)),
        ChildSpec("b", body={"kind": "process", "process": {"command": ["x"]}}),
        ChildSpec("c", type=ChildType.SUPERVISOR, supervisor=inner),
    )
    assert [spec.address for spec in sockets_of(children)] == ["127.0.0.1:1", "127.0.0.1:2"]


SERVER = python(
    "import os, select, socket\n"
    "names = os.environ['LISTEN_FDNAMES'].split(':')\n"
    "socks = [socket.socket(fileno=3 + n) for n in range(int(os.environ['LISTEN_FDS']))]\n"
    "assert names == ['http', 'app', 'dns'][:len(names)]\n"
    "me = os.environ['OVERSTORY_INCARNATION'].encode()\n"
    "while True:\n"
    "    for s in select.select(socks, [], [])[0]:\n"
    "        if s.type == socket.SOCK_DGRAM:\n"
    "            _, peer = s.recvfrom(100); s.sendto(me, peer)\n"
    "        else:\n"
    "            s.setblocking(False)\n"
    "            try: c, _ = s.accept()\n"
    "            except BlockingIOError: continue\n"
    "            c.sendall(me); c.close()\n"
)


def served(port: int, path: Path) -> set[str]:
    """Which incarnations answer on each of the three sockets."""
    answers = set()
    with socket.create_connection(("127.0.0.1", port), timeout=30) as client:
        answers.add(client.recv(10).decode())
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(30)
        client.connect(str(path))
        answers.add(client.recv(10).decode())
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(30)
        client.sendto(b"?", ("127.0.0.1", port))
        answers.add(client.recv(10).decode())
    return answers


def test_sockets_outlive_child_node_guardian_and_upgrade_and_end_with_what_names_them(
    session_dir: Path,
) -> None:
    port, path = free_port(), session_dir / "app"

    def document(address: str) -> dict[str, object]:
        sockets = [
            {"name": "http", "type": "tcp", "address": address},
            {"name": "app", "type": "unix", "address": str(path)},
            {"name": "dns", "type": "udp", "address": address},
        ]
        web = child("web", SERVER, instances=2, process={"sockets": sockets})
        return tree("shop", web, intensity=100)

    with Engine() as engine:
        engine.apply(document(f"127.0.0.1:{port}"))
        engine.wait_state("shop/web@2", "running")
        pids = {key: view["pid"] for key, view in engine.views().items() if view.get("pid")}
        assert served(port, path) == {"1"}
        node = engine.kill_node()
        wait_for(lambda: engine.wait_answer()["pid"] != node, timeout=30)
        assert served(port, path) == {"1"}
        guardian = engine.guardian_pid()
        assert guardian is not None
        os.kill(guardian, signal.SIGKILL)
        wait_for(lambda: engine.guardian_pid() not in (None, guardian) and engine.wait_answer(), timeout=30)
        assert served(port, path) == {"1"}
        before = engine.call("status")
        engine.call("reexec", what="both")
        wait_for(lambda: engine.wait_answer()["started"] != before["started"], timeout=30)
        assert served(port, path) == {"1"}
        assert {key: view["pid"] for key, view in engine.views().items() if view.get("pid")} == pids
        engine.call("restart", key="shop/web@1")
        engine.call("restart", key="shop/web@2")
        assert served(port, path) == {"2"}

        other = free_port()
        engine.apply(document(f"127.0.0.1:{other}"))
        engine.wait_state("shop/web@2", "running", incarnation=3)
        assert served(other, path) == {"3"}
        wait_for(lambda: refuses(port), timeout=30)
        engine.call("delete", tree="shop")
        wait_for(lambda: refuses(other), timeout=30)
        assert not path.exists()


def refuses(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == errno.ECONNREFUSED


def test_an_address_in_use_fails_the_start_with_a_reason_that_names_it() -> None:
    with socket.socket() as taken, Engine() as engine:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        section = {"sockets": [{"name": "http", "type": "tcp", "address": address}]}
        engine.apply(tree("t", child("a", process=section), on_failure={"action": "stay_down"}))
        engine.wait_state("t", "failed")
        reason = engine.child("t/a")["last_exit"]["reason"]
        assert reason == f"start_failed(socket http at {address}: Address already in use)"
