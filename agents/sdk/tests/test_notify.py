"""The notify client against a real datagram socket."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from overstory import notify

SRC = Path(__file__).resolve().parents[1] / "src"


@pytest.fixture(autouse=True)
def no_supervisor(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "NOTIFY_SOCKET",
        "WATCHDOG_USEC",
        "WATCHDOG_PID",
        "LISTEN_FDS",
        "LISTEN_FDNAMES",
        "LISTEN_PID",
    ):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def supervisor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        path = tmp_path / "n"
        sock.bind(str(path))
        sock.settimeout(10)
        monkeypatch.setenv("NOTIFY_SOCKET", str(path))
        yield sock


def test_ready_with_a_status_is_one_message(supervisor: socket.socket) -> None:
    assert notify.ready("serving\nwell")
    assert supervisor.recv(1000) == b"READY=1\nSTATUS=serving well"


def test_a_reload_carries_the_clock(supervisor: socket.socket) -> None:
    assert notify.reloading()
    first, second = supervisor.recv(1000).decode().split("\n")
    assert first == "RELOADING=1"
    assert second.startswith("MONOTONIC_USEC=")


@pytest.mark.parametrize(
    ("call", "message"),
    [(notify.alive, b"WATCHDOG=1"), (notify.stopping, b"STOPPING=1"), (notify.ready, b"READY=1")],
)
def test_each_word_is_systemds(supervisor: socket.socket, call: object, message: bytes) -> None:
    assert callable(call)
    assert call()
    assert supervisor.recv(1000) == message


def test_an_abstract_socket_is_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"overstory-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind("\0" + name)
        monkeypatch.setenv("NOTIFY_SOCKET", "@" + name)
        assert notify.status("here")
        assert sock.recv(1000) == b"STATUS=here"


def test_without_a_supervisor_nothing_happens() -> None:
    assert not notify.ready()
    assert notify.watchdog_s() == 0.0
    assert notify.listeners() == {}


def test_a_supervisor_that_is_gone_is_no_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "nobody"))
    assert not notify.ready()


@pytest.mark.parametrize("field", ["READY", "STATUS=a\nREADY=1"])
def test_a_field_that_would_be_another_message_is_refused(field: str) -> None:
    with pytest.raises(ValueError, match="NAME=value"):
        notify.send(field)


@pytest.mark.parametrize(
    ("usec", "pid", "seconds"),
    [("2500000", None, 2.5), ("nonsense", None, 0.0), ("-1", None, 0.0), ("2500000", "1", 0.0)],
)
def test_the_watchdogs_period_is_in_seconds(
    monkeypatch: pytest.MonkeyPatch, usec: str, pid: str | None, seconds: float
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", usec)
    if pid is not None:
        monkeypatch.setenv("WATCHDOG_PID", pid)
    assert notify.watchdog_s() == seconds


PRINT_LISTENERS = """
from overstory import notify
print({name: sock.getsockname()[1] for name, sock in notify.listeners().items()})
"""


def test_listening_sockets_come_by_name() -> None:
    with socket.socket() as first, socket.socket() as second:
        for sock in (first, second):
            sock.bind(("127.0.0.1", 0))
            sock.listen()
        ports = [sock.getsockname()[1] for sock in (first, second)]
        os.set_inheritable(first.fileno(), True)
        os.set_inheritable(second.fileno(), True)
        # a shell moves the two to descriptors 3 and 4, as the supervisor does
        script = f'exec 8<&{first.fileno()} 9<&{second.fileno()} 3<&8 4<&9; LISTEN_PID=$$ exec "$0" -c "$1"'
        done = subprocess.run(
            ["bash", "-c", script, sys.executable, PRINT_LISTENERS],
            env={"PYTHONPATH": str(SRC), "LISTEN_FDS": "2", "LISTEN_FDNAMES": "http:"},
            capture_output=True,
            text=True,
            check=True,
            pass_fds=[first.fileno(), second.fileno()],
        )
    assert done.stdout.strip() == str({"http": ports[0], "4": ports[1]})


def test_sockets_meant_for_another_process_are_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LISTEN_PID", "1")
    monkeypatch.setenv("LISTEN_FDS", "2")
    assert notify.listeners() == {}
