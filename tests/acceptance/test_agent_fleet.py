"""Agents of a fleet, with real nodes, a controller and a store: one tries a revision first, one moves to another node."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from agents.checkpoints.models import Checkpoint
from agents.configs.canaries import CanaryOptions
from agents.configs.models import AgentConfig, ConfigCanary
from agents.configs.services import put_config
from supervision.fleet import services as fleet
from supervision.trees.models import Rollout
from tests.controlplane.controller.controllers import controllers
from tests.support.database import TestStores
from tests.support.fleet import ADA, WAIT_S, Fleet, Host, apply, hosts
from tests.support.stores import short_directory
from tests.support.waiting import wait_for

pytestmark = pytest.mark.django_db(transaction=True)

MODULE = """
import os
from overstory.agent import Agent

def note(*words):
    line = " ".join(map(str, words)) + "\\n"
    at = os.open(os.environ["NOTES"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(at, line.encode())
    os.close(at)

class Crawler(Agent):
    def init(self, arguments):
        note("init", self.context.key, arguments["n"])
        if arguments.get("broken"):
            raise RuntimeError("this revision is broken")

    def run(self):
        self.wait_stopping(9999)

class Counter(Agent):
    def init(self, arguments):
        self.count = self.restore() or 0
        note("restored", os.environ["OVERSTORY_NODE"], self.count)

    def run(self):
        while not self.wait_stopping(0.02):
            self.count += 1
            self.checkpoint(self.count)
            note("saved", os.environ["OVERSTORY_NODE"], self.count)
"""


@pytest.fixture
def url(stores: TestStores) -> str:
    """Of pytest-django's database."""
    name = str(connection.settings_dict["NAME"])
    return stores.database_url.replace("/overstory?", f"/{name}?")


@pytest.fixture
def two(stores: TestStores, url: str) -> Iterator[Fleet]:
    a = Host("a", database_url=url, redis_url=stores.redis_url)
    b = Host("b", database_url=url, redis_url=stores.redis_url)
    with short_directory() as directory, controllers(1, url, directory), hosts(a, b):
        (directory / "fleetagents.py").write_text(MODULE)
        made = Fleet(a, b, directory)
        made.joined()
        yield made


def put(two: Fleet, name: str, cls: str, *, canary: CanaryOptions | None = None, **arguments: Any) -> None:
    document = {
        "entry_point": f"fleetagents:{cls}",
        "cwd": str(two.directory),
        "environment": {"NOTES": str(two.directory / name)},
        "arguments": arguments,
    }
    put_config(namespace="shop", name=name, document=document, message="", actor=ADA, canary=canary)


def notes(two: Fleet, name: str) -> list[list[str]]:
    path = Path(two.directory / name)
    return [line.split() for line in path.read_text().splitlines()] if path.exists() else []


def canary(two: Fleet, state: str) -> ConfigCanary:
    def probe() -> ConfigCanary | None:
        row = ConfigCanary.objects.select_related("revision").order_by("-id").first()
        return row if row is not None and row.state == state else None

    return wait_for(probe, timeout=WAIT_S, what=f"{ConfigCanary.objects.values()} {two.told()}")


def newest() -> int | None:
    return AgentConfig.objects.values_list("head__number", flat=True).get(name="crawler")


def document(tree: str, **child: Any) -> dict[str, Any]:
    one = {"id": "agent", "agent": {"config": f"shop/{tree}"}, **child}
    supervisor = {"children": [one], "intensity": 3, "period": 5}
    return {"version": 1, "tree": tree, "supervisor": supervisor, "placement": {"labels": {"host": "a"}}}


def test_one_instance_tries_a_revision_and_takes_nobody_along_when_it_is_broken(two: Fleet) -> None:
    put(two, "crawler", "Crawler", n=1)
    apply(document("crawler", instances=3))
    keys = [f"crawler/agent@{number}" for number in (1, 2, 3)]
    for key in keys:
        two.a.wait_state(key, "running")
    two.settled("crawler", on="a")

    def pids() -> dict[str, int]:
        return {key: two.a.child(key)["pid"] for key in keys}

    before = pids()
    put(two, "crawler", "Crawler", n=2, canary=CanaryOptions(observe_s=2.0))
    wait_for(lambda: pids()[keys[0]] not in (None, before[keys[0]]), timeout=WAIT_S, what=two.told())
    assert (pids()[keys[1]], pids()[keys[2]], newest()) == (before[keys[1]], before[keys[2]], 1)
    canary(two, "done")
    assert newest() == 2
    wait_for(lambda: ["init", keys[2], "2"] in notes(two, "crawler"), timeout=WAIT_S, what=two.told())
    tried = two.a.child(keys[0])
    assert (tried["state"], tried["restarts"]) == ("running", 0), "it goes on in the life that was tried"
    for key in keys:
        two.a.wait_state(key, "running")
    wait_for(lambda: two.place("crawler") == "a", timeout=WAIT_S)
    before = pids()

    wait_for(lambda: not Rollout.objects.filter(state="running").exists(), timeout=WAIT_S, what=two.told())
    put(two, "crawler", "Crawler", n=3, broken=True, canary=CanaryOptions(observe_s=2.0))
    failed = canary(two, "failed")
    assert failed.key == keys[0]
    assert f"{keys[0]} ended" in failed.reason
    assert newest() == 2
    two.a.wait_state(keys[0], "running")
    assert [words for words in notes(two, "crawler") if words[-1] == "3"] == [["init", keys[0], "3"]], (
        "tried once"
    )
    assert notes(two, "crawler")[-1] == ["init", keys[0], "2"]
    assert (pids()[keys[1]], pids()[keys[2]]) == (before[keys[1]], before[keys[2]])
    assert two.a.views()["crawler"]["restarts"] == 0, "no supervisor gave up"


def test_an_agent_that_moves_to_another_node_goes_on_from_its_newest_checkpoint(two: Fleet) -> None:
    put(two, "counter", "Counter")
    apply({**document("counter"), "placement": {"singleton": True}})
    place = two.settled("counter")
    wait_for(lambda: len(notes(two, "counter")) > 50, timeout=WAIT_S, what=two.told())
    node = two.node(place)
    assert node is not None
    fleet.drain_node(node_id=node.pk, actor=ADA, reason="maintenance")
    there = "b" if place == "a" else "a"
    two.settled("counter", on=there)
    two.host(there).wait_state("counter/agent", "running")
    wait_for(lambda: counts(two, "saved", there), timeout=WAIT_S, what=two.told())
    saved, restored = counts(two, "saved", place), counts(two, "restored", there)
    assert restored[0] == saved[-1], "not one acknowledged step is lost when it is moved in order"
    other = two.node(there)
    assert other is not None
    wait_for(
        lambda: Checkpoint.objects.filter(key="counter/agent", node_id=other.pk).exists(),
        timeout=WAIT_S,
        what="the new place carries its own",
    )
    fleet.undrain_node(node_id=node.pk, actor=ADA)
    two.host(there).die()
    wait_for(lambda: len(counts(two, "restored", place)) > 1, timeout=WAIT_S, what=two.told())
    last, back = counts(two, "saved", there)[-1], counts(two, "restored", place)[-1]
    assert restored[0] < back <= last, "what was carried of the lost place, not what this node had of before"


def counts(two: Fleet, word: str, place: str) -> list[int]:
    """What agents on this host noted with `word`, in order."""
    node = two.node(place)
    assert node is not None
    return [int(words[2]) for words in notes(two, "counter") if words[:2] == [word, node.pk]]
