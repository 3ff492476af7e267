"""Edits of a config reach living agents: delivered, acknowledged, and never one that was not committed."""

import json
import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agents.configs import services as configs
from agents.configs.models import AgentConfig, AgentConfigRevision
from agents.exceptions import ChangedMeanwhileError
from supervision.journal.models import JournalRecord
from supervision.trees import services
from supervision.trees.models import Placement, Tree
from tests.controlplane.api.test_races import at_once
from tests.controlplane.courier.joined import ANN, WAIT_S, Joined, joined
from tests.support.database import TestStores
from tests.support.waiting import wait_for

pytestmark = pytest.mark.django_db(transaction=True)

PROGRAM = """
import json, os
from overstory.agent import Agent

class Noting(Agent):
    def note(self, what, arguments):
        said = json.dumps([self.key, self.incarnation, what, dict(arguments)]) + "\\n"
        file = os.open(os.environ["NOTES"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.write(file, said.encode())
        os.close(file)
        if arguments["step"] < 0:
            raise ValueError("a step goes forward")

class Plain(Noting):
    def init(self, arguments): self.note("init", arguments)
    def handle_config(self, arguments): self.note("config", arguments)
    def run(self): self.wait_stopping(3600)

class Looping(Noting):
    async def init(self, arguments):
        self.note("init", {**arguments, "step": abs(arguments["step"])})
    async def handle_config(self, arguments): self.note("config", arguments)
    async def run(self):
        import asyncio
        await asyncio.Event().wait()
"""
KEYS = ("shop/plain", "shop/looping")
WRITERS = 20


class Shop:
    """A joined node with an agent of each kind; both run the config `shop/step`."""

    def __init__(self, host: Joined, directory: Path) -> None:
        self.host, self.notes = host, directory / "notes"
        self.environment = {"NOTES": str(self.notes), "PYTHONPATH": str(directory)}
        self.put(1)
        children = [
            {
                "id": name.lower(),
                "agent": {"config": "shop/step", "entry_point": f"noting:{name}", "cwd": str(directory)},
            }
            for name in ("Plain", "Looping")
        ]
        tree = {"version": 1, "tree": "shop", "supervisor": {"intensity": 1000, "children": children}}
        services.apply_tree(document=tree, message="", actor=ANN)
        found = Tree.objects.get(name="shop")
        assert found.head is not None
        Placement.objects.create(
            tree=found, node_id=host.node_id(), revision=found.head, assigned_at=found.created_at
        )
        for key in KEYS:
            wait_for(lambda key=key: host.views().get(key, {}).get("state") == "running", timeout=WAIT_S)  # type: ignore[misc]

    def put(self, step: int, *, by: str = "", expected: str | None = None) -> int:
        """A revision; its number."""
        document = {
            "entry_point": "noting:Plain", "arguments": {"step": step, "by": by}, "on_change": "deliver",
            "environment": self.environment,
        }  # fmt: skip
        applied = configs.put_config(
            namespace="shop", name="step", document=document, message=by, actor=ANN, expected=expected
        )
        return applied.revision.number

    def ran(self, key: str) -> list[list[Any]]:
        """[incarnation, how it came, arguments] of every configuration that the agent ran."""
        lines = self.notes.read_text().splitlines() if self.notes.exists() else []
        return [said[1:] for said in map(json.loads, lines) if said[0] == key]

    def wait_said(self, key: str, configured: dict[str, Any]) -> None:
        wait_for(lambda: self.host.child(key)["configured"] == configured, timeout=WAIT_S)

    def wait_ran(self, key: str, step: int) -> None:
        wait_for(
            lambda: self.ran(key)[-1][2]["step"] == step, timeout=WAIT_S,
            what=f"{key} runs {step}: {self.ran(key)[-3:]}; {self.host.log()[-1000:]}",
        )  # fmt: skip


@pytest.fixture
def shop(stores: TestStores, transactional_db: None, tmp_path: Path) -> Iterator[Shop]:
    directory = tmp_path / "shop"
    directory.mkdir()
    (directory / "noting.py").write_text(PROGRAM)
    with joined(stores) as host:
        yield Shop(host, directory)
    shutil.rmtree(directory)


def test_an_edit_is_delivered_and_acknowledged_and_one_that_cannot_be_taken_begins_another_life(
    shop: Shop,
) -> None:
    host = shop.host
    before = {key: host.child(key) for key in KEYS}
    second = shop.put(2)
    for key in KEYS:
        shop.wait_ran(key, 2)
        shop.wait_said(key, {"revision": second, "problem": ""})
        assert [one[:2] for one in shop.ran(key)] == [[1, "init"], [1, "config"]], (
            "once, and not at the start"
        )
        view = host.child(key)
        assert (view["pid"], view["incarnation"]) == (before[key]["pid"], 1), "the life goes on"
    assert host.child(KEYS[0])["restarts"] == 0
    host.kill_node()  # what it knew of that, its successor is told
    wait_for(lambda: host.wait_answer() and host.child(KEYS[0])["configured"], timeout=WAIT_S)
    assert host.child(KEYS[0])["configured"] == {"revision": second, "problem": ""}

    third = shop.put(-1)
    view = host.wait_incarnation("shop/looping", 1)
    assert view["last_exit"]["reason"] == "exit(1)"
    assert shop.ran("shop/looping")[-1][:2] == [2, "init"], "and that begins with what was delivered"
    wait_for(lambda: [2, "init", {"step": -1, "by": ""}] in shop.ran("shop/plain"), timeout=WAIT_S)
    host.wait_shipped()
    said = JournalRecord.objects.filter(kind="process", key__in=KEYS, body__has_key="config")
    told = [(row.key, row.body["config"]) for row in said.order_by("id")]
    for key in KEYS:
        wanted = {"revision": third, "problem": "ValueError: a step goes forward"}
        assert (key, wanted) in told, f"the control plane knows why: {told}"
    fourth = shop.put(4)
    for key in KEYS:
        shop.wait_ran(key, 4)
    assert fourth == third + 1


def storm(shop: Shop, edits: int) -> None:
    """20 writers, each with the revision that it saw; the agents run meanwhile."""
    first = AgentConfigRevision.objects.latest("number").number

    def write(index: int) -> tuple[int, int]:
        """(revisions made, refusals told)."""
        made = told = 0
        chance = random.Random(index)
        for number in range(edits):
            seen = AgentConfig.objects.select_related("head").get(namespace="shop", name="step").tag
            try:
                shop.put(chance.randrange(1, 10**9), by=f"w{index}.{number}", expected=seen)
                made += 1
            except ChangedMeanwhileError:
                told += 1
        return made, told

    outcomes = at_once(WRITERS, write)
    made, told = sum(one[0] for one in outcomes), sum(one[1] for one in outcomes)
    assert made + told == WRITERS * edits
    assert made >= edits, "somebody always gets through"
    rows = list(AgentConfigRevision.objects.filter(number__gt=first).order_by("number"))
    assert [row.number for row in rows] == list(range(first + 1, first + 1 + made)), "each once, in order"
    for key in KEYS:
        shop.wait_ran(key, rows[-1].document["arguments"]["step"])
    order = {json.dumps(row.document["arguments"], sort_keys=True): row.number for row in
             AgentConfigRevision.objects.all()}  # fmt: skip
    for key in KEYS:
        said = [json.dumps(one[2], sort_keys=True) for one in shop.ran(key)]
        assert set(said) <= order.keys(), "it ran only what was committed"
        numbers = [order[one] for one in said]
        assert numbers == sorted(numbers), "and never an older one after a newer"
        assert shop.host.child(key)["incarnation"] == 1


def test_no_agent_runs_a_configuration_that_was_not_committed_while_20_writers_edit_it(shop: Shop) -> None:
    storm(shop, 3)


@pytest.mark.soak
def test_no_agent_runs_a_configuration_that_was_not_committed_in_a_long_storm(shop: Shop) -> None:
    storm(shop, 60)
