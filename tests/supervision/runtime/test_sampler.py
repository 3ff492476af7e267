"""The sampler: what it reads of real processes, and what it tells on its socket."""

import contextlib
import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import pytest

from supervision.runtime.clock import SystemClock
from supervision.runtime.paths import SAMPLER_SOCKET
from supervision.runtime.sampler import Sampler
from supervision.runtime.sampler_processes import SampledProcesses, parse, read_pss
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
    assert read_pss(os.getpid()) is not None

    def pss() -> int | None:
        return processes.look()["t/a"].pss

    assert wait_for(pss, timeout=20) > 1 << 20
    assert read_pss(0x3FFFFFFF) is None


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
                    if frame["key"] == ["t/a", "t/b"] and None not in frame["cpu"]:
                        return frame
                    frame = client.next()
                return None
            except (ValueError, OSError):
                return None
            finally:
                client.close()

        frame = wait_for(everybody, timeout=30)
        assert frame["threads"] == [1, 1]
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
