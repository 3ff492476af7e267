"""Probes of a real checkers helper against real processes, sockets and servers."""

import contextlib
import os
import select
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from supervision.runtime.identity import read_stat
from supervision.runtime.probes import NotAProbeError, expected
from tests.supervision.runtime.helpers import Helper
from tests.support.waiting import wait_for

ENVIRONMENT = {"PATH": os.environ["PATH"]}


@pytest.fixture
def helper() -> Iterator[Helper]:
    with Helper("checkers") as started:
        yield started


def ask(helper: Helper, probe: dict[str, Any], *, deadline_s: float = 20, **more: Any) -> tuple[bool, str]:
    """The answer to one probe."""
    options = {"environment": ENVIRONMENT, "cwd": None, **more}
    helper.send("probe", id=1, probe=probe, deadline_s=deadline_s, **options)
    answer = helper.receive("result").body
    assert answer["id"] == 1
    return answer["ok"], answer["detail"]


def sh(script: str) -> dict[str, Any]:
    return {"exec": {"command": ["/bin/sh", "-c", script]}}


@contextlib.contextmanager
def server(answer: Callable[[socket.socket], None], *, tls: ssl.SSLContext | None = None) -> Iterator[int]:
    """A server on loopback that lets `answer` have each connection; its port."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=2000)

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            connection.settimeout(10)
            with contextlib.suppress(OSError), connection:
                if tls is None:
                    answer(connection)
                else:
                    with tls.wrap_socket(connection, server_side=True) as secure:
                        answer(secure)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(30)


def saying(text: bytes) -> Callable[[socket.socket], None]:
    """Reads a request and answers `text`."""

    def answer(connection: socket.socket) -> None:
        request = b""
        while b"\r\n\r\n" not in request:
            if not (piece := connection.recv(65536)):
                return
            request += piece
        connection.sendall(text)

    return answer


def http(port: int, path: str = "/", *, scheme: str = "http", **more: Any) -> dict[str, Any]:
    return {"http": {"url": f"{scheme}://127.0.0.1:{port}{path}", **more}}


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def alive(pid: int) -> bool:
    stat = read_stat(pid)
    return stat is not None and not stat.is_zombie


def sleepers(marker: str) -> list[int]:
    """Processes with `marker` in their command line."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with contextlib.suppress(OSError):
                if marker.encode() in entry.joinpath("cmdline").read_bytes() and alive(int(entry.name)):
                    found.append(int(entry.name))
    return found


# -- exec ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("script", "ok", "detail"),
    [
        ("exit 0", True, "exit 0"),
        ("echo one; echo two; exit 0", True, "exit 0: two"),
        ("echo not yet >&2; exit 3", False, "exit 3: not yet"),
        ("kill -9 $$", False, "ended by signal 9"),
        ("head -c 300000 /dev/zero | tr '\\0' x; echo; echo end; exit 1", False, "exit 1: end"),
    ],
)
def test_an_exec_probe_is_its_exit_code_and_last_line(
    helper: Helper, script: str, ok: bool, detail: str
) -> None:
    assert ask(helper, sh(script)) == (ok, detail)


def test_an_exec_probe_has_the_environment_and_directory_of_its_child_and_nothing_else(
    helper: Helper, tmp_path: Path
) -> None:
    environment = {**ENVIRONMENT, "COLOUR": "green"}
    assert ask(helper, sh("echo $COLOUR $PWD $HOME."), environment=environment, cwd=str(tmp_path)) == (
        True,
        f"exit 0: green {tmp_path} .",
    )
    assert (
        ask(helper, sh("ls /proc/self/fd | tr '\\n' ' '"))[1] == "exit 0: 0 1 2 3"
    )  # 3: ls reads the directory


def test_an_environment_may_be_larger_than_a_message(helper: Helper) -> None:
    environment = {**ENVIRONMENT, **{f"LONG_{n}": "x" * 100_000 for n in range(5)}}
    assert ask(helper, sh("echo ${#LONG_4}"), environment=environment) == (True, "exit 0: 100000")


def test_a_program_that_is_not_there_is_named(helper: Helper, tmp_path: Path) -> None:
    assert ask(helper, {"exec": {"command": ["no-such-program"]}}) == (
        False,
        "no-such-program cannot be run: No such file or directory",
    )
    assert ask(helper, sh("true"), cwd=str(tmp_path / "none"))[0] is False


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_an_exec_probe_runs_as_the_user_of_its_child(helper: Helper) -> None:
    user = {"uid": 65534, "gid": 65534, "groups": []}
    assert ask(helper, sh("id -u; id -G"), user=user) == (True, "exit 0: 65534")


def test_a_probe_that_hangs_is_killed_whole_at_its_deadline(helper: Helper) -> None:
    marker = f"probe-{os.getpid()}-hang"
    rest = f"sh -c 'sleep 600; echo {marker}'"
    script = f"trap '' TERM; {rest} & setsid {rest} & sleep 600; echo {marker}"
    began = time.monotonic()
    assert ask(helper, sh(script), deadline_s=0.5) == (False, "no answer within 0.5 s")
    assert time.monotonic() - began < 10
    wait_for(lambda: not sleepers(marker), timeout=30)


def test_what_a_probe_leaves_behind_is_killed_also_double_forked(helper: Helper) -> None:
    marker = f"probe-{os.getpid()}-rest"
    script = f"(setsid sh -c 'sleep 600; echo {marker}' >/dev/null 2>&1 &) ; sh -c 'sleep 600; echo {marker}' & exit 0"
    assert ask(helper, sh(script)) == (True, "exit 0")
    wait_for(lambda: not sleepers(marker), timeout=30)
    wait_for(lambda: _children(helper.pid) == [], timeout=30)


def _children(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


def test_a_probe_whose_rest_keeps_the_output_open_answers_at_once(helper: Helper) -> None:
    began = time.monotonic()
    assert ask(helper, sh("sleep 600 & echo ready"))[1] == "exit 0: ready"
    assert time.monotonic() - began < 10


def test_sixty_hanging_probes_delay_no_other(helper: Helper) -> None:
    listener = socket.create_server(("127.0.0.1", 0), backlog=200)  # accepts in the kernel and never answers
    port = listener.getsockname()[1]
    for probe_id in range(100, 160):
        probe = sh("sleep 600") if probe_id % 2 else http(port)
        helper.send("probe", id=probe_id, probe=probe, environment=ENVIRONMENT, cwd=None, deadline_s=60)
    began = time.monotonic()
    assert ask(helper, sh("exit 0")) == (True, "exit 0")
    assert ask(helper, {"tcp": {"host": "127.0.0.1", "port": port}})[0]
    assert time.monotonic() - began < 5
    helper.ping()
    children = [int(pid) for pid in _children(helper.pid)]
    assert len(children) == 30
    assert helper.leave(10) == 0
    assert not any(map(alive, children))
    listener.close()


def test_a_cancelled_probe_is_killed_and_never_answers(helper: Helper) -> None:
    helper.send("probe", id=7, probe=sh("sleep 600"), environment=ENVIRONMENT, cwd=None, deadline_s=60)
    (child,) = wait_for(lambda: _children(helper.pid), timeout=30)
    helper.send("cancel", id=7)
    helper.send("cancel", id=8)
    wait_for(lambda: not alive(int(child)), timeout=30)
    assert ask(helper, sh("exit 0")) == (True, "exit 0")
    assert helper.waiting == []


# -- tcp and http --------------------------------------------------------------------------------------------------------


def test_a_tcp_probe_connects(helper: Helper) -> None:
    with server(lambda _: None) as port:
        assert ask(helper, {"tcp": {"host": "127.0.0.1", "port": port}}) == (
            True,
            f"127.0.0.1 port {port} accepts",
        )
        assert ask(helper, {"tcp": {"host": "localhost", "port": port}})[0]
    assert ask(helper, {"tcp": {"host": "127.0.0.1", "port": port}}) == (
        False,
        f"127.0.0.1 port {port}: Connection refused",
    )


def test_a_name_that_does_not_exist_is_said(helper: Helper) -> None:
    ok, detail = ask(helper, {"tcp": {"host": "no-such-host.invalid", "port": 80}}, deadline_s=5)
    assert not ok
    assert "name not found" in detail or "no answer within" in detail


@pytest.mark.parametrize(
    ("answer", "ok", "detail"),
    [
        (OK, True, "HTTP 200"),
        (b"HTTP/1.1 204 \r\n\r\n", True, "HTTP 204"),
        (b"HTTP/1.0 200\r\n\r\n", True, "HTTP 200"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + OK, True, "HTTP 200"),
        (b"HTTP/1.1 302 Found\r\nLocation: http://192.0.2.1/\r\n\r\n", True, "HTTP 302"),
        (b"HTTP/1.1 503 Service Unavailable\r\n\r\n", False, "HTTP 503"),
    ],
)
def test_an_http_probe_is_the_status_of_the_first_answer(
    helper: Helper, answer: bytes, ok: bool, detail: str
) -> None:
    with server(saying(answer)) as port:
        assert ask(helper, http(port)) == (ok, detail)


@pytest.mark.parametrize(
    "answer", [b"", b"220 smtp ready\r\n", b"x" * 100_000, b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 20_000]
)
def test_what_is_no_http_answer_is_said(helper: Helper, answer: bytes) -> None:
    with server(saying(answer)) as port:
        ok, detail = ask(helper, http(port))
    assert not ok
    assert "does not answer in HTTP" in detail or "reset" in detail.lower()


def test_an_expected_status_may_be_an_error(helper: Helper) -> None:
    with server(saying(b"HTTP/1.1 401 Unauthorized\r\n\r\n")) as port:
        assert ask(helper, http(port, status=[200, 401])) == (True, "HTTP 401")
        assert ask(helper, http(port, status=[200])) == (False, "HTTP 401")


def test_the_request_names_host_path_and_query(helper: Helper) -> None:
    seen: list[bytes] = []

    def answer(connection: socket.socket) -> None:
        seen.append(connection.recv(65536))
        connection.sendall(OK)

    with server(answer) as port:
        assert ask(helper, http(port, "/ready?deep=1"))[0]
    assert seen[0].startswith(f"GET /ready?deep=1 HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n".encode())


def test_a_body_without_end_neither_fills_memory_nor_fails_the_probe(helper: Helper) -> None:
    def answer(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            connection.sendall(b"x" * 65536)

    with server(answer) as port:
        assert ask(helper, http(port)) == (True, "HTTP 200")


def test_a_server_that_accepts_and_says_nothing_fails_at_the_deadline(helper: Helper) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        assert ask(helper, http(listener.getsockname()[1]), deadline_s=0.3) == (
            False,
            "no answer within 0.3 s",
        )


def test_https_asks_whoever_it_is(helper: Helper, tmp_path: Path) -> None:
    openssl = shutil.which("openssl")
    assert openssl, "openssl makes the certificate of this test"
    certificate, key = tmp_path / "cert", tmp_path / "key"
    subprocess.run(
        [
            openssl,
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-subj",
            "/CN=nobody",
            "-keyout",
            key,
            "-out",
            certificate,
        ],
        check=True,
        capture_output=True,
        timeout=60,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with server(saying(OK), tls=context) as port:
        assert ask(helper, http(port, scheme="https")) == (True, "HTTP 200")
    with server(lambda connection: connection.sendall(b"220 not this language\r\n")) as port:
        ok, detail = ask(helper, http(port, scheme="https"))
        assert not ok
        assert "SSL" in detail or "reset" in detail


@pytest.mark.parametrize(
    ("wanted", "status", "ok"),
    [
        (None, 200, True),
        (None, 399, True),
        (None, 404, False),
        (204, 204, True),
        ("204", 200, False),
        ("2xx", 250, True),
        ("200-299", 299, True),
        ("200-299", 300, False),
        ([301, "5xx"], 503, True),
        ([], 200, False),
    ],
)
def test_expected_statuses(wanted: object, status: int, ok: bool) -> None:
    assert expected(status, wanted) is ok


def test_a_status_that_is_none_is_refused() -> None:
    with pytest.raises(NotAProbeError):
        expected(200, "fine")


# -- the helper ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "probe",
    [
        {},
        {"exec": {}},
        {"exec": {"command": "ls"}},
        {"exec": None},
        {"tcp": {"host": "127.0.0.1"}},
        {"tcp": {"host": "127.0.0.1", "port": 70_000}},
        {"http": {}},
        {"http": {"url": "file:///etc/passwd"}},
        {"http": {"url": "http://127.0.0.1:0/"}},
        {"http": {"url": "http://127.0.0.1/a b\r\nX: y"}},
        {"http": {"url": "http://[::1/"}},
        "exec",
        None,
    ],
)
def test_what_is_no_probe_is_answered_in_words(helper: Helper, probe: Any) -> None:
    ok, detail = ask(helper, probe)
    assert not ok
    assert "not a probe" in detail
    helper.ping()


def test_messages_that_mean_nothing_are_passed_over(helper: Helper) -> None:
    helper.link.sock.send(b"not json")
    helper.link.sock.send(b'["a list"]')
    helper.send("probe", id="one", probe=sh("true"))
    helper.send("novelty", id=1)
    assert ask(helper, sh("exit 0"), deadline_s="soon", environment=None)[0] is True  # type: ignore[arg-type]


def test_a_thousand_probes_at_once_are_all_answered(helper: Helper) -> None:
    writable = select.poll()
    writable.register(helper.link, select.POLLOUT)
    with server(lambda _: None) as port:
        for probe_id in range(1000):
            probe = {"tcp": {"host": "127.0.0.1", "port": port}} if probe_id % 10 else sh("exit 0")
            while not helper.link.send(
                "probe", id=probe_id, probe=probe, environment=ENVIRONMENT, deadline_s=60
            ):
                writable.poll(10_000)
        answers: dict[int, bool] = {}
        while len(answers) < 1000:
            body = helper.receive("result").body
            answers[body["id"]] = body["ok"]
    assert all(answers.values())


def test_it_ends_with_its_channel_and_takes_its_probes_along(helper: Helper) -> None:
    helper.send("probe", id=7, probe=sh("sleep 600"), environment=ENVIRONMENT, cwd=None, deadline_s=60)
    (child,) = wait_for(lambda: _children(helper.pid), timeout=30)
    assert helper.leave() == 0
    assert not alive(int(child))


def test_a_helper_without_a_channel_does_not_stay() -> None:
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", _CHANNELLESS, str(Path(__file__).resolve().parents[3])],
        stderr=subprocess.PIPE,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert b"Bad file descriptor" in done.stderr


_CHANNELLESS = """
import os, sys
sys.path.insert(0, sys.argv[1])
os.closerange(3, 100)
from supervision.runtime.checkers import main
sys.exit(main([]))
"""


def test_a_killed_helper_leaves_no_zombie_and_the_next_one_works() -> None:
    with Helper("checkers") as first:
        first.ping()
        first.kill()
    with Helper("checkers") as second:
        assert ask(second, sh("exit 0")) == (True, "exit 0")
        assert second.leave() == 0
