"""A node that lives through restarts, revisions and adoptions, and its own dump each time something may have changed."""

import contextlib
import os
import random
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from supervision.runtime.client import ControlError
from tests.support.engine import Engine, child, python, tree

FAILS = python("import sys; sys.exit(3)")
NAMES = ("store", "web", "cache", "mail")


@dataclass(frozen=True, slots=True)
class Dump:
    """What the node answered, behind record `seq` of its journal: its members by key."""

    seq: int
    members: dict[str, dict[str, Any]]


@dataclass
class Restless:
    """One node in which something happens all the time, chosen by a seeded number."""

    engine: Engine
    random: random.Random
    dumps: dict[int, Dump] = field(default_factory=dict)
    revision: int = 0

    def begin(self) -> None:
        self.apply()
        self.engine.apply(tree("pool", child("member"), strategy="simple_one_for_one", intensity=100))
        self.engine.wait_state("shop/front/mail", "running")

    def live(self, dumps: int) -> None:
        """Until there are so many dumps, each behind another record; one act in twelve kills the node."""
        acts: Sequence[Callable[[], object]] = (
            *[self.kill] * 5,
            *[self.ask] * 4,
            self.apply,
            self.grow,
            self.adopt,
        )
        while len(self.dumps) < dumps:
            with contextlib.suppress(ControlError, ProcessLookupError):  # it is as it is just then
                self.random.choice(acts)()
            for _ in range(self.random.randint(1, 4)):
                self.look()

    def look(self) -> None:
        answer = self.engine.call("tree")
        members: dict[str, dict[str, Any]] = {}

        def walk(item: dict[str, Any]) -> None:
            members[item["key"]] = item
            for below in item.get("children", ()):
                walk(below)

        for one in answer["trees"]:
            walk(one["root"])
        seq = int(answer["node"]["journal_seq"])
        self.dumps.setdefault(seq, Dump(seq, members))

    # -- what happens --------------------------------------------------------------------------------------------------

    def kill(self) -> None:
        views = [one for one in self.engine.views().values() if one.get("pid") and one["state"] == "running"]
        if views:
            os.kill(self.random.choice(views)["pid"], signal.SIGKILL)

    def ask(self) -> None:
        op = self.random.choice(("stop", "start", "restart", "hold", "release"))
        more = {"seconds": 600} if op == "hold" else {}
        key = self.random.choice([f"shop/front/{name}" for name in NAMES] + ["shop/front", "shop/job"])
        self.engine.call(op, key=key, **more)

    def apply(self) -> None:
        """Another revision: a child more or less, another strategy."""
        self.revision += 1
        front = [child(name) for name in NAMES]
        front[2]["depends_on"] = ["web"]
        if self.revision % 2:
            front.insert(2, child("extra"))
        strategy = ("rest_for_one", "one_for_all", "one_for_one")[self.revision % 3]
        inner = {"strategy": strategy, "intensity": 100, "children": front}
        document = tree(
            "shop",
            {"id": "front", "supervisor": inner},
            child("job", FAILS, restart="temporary"),
            intensity=100,
        )
        self.engine.apply(document, f"number {self.revision}")

    def grow(self) -> None:
        name = self.random.choice("abc")
        if f"pool/{name}" in self.engine.views():
            self.engine.call("delete_child", key=f"pool/{name}")
        else:
            self.engine.call("start_child", supervisor="pool", instance=name)

    def adopt(self) -> None:
        """The node dies; the next one adopts what runs."""
        self.engine.kill_node()
        self.engine.wait_answer()


def restless_life(dumps: int, *, seed: int) -> tuple[list[dict[str, Any]], list[Dump], str]:
    """(records, dumps in their order, node id)."""
    with Engine() as engine:
        life = Restless(engine, random.Random(seed))
        life.begin()
        life.live(dumps)
        adoptions = sum(one["what"] == "started" for one in engine.records("node"))
        if adoptions < 2:
            life.adopt()
            life.look()
        records = engine.records()
        return records, [life.dumps[seq] for seq in sorted(life.dumps)], engine.node_id()
