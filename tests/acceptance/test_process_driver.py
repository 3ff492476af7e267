"""What a process child may ask for, with real programs: readiness, watchdog, sockets, jobs, limits, reload, descendants."""

import itertools
import json
import os
import resource
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from supervision.runtime.client import ControlError
from tests.support.engine import Engine, alive, child, python, tree
from tests.support.waiting import wait_for

NOTIFY = """
import os, socket, sys, time
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
def tell(text): s.sendto(text.encode(), os.environ["NOTIFY_SOCKET"])
"""


_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def shared() -> Iterator[Engine]:
    """For tests that neither kill nor stop what they share."""
    with Engine() as engine:
        yield engine


@pytest.fixture
def name() -> str:
    """Of a tree that no test before had, so that its children begin with their first life."""
    return f"t{next(_numbers)}"


@pytest.fixture
def engine(shared: Engine) -> Iterator[Engine]:
    yield shared
    for one in shared.call("tree")["trees"]:
        shared.call("delete", tree=one["name"])


def test_a_child_with_sd_notify_is_starting_until_it_says_ready_and_its_dependent_waits_for_it(
    engine: Engine, name: str, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    code = NOTIFY + f"open({str(gate)!r}).read()\ntell('READY=1\\nSTATUS=serving')\ntime.sleep(3600)"
    ready = child("db", python(code), process={"readiness": {"notify": True}})
    engine.apply(tree(name, ready, child("web", depends_on=["db"]), child("other")))
    engine.wait_state(f"{name}/other", "running")
    assert engine.child(f"{name}/db")["state"] == "starting"
    waiting = engine.child(f"{name}/web")
    assert (waiting["state"], waiting["pid"], waiting["waiting_for"]) == ("waiting", None, [f"{name}/db"])
    gate.write_text("go")
    assert engine.wait_state(f"{name}/db", "running")["status"] == "serving"
    engine.wait_state(f"{name}/web", "running")


def test_a_child_that_is_not_ready_by_its_deadline_fails_to_start_and_is_tried_again(
    engine: Engine, name: str
) -> None:
    slow = child("a", process={"readiness": {"notify": True, "deadline": "200ms"}})
    engine.apply(tree(name, slow, intensity=1000))
    view = wait_for(
        lambda: (v := engine.child(f"{name}/a")) and v["incarnation"] > 1 and v["last_exit"] and v, timeout=30
    )
    assert view["last_exit"]["reason"] == "start_failed(not ready within 0.2 s)"


@pytest.mark.parametrize("probe", ["exec", "tcp", "http"])
def test_a_probe_makes_a_child_ready_once_it_succeeds(
    engine: Engine, name: str, probe: str, tmp_path: Path
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    flag = tmp_path / "flag"
    server = (
        "import http.server, pathlib, socketserver\n"
        "class H(http.server.BaseHTTPRequestHandler):\n"
        "    def do_GET(self):\n        self.send_response(200); self.end_headers(); self.wfile.write(b'ok')\n"
        "    def log_message(self, *a): pass\n"
        f"s = socketserver.TCPServer(('127.0.0.1', {port}), H)\n"
        f"pathlib.Path({str(flag)!r}).write_text('up')\n"
        "s.serve_forever()\n"
    )
    readiness = {
        "exec": {"exec": {"command": ["/usr/bin/test", "-e", str(flag)]}},
        "tcp": {"tcp": {"host": "127.0.0.1", "port": port}},
        "http": {"http": {"url": f"http://127.0.0.1:{port}/", "status": [200]}},
    }[probe]
    section = {"readiness": {**readiness, "interval": "100ms"}}
    engine.apply(tree(name, child("a", python(server), process=section)))
    engine.wait_state(f"{name}/a", "running")
    assert flag.exists()


def test_a_child_that_stops_petting_its_watchdog_is_killed_and_restarted(engine: Engine, name: str) -> None:
    code = NOTIFY + "tell('WATCHDOG=1')\ntime.sleep(3600)"
    engine.apply(tree(name, child("a", python(code), process={"watchdog": "300ms"}), intensity=100))
    view = engine.wait_incarnation(f"{name}/a", 1)
    assert view["last_exit"]["reason"] == "watchdog"


def test_a_listening_socket_outlives_the_child_and_the_node() -> None:
    code = (
        "import os, socket\n"
        "assert os.environ['LISTEN_PID'] == str(os.getpid()), 'LISTEN_PID'\n"
        "s = socket.socket(fileno=3)\n"
        "while True:\n    c, _ = s.accept(); c.sendall(str(os.getpid()).encode()); c.close()\n"
    )
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    def ask() -> int:
        with socket.create_connection(("127.0.0.1", port), timeout=30) as client:
            return int(client.recv(100) or b"0")

    def kill(pid: int) -> None:
        os.kill(pid, signal.SIGKILL)  # until it is dead it may still take the next connection with it
        wait_for(lambda: not alive(pid), timeout=30)

    sockets = {"sockets": [{"name": "http", "type": "tcp", "address": f"127.0.0.1:{port}"}]}
    with Engine() as engine:
        engine.apply(tree("t", child("a", python(code), process=sockets), intensity=100))
        view = engine.wait_state("t/a", "running")
        assert ask() == view["pid"]
        for _ in range(3):
            pid = ask()
            kill(pid)
            assert ask() not in (0, pid)  # the connection waited in the backlog
        old = engine.kill_node()
        wait_for(lambda: engine.wait_answer()["pid"] != old, timeout=30)
        pid = ask()
        kill(pid)
        assert ask() not in (0, pid)


def test_pre_start_runs_before_and_post_stop_after_each_life(
    engine: Engine, name: str, tmp_path: Path
) -> None:
    trace = tmp_path / "trace"

    def note(word: str) -> list[str]:
        return python(f"open({str(trace)!r}, 'a').write({word!r} + '\\n')")

    main = python(f"open({str(trace)!r}, 'a').write('main\\n')\nimport time; time.sleep(3600)")
    section = {"pre_start": [note("pre1"), note("pre2")], "post_stop": [note("post")]}
    engine.apply(tree(name, child("a", main, process=section)))
    view = engine.wait_state(f"{name}/a", "running")
    wait_for(lambda: trace.read_text().count("main") == 1, timeout=30)
    os.kill(view["pid"], signal.SIGKILL)
    engine.wait_incarnation(f"{name}/a", 1)
    wait_for(lambda: trace.read_text().count("main") == 2, timeout=30)
    engine.call("stop", key=f"{name}/a")
    life = ["pre1", "pre2", "main", "post"]
    assert trace.read_text().split() == [*life, *life]


def test_a_pre_start_command_that_fails_ends_the_start_with_its_name(engine: Engine, name: str) -> None:
    section = {"pre_start": [["/bin/false"]]}
    engine.apply(tree(name, child("a", process=section), on_failure={"action": "stay_down"}))
    engine.wait_state(name, "failed")
    reason = engine.child(f"{name}/a")["last_exit"]["reason"]
    assert reason == "start_failed(pre_start `/bin/false`: exit(1))"


def test_a_program_that_does_not_exist_is_refused_by_name_before_anything_runs(
    engine: Engine, name: str
) -> None:
    with pytest.raises(ControlError) as refused:
        engine.apply(tree(name, child("a", ["/no/such/program"])))
    assert "/no/such/program" in refused.value.message
    assert engine.call("tree")["trees"] == []


def test_a_one_shot_job_completes_with_its_result_and_is_not_restarted(engine: Engine, name: str) -> None:
    good = child("good", ["/bin/true"], restart="temporary")
    bad = child("bad", ["/bin/sh", "-c", "exit 7"], restart="temporary")
    engine.apply(tree(name, good, bad, child("other")))
    assert engine.wait_state(f"{name}/good", "completed")["last_exit"]["reason"] == "normal"
    assert engine.wait_state(f"{name}/bad", "failed")["last_exit"]["reason"] == "exit(7)"


def test_a_success_exit_code_is_a_normal_end_for_a_transient_child(engine: Engine, name: str) -> None:
    job = child("a", ["/bin/sh", "-c", "exit 3"], restart="transient", success_exit_codes=[3])
    engine.apply(tree(name, job, child("other")))
    assert engine.wait_state(f"{name}/a", "completed")["incarnation"] == 1


def test_the_last_lines_of_stderr_stand_beside_an_abnormal_exit(engine: Engine, name: str) -> None:
    code = ["/bin/sh", "-c", "for n in $(seq 30); do echo line $n >&2; done; exit 5"]
    engine.apply(tree(name, child("a", code, restart="temporary"), child("b")))
    engine.wait_state(f"{name}/a", "failed")
    evidence = wait_for(
        lambda: [each for each in engine.records("exit") if each["key"] == f"{name}/a"], timeout=30
    )[0]
    assert evidence["reason"] == "exit(5)"
    assert evidence["stderr"] == [f"line {number}" for number in range(11, 31)]


def test_a_child_that_ignores_its_stop_signal_is_killed_at_its_timeout_with_its_grandchildren(
    engine: Engine, name: str, tmp_path: Path
) -> None:
    pids = tmp_path / "pids"
    code = (
        "import os, signal, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "pid = os.fork()\n"
        f"open({str(pids)!r}, 'a').write(str(os.getpid()) + '\\n')\n"
        "time.sleep(3600)\n"
    )
    engine.apply(tree(name, child("a", python(code), shutdown="300ms")))
    wait_for(lambda: pids.exists() and len(pids.read_text().split()) == 2, timeout=30)
    engine.call("stop", key=f"{name}/a")
    view = engine.child(f"{name}/a")
    assert (view["state"], view["last_exit"]["reason"]) == ("stopped", "timeout")
    assert not any(alive(int(pid)) for pid in pids.read_text().split())


def test_environment_limits_directory_umask_and_nice_reach_the_child(tmp_path: Path) -> None:
    out = tmp_path / "out"
    code = (
        "import json, os, resource\n"
        "m = os.umask(0)\n"
        "facts = {'env': dict(os.environ), 'cwd': os.getcwd(), 'nofile': resource.getrlimit(resource.RLIMIT_NOFILE),"
        " 'core': resource.getrlimit(resource.RLIMIT_CORE), 'nice': os.nice(0), 'umask': m,"
        " 'fds': sorted(int(n) for n in os.listdir('/proc/self/fd'))}\n"
        f"open({str(out)!r} + '.new', 'w').write(json.dumps(facts)); os.rename({str(out)!r} + '.new', {str(out)!r})\n"
        "import time; time.sleep(3600)\n"
    )
    section = {
        "environment": {"GREETING": "hello"},
        "cwd": str(tmp_path),
        "umask": "027",
        "nice": 5,
        "limits": {"nofile": {"soft": 100, "hard": 200}, "core": 0},
    }
    secrets = {"DATABASE_URL": "postgres://secret", "SECRET_KEY": "secret", "OVERSTORY_SECRET_X": "secret"}
    with Engine(environment=secrets) as engine:
        document = tree("t", child("a", python(code), process=section))
        document["environment"] = {"TREE_WIDE": "yes", "GREETING": "overridden"}
        engine.apply(document)
        wait_for(out.exists, timeout=30)
        facts = json.loads(out.read_text())
        assert facts["env"]["GREETING"] == "hello"
        assert facts["env"]["TREE_WIDE"] == "yes"
        assert facts["env"]["OVERSTORY_CHILD"] == "t/a"
        assert facts["env"]["OVERSTORY_INCARNATION"] == "1"
        assert not any("secret" in value for value in facts["env"].values())
        assert facts["cwd"] == str(tmp_path)
        assert facts["nofile"] == [100, 200]
        assert facts["core"][0] == 0
        assert facts["nice"] == 5
        assert facts["umask"] == 0o027
        assert [fd for fd in facts["fds"] if fd > 2] in ([], [3])  # 3 is the listing itself


def test_a_child_gets_back_the_descriptor_limit_that_the_node_raised_for_itself(
    engine: Engine, name: str, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    engine.apply(
        tree(name, child("a", ["/bin/sh", "-c", f"ulimit -Sn > {out}.new; mv {out}.new {out}; sleep 3600"]))
    )
    wait_for(out.exists, timeout=30)
    assert int(out.read_text()) == resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def test_reload_sends_the_reload_signal_and_restarts_nothing(
    engine: Engine, name: str, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    code = (
        "import signal, time\n"
        f"signal.signal(signal.SIGUSR1, lambda *_: open({str(out)!r}, 'a').write('x'))\n"
        + NOTIFY
        + "tell('READY=1')\nwhile True: time.sleep(3600)"
    )
    section = {"reload": "signal", "reload_signal": "USR1", "readiness": {"notify": True}}
    engine.apply(tree(name, child("a", python(code), process=section)))
    view = engine.wait_state(f"{name}/a", "running")
    engine.call("reload", key=f"{name}/a")
    wait_for(out.exists, timeout=30)
    assert engine.child(f"{name}/a")["pid"] == view["pid"]


@pytest.mark.skipif(
    os.getuid() != 0, reason="another user needs root; the refusal as an ordinary user is tested apart"
)
def test_a_child_runs_as_the_user_it_names(engine: Engine, name: str) -> None:
    engine.apply(tree(name, child("a", process={"user": "nobody"})))
    view = engine.wait_state(f"{name}/a", "running")
    assert Path(f"/proc/{view['pid']}").stat().st_uid == 65534


def test_dynamic_children_are_added_survive_the_node_and_are_removed() -> None:
    template = child("job")
    pool = {
        "id": "pool",
        "supervisor": {"strategy": "simple_one_for_one", "children": [template], "max_children": 3},
    }
    with Engine() as engine:
        engine.apply(tree("t", pool))
        engine.wait_state("t/pool", "running")
        for label in ("one", "two", "three"):
            engine.call("start_child", supervisor="t/pool", instance=label)
        with pytest.raises(ControlError) as refused:
            engine.call("start_child", supervisor="t/pool", instance="four")
        assert refused.value.code == "conflict"
        before = engine.wait_state("t/pool/two", "running")
        old = engine.kill_node()
        wait_for(lambda: engine.wait_answer()["pid"] != old, timeout=30)
        assert engine.child("t/pool/two")["pid"] == before["pid"]
        engine.call("delete_child", key="t/pool/two")
        assert "t/pool/two" not in engine.views()
        assert not alive(before["pid"])


def test_holding_suspends_restarts_until_released(engine: Engine, name: str) -> None:
    engine.apply(tree(name, child("a")))
    view = engine.wait_state(f"{name}/a", "running")
    engine.call("hold", key=f"{name}/a")
    os.kill(view["pid"], signal.SIGKILL)
    engine.wait_state(f"{name}/a", "held")
    engine.call("release", key=f"{name}/a")
    engine.wait_incarnation(f"{name}/a", 1)


def test_a_hold_ends_by_itself_at_its_expiry(engine: Engine, name: str) -> None:
    engine.apply(tree(name, child("a")))
    view = engine.wait_state(f"{name}/a", "running")
    engine.call("hold", key=f"{name}/a", seconds=0.3)
    os.kill(view["pid"], signal.SIGKILL)
    engine.wait_incarnation(f"{name}/a", 1)


def test_applying_a_new_revision_touches_only_what_changed_and_does_what_plan_said(
    engine: Engine, name: str
) -> None:
    engine.apply(tree(name, child("a"), child("b"), child("c")))
    engine.wait_state(f"{name}/c", "running")
    before = {key: view["pid"] for key, view in engine.views().items() if view["kind"] == "process"}
    new = tree(name, child("a"), child("b", ["/bin/sleep", "7200"]), child("d"))
    plan = engine.call("plan", spec=new)
    did = {(step["do"], step["key"]) for step in plan["steps"] if step["do"] != "keep"}
    assert did == {
        ("stop", f"{name}/c"),
        ("stop", f"{name}/b"),
        ("start", f"{name}/b"),
        ("start", f"{name}/d"),
    }
    assert engine.apply(new)["revision"] == 2
    engine.wait_state(f"{name}/d", "running")
    after = engine.views()
    assert after[f"{name}/a"]["pid"] == before[f"{name}/a"]
    assert after[f"{name}/b"]["pid"] != before[f"{name}/b"]
    assert f"{name}/c" not in after
    assert engine.apply(new)["changes"] == 0


def test_a_deleted_tree_leaves_nothing_and_its_numbers_are_not_used_again(engine: Engine, name: str) -> None:
    engine.apply(tree(name, child("a")))
    view = engine.wait_state(f"{name}/a", "running")
    engine.call("delete", tree=name)
    assert engine.call("tree")["trees"] == []
    assert not alive(view["pid"])
    engine.apply(tree(name, child("a")))
    assert engine.wait_state(f"{name}/a", "running")["incarnation"] == 2


def test_a_clean_stop_and_start_brings_the_trees_back_and_what_was_stopped_stays_stopped() -> None:
    with Engine() as engine:
        engine.apply(tree("t", child("a"), child("b")))
        engine.wait_state("t/b", "running")
        engine.call("stop", key="t/b")
        engine.stop()
        engine.start()
        assert engine.wait_state("t/a", "running")["incarnation"] == 2
        assert engine.child("t/b")["state"] == "stopped"


def test_sessions_of_their_own_below_a_living_child_are_its_own_and_no_strays(tmp_path: Path) -> None:
    """PostgreSQL's backends: sessions of their own, with nothing of ours in their environment."""
    pids = tmp_path / "pids"
    scrubbed = f"import os, time\nopen({str(pids)!r}, 'a').write(str(os.getpid()) + ' ')\ntime.sleep(3600)"
    code = (
        "import os, sys, time\n"
        "for _ in range(3):\n"
        "    if os.fork() == 0:\n"
        f"        os.setsid(); os.execve(sys.executable, [sys.executable, '-I', '-S', '-c', {scrubbed!r}], {{}})\n"
        "time.sleep(3600)\n"
    )
    with Engine() as engine:
        engine.apply(tree("t", child("a", python(code))))
        wait_for(lambda: pids.exists() and len(pids.read_text().split()) == 3, timeout=30)
        found = [int(pid) for pid in pids.read_text().split()]
        old = engine.kill_node()  # a new node looks at everything in its cgroup
        wait_for(lambda: engine.wait_answer()["pid"] != old, timeout=30)
        time_of_scan = engine.call("status")["now"]
        wait_for(lambda: engine.call("status")["now"] > time_of_scan + 7, timeout=30, every=0.5)
        assert all(alive(pid) for pid in found)
        assert engine.call("strays")["strays"] == []
        os.kill(engine.child("t/a")["pid"], signal.SIGKILL)
        engine.wait_incarnation("t/a", 1)
        assert not any(alive(pid) for pid in found)
