"""Hosts of a fleet on this machine: each a guardian that joined, in a data directory of its own; and who runs what, when."""

import contextlib
import os
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from supervision.auditlog.actor import Actor, ActorKind
from supervision.fleet.models import Node
from supervision.journal.models import ObservedTree
from supervision.trees import services
from supervision.trees.models import Placement, Tree
from tests.controlplane.controller.controllers import logs
from tests.support.engine import child, tree
from tests.support.host import Host as Host  # for those who use it with the rest of this module
from tests.support.waiting import wait_for

ADA = Actor(ActorKind.USER, "1", "ada")
TAKE_OVER_S = 8.0
"""From the last renewal of a lost host until its trees may start elsewhere."""
WAIT_S = 90.0

ROOT = Path(__file__).resolve().parents[2]
TICK_S = 0.02


class Watch:
    """Looks every TICK_S who runs with `token` in its command line, from its start to `stop`."""

    def __init__(self, token: str) -> None:
        self.token = token.encode()
        self.seen: list[tuple[float, frozenset[int]]] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(TICK_S):
            self.seen.append((time.monotonic(), self.now()))

    def now(self) -> frozenset[int]:
        """Pids that run now."""
        found = set()
        for entry in os.scandir("/proc"):
            if entry.name.isdecimal() and self._is_it(entry.path):
                found.add(int(entry.name))
        return frozenset(found)

    def _is_it(self, path: str) -> bool:
        with contextlib.suppress(OSError):
            if self.token in Path(path, "cmdline").read_bytes():
                state = Path(path, "stat").read_text().rpartition(")")[2].split()[0]
                return state not in ("Z", "X")
        return False

    def most(self) -> int:
        """How many ran at once, at most."""
        return max((len(pids) for _, pids in self.seen), default=0)

    def least(self, since: float) -> int:
        """How few, from then on."""
        return min((len(pids) for at, pids in self.seen if at >= since), default=0)

    def ever(self) -> set[int]:
        return {pid for _, pids in self.seen for pid in pids}


def token_tree(name: str, token: str, **sections: Any) -> dict[str, Any]:
    """A tree with one child whose command line holds `token`."""
    code = f"import time\nwhile True: time.sleep(0.05)  # {token}"
    return {**tree(name, child("run", [sys.executable, "-I", "-S", "-c", code])), **sections}


@contextlib.contextmanager
def hosts(*given: Host) -> Iterator[None]:
    """Start them side by side; stop them, and leave nothing."""
    with contextlib.ExitStack() as stack:
        for host in given:
            stack.callback(host.__exit__, None, None, None)
        for host in given:
            host.start()
        yield


class Fleet:
    """Two hosts, `a` and `b`, a controller, and the rows."""

    def __init__(self, a: Host, b: Host, directory: Path) -> None:
        self.a, self.b, self.directory = a, b, directory

    def host(self, name: str) -> Host:
        return {"a": self.a, "b": self.b}[name]

    def node(self, name: str) -> Node | None:
        return Node.objects.filter(labels__host=name).first()

    def joined(self) -> None:
        what = f"both joined: {self.a.log()} {self.b.log()}"
        wait_for(lambda: self.is_up("a") and self.is_up("b"), timeout=WAIT_S, what=what)

    def is_up(self, name: str) -> bool:
        node = self.node(name)
        return node is not None and node.state == "up" and node.lease_until is not None

    def place(self, name: str) -> str | None:
        """The host that has the only placement of the tree and runs it."""
        rows = list(Placement.objects.filter(tree__name=name).select_related("node"))
        if len(rows) != 1 or rows[0].state != "assigned":
            return None
        return str(rows[0].node.labels["host"]) if self.runs(name, rows[0].node) else None

    def runs(self, name: str, node: Node) -> bool:
        return ObservedTree.objects.filter(node=node, name=name, state="running").exists()

    def settled(self, name: str, *, on: str | None = None, timeout: float = WAIT_S) -> str:
        def probe() -> str | None:
            place = self.place(name)
            return place if place is not None and on in (None, place) else None

        return wait_for(probe, timeout=timeout, every=0.05, what=f"{name} runs on {on}; {self.told()}")

    def told(self) -> str:
        rows = [str(row) + " " + row.state + " " + row.problem for row in Placement.objects.all()]
        nodes = [f"{node.labels.get('host')} {node.state} {node.epoch}" for node in Node.objects.all()]
        problems = list(Tree.objects.values_list("name", "problem"))
        return f"{rows} {nodes} {problems} {logs(self.directory)[-1500:]}"


def other(name: str) -> str:
    return {"a": "b", "b": "a"}[name]


def apply(document: dict[str, Any], **more: Any) -> services.Applied:
    return services.apply_tree(document=document, message="", actor=ADA, **more)
