"""Agents that were created and deleted leave nothing behind: no row, key, timer, subscription, process, descriptor or file.

What is kept on purpose is left out by name: the journal and its rows, the output of the last thousand that ended, samples of
15 minutes, and the numbers of lives, so that none is used twice.
"""

import contextlib
import json
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import redis
from django.apps import apps
from django.utils import timezone

from agents.checkpoints import services as checkpoints
from agents.checkpoints.models import Checkpoint
from controlplane.courier.sampling import SamplerClient
from supervision.trees import services
from supervision.trees.models import Placement, Tree
from tests.controlplane.courier.joined import ANN, WAIT_S, Joined, joined
from tests.support.database import TestStores
from tests.support.engine import alive
from tests.support.waiting import wait_for

pytestmark = pytest.mark.django_db(transaction=True)

PROGRAM = """
from overstory import registry
from overstory.agent import Agent

class Busy(Agent):
    def init(self, arguments):
        registry.register(self.channel, self.key, service="busy")
        self.channel.subscribe("ended", lambda push: None)
        self.checkpoint({"some": "state"})
        self.gauges(queue_length=1)
        self.count(orders=1)
        if self.key.endswith("1"):
            self.spawn_child("below", ["/bin/sleep", "3600"], when_agent_dies="adopt")

    def handle_config(self, arguments):
        pass

    def run(self):
        self.wait_stopping(3600)
"""
KEPT = {
    "JournalRecord", "StreamCursor", "StreamBase", "Incarnation", "AuditEntry", "Command", "ProgramCursor", "Stray",
    "SampleMinute", "SampleHour", "AgentCounter", "AgentGauge", "Tree", "TreeRevision", "SubmittedId", "Session", "Node",
}  # fmt: skip
"""Rows of what happened, which retention ends."""
KEPT_FILES = ("journal", "logs", "spool", "exits", "overstory.log", "stderr", "desired")


@dataclass(frozen=True, slots=True)
class Left:
    """What there is of a host, in numbers and names."""

    rows: dict[str, int]
    keys: frozenset[bytes]
    files: frozenset[str]
    status: tuple[int, int, int, int]
    """Children, trees, templates, descriptors that the node watches."""
    descriptors: dict[str, dict[str, int]]
    """Open ones of the node and its helpers, by what they are."""


def left(host: Joined, stores: TestStores) -> Left:
    """Checkpoints stay for a week, as a tree that was deleted may come back: counted is what is left after that."""
    rows = {}
    Checkpoint.objects.update(received_at=timezone.now() - 2 * checkpoints.GONE_AFTER)
    checkpoints.drop_old()
    for model in apps.get_models():
        if model._meta.app_label in ("agents", "supervision") and model.__name__ not in KEPT:
            rows_of = model._default_manager.all()
            if model.__name__ == "ObservedChild":
                rows_of = rows_of.filter(removed=False)
            rows[model.__name__] = rows_of.count()
    with redis.Redis.from_url(stores.redis_url, socket_timeout=5) as client:
        keys = frozenset(client.scan_iter())
    files = frozenset(
        str(path.relative_to(host.data_dir))
        for path in host.data_dir.rglob("*")
        if path.relative_to(host.data_dir).parts[0] not in KEPT_FILES
    )
    status = host.call("status")
    pids = {"node": status["pid"]} | {helper["name"]: helper["pid"] for helper in status["helpers"]}
    return Left(
        rows, keys, files, (status["children"], status["trees"], len(status["templates"]), status["watched"]),
        {name: open_in(pid) for name, pid in pids.items() if name != "courier"},
    )  # fmt: skip


def open_in(pid: int) -> dict[str, int]:
    """How many of each kind: `socket`, `anon_inode`, or the directory of a file."""
    kinds: Counter[str] = Counter()
    for path in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            target = str(path.readlink())
            kinds[target.split(":")[0] if ":" in target else str(Path(target).parent)] += 1
    return dict(kinds)


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Path]:
    made = tmp_path / "busy"
    made.mkdir()
    (made / "busy.py").write_text(PROGRAM)
    yield made
    shutil.rmtree(made)


def create_and_delete(host: Joined, directory: Path, count: int, name: str) -> None:
    agent = {
        "entry_point": "busy:Busy",
        "cwd": str(directory),
        "on_change": "deliver",
        "ready_within": "600s",
    }
    document: dict[str, Any] = {
        "version": 1, "tree": name,
        "supervisor": {
            "intensity": 1000, "stop": "parallel", "children": [{"id": "busy", "instances": count, "agent": agent}],
        },
    }  # fmt: skip
    services.apply_tree(document=document, message="", actor=ANN)
    tree = Tree.objects.get(name=name)
    assert tree.head is not None
    Placement.objects.create(
        tree=tree, node_id=host.node_id(), revision=tree.head, assigned_at=tree.created_at
    )
    keys = [f"{name}/busy@{number}" for number in range(1, count + 1)]

    def running() -> list[dict[str, Any]] | None:
        views = host.views()
        found = [views[key] for key in keys if key in views and views[key]["state"] == "running"]
        return found if len(found) == count else None

    views = wait_for(running, timeout=WAIT_S * 8, every=0.5, what=f"{count} run; {host.log()[-2000:]}")
    await_gauges(host, keys[:1])
    pids = [view["pid"] for view in views] + [own["pid"] for view in views for own in view["own_children"]]
    services.delete_tree(name=name, actor=ANN, reason="")
    wait_for(lambda: not host.call("trees")["trees"], timeout=WAIT_S * 4, every=0.2, what="it is gone")
    wait_for(lambda: not Placement.objects.filter(tree__name=name).exists(), timeout=WAIT_S * 2, every=0.2)
    wait_for(lambda: not any(map(alive, pids)), timeout=WAIT_S)


def await_gauges(host: Joined, keys: list[str]) -> None:
    """What they measure has gone its whole way once: the gateway connects to the sampler with the first of it, for good."""
    with SamplerClient(host.paths, timeout_s=WAIT_S) as sampler:
        for frame in map(json.loads, islice(sampler.follow(), int(WAIT_S))):
            told = dict(zip(frame["key"], frame["gauges"], strict=True))
            if all((told.get(key) or {}).get("queue_length") for key in keys):
                return
    raise AssertionError(f"the sampler knows no gauges of {keys}")


def settled(host: Joined, stores: TestStores) -> Left:
    """The same three times in a row: no client that was just served is among what is open."""
    seen: list[Left] = []

    def same() -> Left | None:
        seen.append(left(host, stores))
        return seen[-1] if len(seen) > 2 and seen[-1] == seen[-2] == seen[-3] else None

    return wait_for(same, timeout=WAIT_S * 2, every=0.5, what="it settles")


def nothing_is_left(host: Joined, stores: TestStores, directory: Path, count: int) -> None:
    create_and_delete(host, directory, 1, "first")  # what is made once, for good
    host.wait_shipped()
    before = settled(host, stores)

    create_and_delete(host, directory, count, "many")
    host.wait_shipped()

    def same() -> bool:
        return left(host, stores) == before

    def told() -> str:
        now = left(host, stores)
        return str([(name, getattr(before, name), getattr(now, name)) for name in Left.__slots__
                    if getattr(before, name) != getattr(now, name)])  # fmt: skip

    try:
        wait_for(same, timeout=WAIT_S * 2, every=1.0)
    except AssertionError:
        raise AssertionError(f"left behind: {told()}; {host.log()[-3000:]}") from None


def test_agents_that_are_deleted_leave_nothing_behind(
    stores: TestStores, transactional_db: None, directory: Path
) -> None:
    with joined(stores) as host:
        nothing_is_left(host, stores, directory, 20)


@pytest.mark.soak
def test_a_thousand_agents_that_are_deleted_leave_nothing_behind(
    stores: TestStores, transactional_db: None, directory: Path
) -> None:
    with joined(stores) as host:
        nothing_is_left(host, stores, directory, 1000)
