"""The control plane dead while agents work: they go on, bounded, and all that they said arrives, once and in order."""

import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from supervision.runtime.clock import SystemClock
from supervision.runtime.journal_reader import read
from tests.controlplane.courier.joined import WAIT_S
from tests.controlplane.courier.test_program_events_away import CURSOR
from tests.controlplane.courier.test_store_failures import Host
from tests.support.engine import tree
from tests.support.own_stores import OwnStores, own_stores
from tests.support.waiting import elapsed, wait_for

PROGRAM = """
import asyncio, os
from pathlib import Path
from overstory.agent import Agent

class Sayer(Agent):
    grace_s = 30.0

    async def run(self):
        said = 0
        while not self.stopping:
            said += 1
            self.channel.event("dead.said", {"n": said, "more": "x" * 200})
            self.count(said=1)
            await asyncio.sleep(0.004)
        whole = await asyncio.to_thread(self.channel.flush, 25.0)
        Path(os.environ["NOTES"], self.key.rpartition("/")[2]).write_text(f"{said} {whole}")
"""
AGENTS = [f"t/sayer@{number}" for number in (1, 2, 3)]
MORE_MB = 24.0
"""What an agent or the gateway may take more than before: the program's own bound is 16 MiB of events."""
CLOCK = SystemClock()


@pytest.fixture(scope="module")
def own() -> Iterator[OwnStores]:
    with own_stores() as stores:
        yield stores


def rss_mb(pid: int) -> float:
    text = Path(f"/proc/{pid}/status").read_text()
    return float(text.partition("VmRSS:")[2].split()[0]) / 1024


def is_in_order(host: Host) -> int:
    """What lies on the node's disk is each agent's events, each once and in order; how many."""
    last: dict[str, int] = {}
    records = [record for record in read(str(host.paths.spool_dir)) if record.get("what") == "dead.said"]
    for record in records:
        number = record["body"]["n"]
        assert number == last.get(record["key"], number - 1) + 1, f"{record['key']}: {number} after {last}"
        last[record["key"]] = number
    assert set(last) == set(AGENTS)
    return len(records)


def work_alone(own: OwnStores, directory: Path, seconds: float) -> None:
    (directory / "saying.py").write_text(PROGRAM)
    notes = directory / "notes"
    notes.mkdir()
    host = Host(own)
    with host:
        host.wait_joined()
        agent = {"entry_point": "saying:Sayer", "cwd": str(directory), "environment": {"NOTES": str(notes)}}
        host.apply(tree("t", {"id": "sayer", "instances": 3, "shutdown": "60s", "agent": agent}))

        def taken() -> tuple[int, ...]:
            rows = own.query(CURSOR, host.node_id())
            return tuple(rows[0]) if rows else (0, 0, 0, 0)

        wait_for(lambda: taken()[0] > 100, timeout=WAIT_S, every=0.2, what=host.log()[-2000:])
        views = {key: host.child(key) for key in AGENTS}
        gateway = next(h["pid"] for h in host.call("status")["helpers"] if h["name"] == "gateway")
        pids = [gateway, *(view["pid"] for view in views.values())]
        before = {pid: rss_mb(pid) for pid in pids}
        for name in ("postgres", "redis"):
            own.kill(name)
        try:
            until = CLOCK.boot() + seconds
            while CLOCK.boot() < until:
                host.kill_courier(signal.SIGKILL)
                wait_for(elapsed(0.5), timeout=10)
                for pid in pids:
                    assert rss_mb(pid) - before[pid] < MORE_MB, "memory is bounded"
            assert is_in_order(host) > 100 * seconds / 4, "they went on all the while"
            for key, view in views.items():
                assert (host.child(key)["pid"], host.child(key)["incarnation"]) == (view["pid"], 1)
        finally:
            own.start_postgres()
            own.start_redis()
        host.call("stop", key="t")
        wait_for(lambda: len(list(notes.iterdir())) == len(AGENTS), timeout=WAIT_S)
        said = [path.read_text().split() for path in notes.iterdir()]
        assert {whole for _, whole in said} == {"True"}, "all is on the node's disk"
        total = sum(int(count) for count, _ in said)
        wait_for(lambda: taken()[0] >= total, timeout=WAIT_S * 2, every=0.2, what=host.log()[-2000:])
        assert taken() == (total, total, 0, 0), "once each, none failed, none lost"


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Path]:
    made = tmp_path / "saying"
    made.mkdir()
    yield made
    shutil.rmtree(made)


def test_agents_work_on_while_stores_and_courier_are_dead(own: OwnStores, directory: Path) -> None:
    work_alone(own, directory, 4.0)


@pytest.mark.soak
def test_agents_work_on_for_a_minute_while_stores_and_courier_are_dead(
    own: OwnStores, directory: Path
) -> None:
    work_alone(own, directory, 60.0)
