"""Overstory with agents: out of a template, taken from spares, or run as programs of their own."""

import sys
import time
from pathlib import Path
from typing import Any, ClassVar

from bench.contenders.overstory import TREE, Overstory
from bench.engine import MANY_RESTARTS

PROGRAMS = Path(__file__).resolve().parents[1] / "programs"
PRELOAD = ["forkstamp", "django", "celery", "redis", "psycopg"]


class Agents(Overstory):
    """One tree of agents; `room.program` is what the peers run instead."""

    name = "Overstory, template"
    entry_point: ClassVar[str] = "agent:Stamping"
    spares: ClassVar[int] = 0
    start: ClassVar[str] = "template"

    def launch(self) -> None:
        self.client.call("apply", spec=self._document(), message="bench")

    def _document(self) -> dict[str, Any]:
        children = [
            {
                "id": f"c{index}",
                "agent": {
                    "entry_point": self.entry_point,
                    "arguments": {"fifo": str(self.room.fifo), "index": index},
                    "python": sys.executable,
                    "cwd": str(PROGRAMS),
                    "preload": PRELOAD,
                    "spares": self.spares,
                    "start": self.start,
                },
            }
            for index in range(self.room.count)
        ]
        supervisor = {"intensity": MANY_RESTARTS, "period": 1, "stop": self.room.stop, "children": children}
        return {"version": 1, "tree": TREE, "supervisor": supervisor}

    def templates(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.running.call("status")["templates"]
        return found

    def started_by(self) -> set[str]:
        """How the agents there are came about."""
        (tree,) = self.running.call("tree")["trees"]
        return {child["started_by"] for child in tree["root"]["children"]}

    def wait_spares(self, timeout_s: float = 60.0) -> None:
        """Until every spare waits."""
        deadline = time.monotonic() + timeout_s
        while any(one["spares"] < one["spares_wanted"] for one in self.templates()):
            if time.monotonic() > deadline:
                raise TimeoutError(f"spares do not come: {self.templates()}")
            time.sleep(0.02)


class FirstActs(Agents):
    """Stamped by the first instruction of the forked process."""

    name = "Overstory, template, first instruction"
    entry_point = "agent:StampingFirst"


class Spares(Agents):
    """A spare for each agent."""

    name = "Overstory, spare"
    spares = 1


class ExecdAgents(Agents):
    """Programs of their own, as an agent with `start: exec` or one whose modules cannot be forked."""

    name = "Overstory, agent exec'd"
    start = "exec"
