"""The guardian at its edges: what it does not start with, how it stops, what it holds; deaths are acceptance tests."""

import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
from multiprocessing.connection import wait as wait_ready
from pathlib import Path

import pytest

from supervision.runtime import boot
from supervision.runtime.client import ControlError
from supervision.runtime.guardian_state import (
    STATE_VARIABLE,
    AlreadyRunningError,
    GuardianState,
    take_lock,
)
from supervision.runtime.paths import Paths
from tests.support.engine import Engine, alive, child, python, tree
from tests.support.waiting import wait_for


def run(data_dir: Path, *args: str) -> subprocess.CompletedProcess[str]:
    argv = boot.command("guardian", "--data-dir", str(data_dir), *args)
    return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)


# -- starting -------------------------------------------------------------------------------------------------------------


def test_a_second_guardian_is_refused_with_the_first_ones_pid() -> None:
    with Engine() as engine:
        done = run(engine.data_dir)
        assert done.returncode == 1
        assert (
            done.stderr == f"guardian: {engine.data_dir} is in use by guardian pid {engine.guardian_pid()}\n"
        )
        assert engine.call("status")["guardian_pid"] == engine.guardian_pid()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("executables = 7\n", "executables"),
        ("colour = 'red'\n", "colour"),
        ("executables = [\n", "node.toml"),
        ("\xff", "node.toml"),
    ],
)
def test_settings_that_cannot_be_read_end_it_with_the_reason(tmp_path: Path, text: str, words: str) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "node.toml").write_bytes(text.encode("latin-1"))
    done = run(data)
    assert done.returncode == 1
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_settings_that_break_later_do_not_end_what_runs() -> None:
    """A node that dies then cannot start; children run on, and are supervised again when the file is mended."""
    with Engine() as engine:
        engine.apply(tree("t", child("a")))
        view = engine.wait_state("t/a", "running")
        settings = engine.data_dir / "node.toml"
        good = settings.read_text()
        settings.write_text("executables = 7\n")
        old = engine.kill_node()
        wait_for(lambda: engine.log().count("settings cannot be used") > 1, timeout=30)
        assert alive(view["pid"])
        settings.write_text(good)
        wait_for(lambda: engine.wait_answer()["pid"] != old, timeout=60)
        assert engine.child("t/a")["pid"] == view["pid"]


def test_an_upgrade_without_an_interpreter_is_refused_and_all_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    interpreter = tmp_path / "python"
    interpreter.symlink_to(sys.executable)
    monkeypatch.setattr(sys, "executable", str(interpreter))
    with Engine() as engine:
        engine.apply(tree("t", child("a")))
        before = engine.wait_state("t/a", "running")["pid"]
        guardian_pid, node = engine.guardian_pid(), engine.node_pid()
        interpreter.unlink()
        with pytest.raises(ControlError, match=r"the interpreter .* is not there any more"):
            engine.call("reexec", what="both")
        assert guardian_pid is not None
        for pid in (node, guardian_pid):
            os.kill(pid, signal.SIGUSR2)
        wait_for(lambda: engine.log().count("upgrade refused") == 2, timeout=30)
        assert (engine.guardian_pid(), engine.node_pid()) == (guardian_pid, node)
        os.kill(before, signal.SIGKILL)
        assert engine.wait_incarnation("t/a", 1)["last_exit"]["reason"] == "signal(9)"
        interpreter.symlink_to(os.path.realpath("/proc/self/exe"))


def test_a_node_that_dies_after_an_upgrade_that_lost_the_interpreter_is_replaced_by_a_fork(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    interpreter = tmp_path / "python"
    interpreter.symlink_to(sys.executable)
    monkeypatch.setattr(sys, "executable", str(interpreter))
    with Engine() as engine:
        started = engine.call("status")["started"]
        engine.call("reexec", what="node")
        wait_for(lambda: engine.call("status")["started"] > started, timeout=30)
        interpreter.unlink()
        old = engine.kill_node()
        wait_for(lambda: engine.wait_answer()["pid"] != old, timeout=30)
        assert "the next node runs the code that we have loaded" in engine.log()


def test_a_data_directory_that_cannot_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = run(tmp_path / "file")
    assert (done.returncode, done.stderr) == (1, f"guardian: {tmp_path / 'file'} is not a directory\n")


def test_a_runtime_directory_too_deep_for_a_socket_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if os.access("/run", os.W_OK):
        pytest.skip("sockets stand below /run here")
    monkeypatch.setenv("XDG_RUNTIME_DIR", "")
    monkeypatch.setenv("TMPDIR", str(tmp_path / ("x" * 100)))
    Path(os.environ["TMPDIR"]).mkdir()
    done = run(tmp_path / "data")
    assert done.returncode == 1
    assert "longer than the 107 bytes" in done.stderr


# -- what it holds --------------------------------------------------------------------------------------------------------


def test_the_lock_is_one_holders_and_says_whose(tmp_path: Path) -> None:
    paths = Paths(tmp_path)
    fd = take_lock(paths)
    os.pwrite(fd, b"guardian pid 7\n", 0)
    assert not os.get_inheritable(fd)
    with pytest.raises(AlreadyRunningError, match=r"is in use by guardian pid 7$"):
        take_lock(paths)
    os.close(fd)
    again = take_lock(paths)
    fcntl.flock(again, fcntl.LOCK_UN)
    os.close(again)


def test_a_lock_that_nobody_signed_is_an_unknown_processes(tmp_path: Path) -> None:
    fd = take_lock(Paths(tmp_path))
    with pytest.raises(AlreadyRunningError, match="in use by an unknown process"):
        take_lock(Paths(tmp_path))
    os.close(fd)


def test_its_state_survives_its_own_exec(monkeypatch: pytest.MonkeyPatch) -> None:
    state = GuardianState("promote", {"lock": 3, "listen:x": 9}, 4711, "/log")
    monkeypatch.setenv(STATE_VARIABLE, state.to_environment())
    assert GuardianState.from_environment() == state
    assert STATE_VARIABLE not in os.environ, "no child sees it"
    assert GuardianState.from_environment() is None


def test_state_of_an_older_guardian_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(STATE_VARIABLE, json.dumps({"v": 1, "on_death": "stop", "fds": {"lock": 3}}))
    assert GuardianState.from_environment() == GuardianState("stop", {"lock": 3}, None, "-")


def test_a_client_that_connects_while_the_node_is_replaced_waits_and_is_answered() -> None:
    with Engine() as engine:
        node = engine.node_pid()
        os.kill(node, signal.SIGSTOP)
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(30)
            client.connect(str(engine.paths.control_socket))
            client.sendall(b'{"id":1,"op":"status"}\n')
            os.kill(node, signal.SIGKILL)
            reader = client.makefile("rb")
            hello = json.loads(reader.readline())
            assert hello["pid"] != node
            assert json.loads(reader.readline())["ok"]
            reader.close()


# -- stopping -------------------------------------------------------------------------------------------------------------


DEAF = python(
    "import signal, time; signal.signal(15, signal.SIG_IGN); print('x', flush=True); time.sleep(3600)"
)


def deaf(engine: Engine) -> int:
    """The pid of a child that ignores its stop for a minute."""
    engine.apply(tree("t", child("a", DEAF, shutdown="60s"), child("b")))
    out = engine.paths.logs_dir / "t" / "a" / "1.out"
    wait_for(lambda: out.exists() and out.read_text(), timeout=30)
    return int(engine.child("t/a")["pid"])


def await_end(engine: Engine) -> int:
    assert engine.guardian is not None
    pidfd = os.pidfd_open(engine.guardian.pid)
    assert wait_ready([pidfd], 30), engine.log()
    os.close(pidfd)
    return engine.guardian.wait(timeout=30)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_stops_everything_in_order_and_leaves_no_file(number: int) -> None:
    with Engine() as engine:
        engine.apply(tree("t", child("a"), child("b")))
        engine.wait_state("t/b", "running")
        runtime = engine.paths.runtime_dir
        assert engine.guardian is not None
        engine.guardian.send_signal(number)
        assert await_end(engine) == 0
        assert not engine.paths.runtime_json.exists()
        assert not runtime.exists()
        assert engine.records("node")[-1]["what"] == "stopped"
        assert not engine.processes()


def test_a_second_signal_kills_what_does_not_stop() -> None:
    with Engine() as engine:
        pid = deaf(engine)
        assert engine.guardian is not None
        engine.guardian.terminate()
        wait_for(lambda: engine.child("t/b")["state"] == "stopped", timeout=30)
        assert alive(pid)
        engine.guardian.terminate()
        assert await_end(engine) == 0
        assert not alive(pid)
        assert engine.records("node")[-1]["what"] == "stopped", "in order, only faster"


def test_however_often_it_is_asked_nothing_is_left() -> None:
    """As an impatient person does; a third signal that arrives ends it without waiting for the node."""
    with Engine() as engine:
        pid, node = deaf(engine), engine.node_pid()
        guardian_process = engine.guardian
        assert guardian_process is not None

        def ask_again() -> bool:
            guardian_process.terminate()
            return guardian_process.poll() is not None

        wait_for(ask_again, timeout=30)
        assert not alive(pid)
        assert not alive(node)
        assert not engine.processes()


def test_a_signal_to_the_node_is_a_request_to_stop_everything() -> None:
    with Engine() as engine:
        engine.apply(tree("t", child("a")))
        os.kill(engine.node_pid(), signal.SIGTERM)
        assert await_end(engine) == 0
        assert not engine.processes()


def test_a_node_that_dies_while_everything_stops_is_replaced_and_the_stop_goes_on() -> None:
    with Engine() as engine:
        pid = deaf(engine)
        assert engine.guardian is not None
        engine.guardian.terminate()
        wait_for(lambda: engine.child("t/b")["state"] == "stopped", timeout=30)
        engine.kill_node()
        wait_for(engine.wait_answer, timeout=30)
        assert alive(pid)
        os.kill(pid, signal.SIGKILL)
        assert await_end(engine) == 0
        assert not engine.processes()
