"""Overstory watches itself: an idle instance finds no leak, and one that is planted in its own process is found."""

import contextlib
import os
import socket
import time
from pathlib import Path

import pytest

from supervision.leaks.watch import NodeWatch
from supervision.runtime.clock import SystemClock
from supervision.runtime.sampler import Sampler
from supervision.runtime.sampler_processes import SampledProcesses
from tests.support.attacked import attacked
from tests.support.engine import Engine
from tests.support.waiting import wait_for

SPEED = 10.0
MOST, EACH_S = 60, 1.15
"""Connections, and how many a second: a node keeps 64, and what is certain after 45 seconds has to have come by then."""
FOUND = "SELECT key, resource, verdict FROM supervision_leakfinding WHERE ended_at IS NULL ORDER BY id"
EVER = "SELECT key, resource, verdict FROM supervision_leakfinding WHERE found_at > %s ORDER BY id"
"""What begins fills its memory: on a busy machine that may take a minute, and looks like a flood."""
SHARED = "SELECT kind, subject, verdict FROM supervision_sharedleak WHERE found_at IS NOT NULL ORDER BY id"
LOOKED = "SELECT max(ended_at) IS NOT NULL FROM controlplane_periodicjob WHERE name = 'look_at_shared' AND error = ''"


class QuickClock(SystemClock):
    """Ten seconds pass in one."""

    def __init__(self) -> None:
        super().__init__()
        self._wall, self._boot = super().wall(), super().boot()

    def wall(self) -> float:
        return self._wall + (super().wall() - self._wall) * SPEED

    def boot(self) -> float:
        return self._boot + (super().boot() - self._boot) * SPEED


def test_connections_that_a_node_of_ours_is_left_with_are_found_in_it() -> None:
    """Planted from outside: clients connect to its control socket and never leave. The program is what it always is."""
    clock = QuickClock()
    sampler, watch = Sampler(SampledProcesses(clock), clock), NodeWatch()
    clients: list[socket.socket] = []
    found: dict[str, str] = {}
    with Engine() as engine, contextlib.ExitStack() as stack:
        stack.callback(sampler.processes.close)
        sampler.processes.set_children([("system/@node", 1, engine.node_pid(), 0)], whole=True)
        began, path = clock.wall(), str(engine.paths.control_socket)

        def look() -> bool:
            while len(clients) < min(MOST, EACH_S * (clock.wall() - began)):
                clients.append(stack.enter_context(socket.socket(socket.AF_UNIX)))
                clients[-1].connect(path)
            sampler.look()
            found.update({one.resource: one.key for one in watch.take(sampler.frame)})
            return bool(found)

        wait_for(look, timeout=60, every=1 / SPEED, what="it is found")
    assert found.keys() <= {"sockets", "fds"}
    assert set(found.values()) == {"system/@node"}


@pytest.mark.soak
def test_an_idle_instance_finds_nothing_and_what_is_planted_in_its_web_process_is_found(
    tmp_path: Path,
) -> None:
    minutes = float(os.environ.get("OVERSTORY_SOAK_MINUTES", "60"))
    with attacked(tmp_path / "data") as platform:
        [(began,)] = platform.rows("SELECT clock_timestamp()")
        time.sleep(60 * minutes)  # as everybody does at night
        assert platform.rows(LOOKED) == [(True,)]
        assert (platform.rows(EVER, began), platform.rows(SHARED)) == ([], [])
        with contextlib.ExitStack() as stack:

            def plant() -> bool:
                """Five connections a second that never say anything: nothing in the program ends them."""
                for _ in range(5):
                    stack.enter_context(socket.create_connection(("127.0.0.1", platform.port), timeout=10))
                return any("system/web@" in str(key) for key, _, _ in platform.rows(FOUND))

            planted = time.monotonic()
            wait_for(plant, timeout=600, every=1.0, what="a finding in a web process")
            print(f"found after {time.monotonic() - planted:.0f} s: {platform.rows(FOUND)}")
        assert {str(key) for key, _, _ in platform.rows(FOUND)} <= {"system/web@1", "system/web@2"}
