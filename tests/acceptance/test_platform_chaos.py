"""Kill and stop each of our own processes under load: nothing acknowledged is lost, no connection refused, journal whole."""

import os
import random
import re
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from controlplane.embedded.connections import Connections
from supervision.runtime.client import ControlClient
from supervision.runtime.paths import Paths
from tests.support.foreground import RUNNING, Up, up
from tests.support.leftovers import descendants
from tests.support.stores import short_directory
from tests.support.waiting import wait_for
from tests.support.writers import Writers, make_token

CHILDREN = ("web@1", "web@2", "worker", "beat", "controller", "postgres", "redis")
HELPERS = ("courier", "sampler", "rotator", "checkers")
BACKEND = "a backend of postgres"
TARGETS = (*CHILDREN, *HELPERS, BACKEND)
AGREE_WITHIN_S = 50.0
"""Ten times the figure, which is 5 s after the last fault."""

GAPS = """
SELECT stream_epoch, count(*), count(DISTINCT seq), min(seq), max(seq)
FROM supervision_journalrecord
GROUP BY node_id, stream_epoch"""
STANDS = """
SELECT t.name, r.number, o.revision, c.state, c.pid
FROM supervision_tree AS t
JOIN supervision_treerevision AS r ON r.id = t.head_id
LEFT JOIN supervision_observedtree AS o ON o.name = t.name
LEFT JOIN supervision_observedchild AS c ON c.key = t.name || '/a' AND NOT c.removed
ORDER BY t.name"""
REVISIONS = """
SELECT r.number
FROM supervision_treerevision AS r
JOIN supervision_tree AS t ON t.id = r.tree_id
WHERE t.name = %s
ORDER BY r.number"""


@dataclass(slots=True)
class Platform:
    """A running instance under attack."""

    data: Path
    started: Up
    url: str

    def pids(self, target: str) -> list[int]:
        """The process, with everything below it where that belongs to it."""
        if target in HELPERS:
            with ControlClient(Paths(self.data).control_socket) as client:
                helpers = client.call("status", timeout_s=30)["helpers"]
            return [int(each["pid"]) for each in helpers if each["name"] == target and each["pid"]]
        key = "system/postgres" if target == BACKEND else f"system/{target}"
        found = [child.pid for child in self.started.observed().processes() if child.key == key]
        if not found or found[0] is None:
            return []
        if target == BACKEND:
            backends = [pid for pid in descendants(found[0]) if b"[local]" in _title(pid)]
            return [random.choice(backends)] if backends else []
        return [found[0]]

    def kill(self, target: str) -> None:
        for pid in self.pids(target):
            os.kill(pid, signal.SIGKILL)

    def stop_for(self, target: str, seconds: float) -> None:
        stopped = self.pids(target)
        for pid in stopped:
            os.kill(pid, signal.SIGSTOP)
        time.sleep(seconds)  # sleeping as the one who pulled the plug
        for pid in stopped:
            try:
                os.kill(pid, signal.SIGCONT)
            except ProcessLookupError:
                continue  # it was replaced meanwhile

    def rows(self, query: str, *arguments: object) -> list[tuple[object, ...]]:
        with psycopg.connect(self.url, connect_timeout=5) as connection:
            return connection.execute(query.encode(), arguments).fetchall()

    def agrees(self) -> bool:
        """Whether every tree runs as its newest revision says, and the system tree stands."""
        try:
            stands = self.rows(STANDS)
        except psycopg.Error:
            return False
        ours = {child.key: child for child in self.started.observed().processes()}
        system = [child for key, child in ours.items() if key.startswith("system/")]
        if not all(child.state in ("running", "completed") for child in system):
            return False
        return bool(stands) and all(
            wanted == revision and state == "running" and pid == ours[f"{name}/a"].pid
            for name, wanted, revision, state, pid in stands
        )


def _title(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def under_attack(attack: Callable[[Platform], None]) -> None:
    with short_directory() as base:
        data = base / "d"
        with up(data, "--no-examples") as started:
            started.until(RUNNING)
            port = re.search(r"http://127\.0\.0\.1:(\d+)/livez", started.output)
            assert port is not None
            url = Connections.from_environment(Paths(data), {}).database_url
            platform = Platform(data, started, url)
            writers = Writers(int(port[1]), make_token(data))
            writers.start()
            try:
                wait_for(
                    lambda: all(told.accepted for told in writers.told.values()),
                    timeout=120,
                    what=f"everybody has written once: {writers.told}",
                )
                attack(platform)
            finally:
                writers.stop()
            look_at(platform, writers)
            started.stop()


def look_at(platform: Platform, writers: Writers) -> None:
    wait_for(platform.agrees, timeout=AGREE_WITHIN_S, what=f"observed equals desired: {_stands(platform)}")
    for name, told in writers.told.items():
        stored = [row[0] for row in platform.rows(REVISIONS, name)]
        assert stored == list(range(1, len(stored) + 1)), f"{name}: revisions have no gap"
        assert told.accepted == sorted(set(told.accepted)), f"{name}: told in order, once each"
        assert set(told.accepted) <= set(stored), f"{name}: an acknowledged write was lost"
        assert not told.refused, told.refused
        assert len(told.accepted) > 1, told
    for epoch, count, distinct, least, most in platform.rows(GAPS):
        assert count == distinct, f"stream {epoch}: a record is there twice"
        assert isinstance(most, int)
        assert isinstance(least, int)
        assert count == most - least + 1, f"stream {epoch}: a record is missing"


def _stands(platform: Platform) -> object:
    try:
        return platform.rows(STANDS)
    except psycopg.Error as error:
        return repr(error)


def test_killing_and_stopping_each_of_our_processes_loses_nothing_and_refuses_nobody() -> None:
    def attack(platform: Platform) -> None:
        for target in TARGETS:
            platform.kill(target)
            time.sleep(0.5)  # not faster than a chain of accidents
        for target in ("web@1", "postgres", "courier"):
            platform.stop_for(target, 2.0)

    under_attack(attack)


@pytest.mark.soak
def test_long_kills_and_stops_of_ten_seconds() -> None:
    minutes = float(os.environ.get("OVERSTORY_SOAK_MINUTES", "10"))
    until = time.monotonic() + 60 * minutes
    chance = random.Random(4711)

    def attack(platform: Platform) -> None:
        for target in TARGETS:
            platform.kill(target)
            time.sleep(2)
            platform.stop_for(target, 10.0)
        while time.monotonic() < until:
            target = chance.choice(TARGETS)
            if chance.random() < 0.5:
                platform.kill(target)
            else:
                platform.stop_for(target, chance.uniform(0.5, 10.0))
            time.sleep(chance.uniform(0.2, 5.0))

    under_attack(attack)
