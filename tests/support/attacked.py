"""A whole instance under attack: its own processes by name, to be killed and stopped, and whether it is whole again."""

import contextlib
import os
import random
import re
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg

from controlplane.embedded.connections import Connections
from supervision.runtime.client import ControlClient
from supervision.runtime.paths import Paths
from tests.support.foreground import RUNNING, Up, up
from tests.support.leftovers import descendants
from tests.support.waiting import wait_for
from tests.support.writers import Writers, make_token

CHILDREN = ("web@1", "web@2", "worker", "beat", "digester", "controller", "postgres", "redis")
HELPERS = ("courier", "sampler", "rotator", "checkers", "gateway")
BACKEND = "a backend of postgres"
TARGETS = (*CHILDREN, *HELPERS, BACKEND)
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
    port: int
    url: str
    token: str

    def pids(self, target: str) -> list[int]:
        """The process, with everything below it where that belongs to it."""
        if target in HELPERS:
            return [pid for name, pid in self.helpers() if name == target]
        key = "system/postgres" if target == BACKEND else f"system/{target}"
        found = [child.pid for child in self.started.observed().processes() if child.key == key]
        if not found or found[0] is None:
            return []
        if target == BACKEND:
            backends = [pid for pid in descendants(found[0]) if b"[local]" in _title(pid)]
            return [random.choice(backends)] if backends else []
        return [found[0]]

    def helpers(self) -> list[tuple[str, int]]:
        """Those that run, by name."""
        with ControlClient(Paths(self.data).control_socket) as client:
            told = client.call("status", timeout_s=30)["helpers"]
        return [(each["name"], int(each["pid"])) for each in told if each["pid"]]

    def kill(self, target: str) -> bool:
        """Whether it was there to be killed."""
        found = self.pids(target)
        for pid in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return bool(found)

    def stop_for(self, seconds: float, *targets: str) -> None:
        """All of them at once."""
        stopped = [pid for target in targets for pid in self.pids(target)]
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
        """Whether every tree runs as its newest revision says, and the system tree and all helpers stand."""
        try:
            stands = self.rows(STANDS)
        except psycopg.Error:
            return False
        ours = {child.key: child for child in self.started.observed().processes()}
        system = [child for key, child in ours.items() if key.startswith("system/")]
        if not all(child.state in ("running", "completed") for child in system):
            return False
        if not {name for name, _pid in self.helpers()}.issuperset(HELPERS):
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


@contextlib.contextmanager
def attacked(data: Path) -> Iterator[Platform]:
    """A running instance, stopped at the end."""
    with up(data, "--no-examples") as started:
        started.until(RUNNING)
        port = re.search(r"http://127\.0\.0\.1:(\d+)/livez", started.output)
        assert port is not None
        url = Connections.from_environment(Paths(data), {}).database_url
        yield Platform(data, started, int(port[1]), url, make_token(data))
        started.stop()


@contextlib.contextmanager
def under_load(platform: Platform) -> Iterator[Writers]:
    """Twenty writers over REST, each of which was told once that a write is accepted."""
    writers = Writers(platform.port, platform.token)
    writers.start()
    try:
        wait_for(
            lambda: all(told.accepted for told in writers.told.values()),
            timeout=120,
            what=f"everybody has written once: {writers.told}",
        )
        yield writers
    finally:
        writers.stop()
