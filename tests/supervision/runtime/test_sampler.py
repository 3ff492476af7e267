"""The sampler: what it reads of real processes, and what it tells on its socket."""

import contextlib
import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from supervision.runtime.clock import SystemClock
from supervision.runtime.paths import SAMPLER_SOCKET
from supervision.runtime.sampler import Sampler
from supervision.runtime.sampler_disk import measure
from supervision.runtime.sampler_processes import SampledProcesses
from supervision.runtime.sampler_reading import parse, read_memory
from tests.support.engine import SLEEP, Engine, child, python, tree
from tests.support.waiting import wait_for

BUSY = python("import os, time\nprint(flush=True)\nend = time.time() + 60\nwhile time.time() < end: pass")
FAMILY = python(
    "import subprocess, sys\n"
    "p = [subprocess.Popen(['/bin/sleep', '60']) for _ in range(3)]\n"
    "subprocess.Popen(['/bin/sleep', '60'], start_new_session=True)\n"
    "print('there', flush=True)\n"
    "sys.stdin.read()"
)


@contextlib.contextmanager
def running(argv: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
    try:
        if argv != SLEEP:
            assert process.stdout is not None
            process.stdout.readline()
        yield process
    finally:
        for below in [*_below(process.pid), process.pid]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(below, 9)
        process.communicate()


def _below(pid: int) -> list[int]:
    out = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False
    )
    return [int(word) for word in out.stdout.split()]


@pytest.fixture
def processes() -> Iterator[SampledProcesses]:
    made = SampledProcesses(SystemClock())
    yield made
    made.close()


def test_a_line_of_proc_is_read_whatever_the_command_is_called() -> None:
    line = b"7 (a) b (c) S 1 7 7 0 -1 4194560 1 0 0 0 250 50 0 0 20 0 3 0 4242 1000 17 184467 1 1"
    reading = parse(line)
    assert (reading.ppid, reading.ticks, reading.threads, reading.start_time) == (1, 300, 3, 4242)
    assert reading.rss == 17 * os.sysconf("SC_PAGE_SIZE")


def test_a_child_is_summed_up_with_everything_below_it(processes: SampledProcesses) -> None:
    with running(FAMILY) as family:
        processes.set_children([("t/a", 1, family.pid, 0)], whole=True)
        processes.look()
        sample = processes.look()["t/a"]
        assert sample.children == 4
        assert sample.threads == 5
        assert sample.cpu is not None
        assert sample.rss is not None
        assert sample.rss > 5 << 20
        assert sample.fds is None or sample.fds >= 12


def test_cpu_is_a_part_of_one_core(processes: SampledProcesses) -> None:
    with running(BUSY) as busy, running(SLEEP) as idle:
        processes.set_children([("t/busy", 1, busy.pid, 0), ("t/idle", 1, idle.pid, 0)], whole=True)
        assert processes.look()["t/busy"].cpu is None  # one look is no rate
        time.sleep(0.7)  # the time that is measured
        samples = processes.look()
        assert samples["t/busy"].cpu is not None
        assert 0.02 < samples["t/busy"].cpu <= 1.2
        assert samples["t/idle"].cpu == 0.0


def test_who_is_gone_is_a_gap(processes: SampledProcesses) -> None:
    with running(SLEEP) as first:
        processes.set_children([("t/a", 1, first.pid, 0)], whole=True)
        assert "t/a" in processes.look()
    assert processes.look() == {}
    with running(SLEEP) as second:
        processes.set_children([("t/a", 2, second.pid, 0)], whole=False)
        assert "t/a" in processes.look()
        processes.set_children([], whole=True)
        assert processes.look() == {}


def test_another_process_with_that_number_is_not_taken(processes: SampledProcesses) -> None:
    processes.set_children([("t/a", 1, os.getpid(), 12345)], whole=True)
    assert processes.look() == {}


def test_memory_that_is_shared_out_fairly_is_read_in_turn(processes: SampledProcesses) -> None:
    processes.set_children([("t/a", 1, os.getpid(), 0)], whole=True)
    processes.look()
    assert read_memory(os.getpid())[0] is not None

    def pss() -> int | None:
        return processes.look()["t/a"].pss

    assert wait_for(pss, timeout=20) > 1 << 20
    assert read_memory(0x3FFFFFFF) == (None, None)


def test_a_new_incarnation_begins_with_nothing() -> None:
    clock = SystemClock()
    processes = SampledProcesses(clock)
    sampler = Sampler(processes, clock)
    with running(SLEEP) as first, running(SLEEP) as second:
        processes.set_children([("t/a", 1, first.pid, 0)], whole=True)
        sampler.look()
        assert sampler.frame["key"] == ["t/a"]
        assert sampler.frame["incarnation"] == [1]
        assert sampler.frame["cpu"] == [None]
        processes.set_children([("t/a", 2, second.pid, 0)], whole=True)
        sampler.look()
        history = sampler.history("t/a", 60)
        assert (history["incarnation"], len(history["samples"])) == (2, 1)
        assert sampler.history("t/nobody", 60) == {"key": "t/nobody", "incarnation": None, "samples": []}
    processes.close()


class Client:
    """A client of the sampler's socket."""

    def __init__(self, engine: Engine) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(20)
        try:
            self.socket.connect(str(engine.paths.runtime_dir / SAMPLER_SOCKET))
        except OSError:
            self.socket.close()
            raise
        self.file = self.socket.makefile("rwb")

    def ask(self, **request: Any) -> dict[str, Any]:
        self.file.write(json.dumps(request).encode() + b"\n")
        self.file.flush()
        return self.next()

    def next(self) -> dict[str, Any]:
        body: dict[str, Any] = json.loads(self.file.readline())
        return body

    def close(self) -> None:
        self.file.close()
        self.socket.close()


def test_the_helper_tells_of_every_child_each_second_and_survives_its_own_death() -> None:
    with Engine() as engine:
        engine.apply(tree("t", child("a"), child("b")))
        engine.wait_state("t/b", "running")

        def connect() -> Client | None:
            with contextlib.suppress(OSError):
                return Client(engine)
            return None

        def everybody() -> dict[str, Any] | None:
            client = wait_for(connect, timeout=30)
            try:
                frame = client.ask(op="follow")
                for _ in range(5):
                    if {"t/a", "t/b", "system/@node"} <= set(frame["key"]) and None not in frame["cpu"]:
                        return frame
                    frame = client.next()
                return None
            except (ValueError, OSError):
                return None
            finally:
                client.close()

        frame = wait_for(everybody, timeout=30)
        threads = dict(zip(frame["key"], frame["threads"], strict=True))
        assert (threads["t/a"], threads["t/b"], threads["system/@node"]) == (1, 1, 1)
        below = dict(zip(frame["key"], frame["children"], strict=True))
        assert below["system/@node"] == below["system/@guardian"] == 0
        assert {"system/@sampler", "system/@checkers", "system/@rotator"} <= below.keys()
        assert all(rss > 0 for rss in frame["rss"])
        client = Client(engine)
        assert [one["threads"] for one in client.ask(op="history", key="t/a", seconds=60)["samples"]]
        assert client.ask(op="minutes", since=0)["fields"][0] == "n"
        client.close()
        old = next(h["pid"] for h in engine.call("status")["helpers"] if h["name"] == "sampler")
        os.kill(old, 9)
        wait_for(everybody, timeout=30)
        bad = Client(engine)
        bad.file.write(b"nonsense\n")
        bad.file.flush()
        assert bad.file.readline() == b""
        bad.close()


HOLDER = python(
    "import os, socket, subprocess, sys, time\n"
    "listening = socket.create_server(('127.0.0.1', 0))\n"
    "near = [socket.create_connection(listening.getsockname()) for _ in range(3)]\n"
    "far = [listening.accept()[0] for _ in range(3)]\n"
    "near[0].close()\n"
    "for _ in range(2): os.fork() or os._exit(0)\n"
    "time.sleep(0.2)\n"
    "print('there', flush=True)\n"
    "if sys.stdin.readline(): os.execv('/bin/sleep', ['sleep', '60'])"
)


def test_sockets_by_state_zombies_and_a_new_image_are_seen(processes: SampledProcesses) -> None:
    with running(HOLDER) as holder:
        processes.set_children([("t/a", 1, holder.pid, 0)], whole=True)
        processes.look()
        sample = processes.look()["t/a"]
        assert (sample.children, sample.zombies, sample.sockets) == (0, 2, 6)
        assert processes.socket_states("t/a") == {"listen": 1, "established": 4, "close_wait": 1}
        assert sample.uss is not None
        assert sample.pss is not None
        assert 0 < sample.uss <= sample.pss <= (sample.rss or 0) + (1 << 20)
        image = processes.children["t/a"].image
        assert image > 0
        assert holder.stdin is not None
        holder.stdin.write(b"go\n")
        holder.stdin.flush()
        wait_for(lambda: processes.look() and processes.children["t/a"].image != image, timeout=20)


def test_storage_and_switches_are_told_by_the_second(processes: SampledProcesses, tmp_path: Path) -> None:
    file = tmp_path / "out"
    writer = python(
        "import os, sys, time\n"
        f"f = os.open({str(file)!r}, os.O_WRONLY | os.O_CREAT)\n"
        "print(flush=True)\n"
        "for _ in range(600): os.write(f, bytes(1 << 16)); os.fsync(f); time.sleep(0.1)"
    )
    with running(writer) as process:
        processes.set_children([("t/a", 1, process.pid, 0)], whole=True)

        def moving() -> bool:
            sample = processes.look().get("t/a")
            return sample is not None and bool(sample.switches) and sample.written is not None

        wait_for(moving, timeout=60)


def test_what_is_in_a_directory_is_measured_without_following_links(tmp_path: Path) -> None:
    assert measure(str(tmp_path / "none")) is None
    empty = measure(str(tmp_path))
    assert empty is not None
    below = tmp_path / "below"
    below.mkdir()
    (below / "data").write_bytes(os.urandom(1 << 20))
    (below / "again").hardlink_to(below / "data")
    (tmp_path / "link").symlink_to("/")
    found = measure(str(tmp_path))
    assert found is not None
    assert 1 << 20 <= found - empty < 2 << 20


def test_what_the_sampler_holds_open_of_others_is_no_leak_of_its_own(processes: SampledProcesses) -> None:
    own = ("system/@sampler", 1, os.getpid(), 0)
    with contextlib.ExitStack() as stack:
        others = [(f"t/{n}", 1, stack.enter_context(running(SLEEP)).pid, 0) for n in range(5)]
        processes.set_children([own], whole=True, alone=(own[0],))
        before = processes.look()[own[0]].fds
        held = len(list(Path("/proc/self/fd").iterdir()))
        processes.set_children(others, whole=False)
        assert len(list(Path("/proc/self/fd").iterdir())) == held + len(others)
        assert processes.look()[own[0]].fds == before
