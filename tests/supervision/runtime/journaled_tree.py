"""One tree with its journal and a driver in memory: what a node keeps of a tree, without processes and without waiting."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from supervision.kernel import Kernel
from supervision.kernel.spec import SupervisorSpec
from supervision.runtime.clock import ManualClock
from supervision.runtime.journal import Journal
from supervision.runtime.kinship import Leader
from supervision.runtime.loop import Loop
from supervision.runtime.tree_runner import TreeRunner


@dataclass
class FakeDriver:
    """Every start succeeds at once, unless `refuse` holds its key; nothing ends until told to."""

    runner: TreeRunner | None = None
    done: list[tuple[Any, ...]] = field(default_factory=list)
    refuse: dict[str, str] = field(default_factory=dict)
    alive: dict[str, int] = field(default_factory=dict)
    pids: int = 1000
    obedient: bool = True
    """Whether what is asked to stop ends, as soon as the kernel may hear of it."""

    def start(self, key: str, incarnation: int, body: Mapping[str, Any]) -> None:
        self.done.append(("start", key, incarnation))
        assert self.runner is not None
        if key in self.refuse:
            self.runner.start_failed(key, incarnation, self.refuse[key])
            return
        assert key not in self.alive, f"{key} would run twice"
        self.alive[key] = incarnation
        self.pids += 1
        leader = Leader(key, incarnation, "main", self.pids, -1, "node", lambda _: None, inode=self.pids * 10)
        self.runner.started(key, incarnation, leader)

    def signal(self, key: str, incarnation: int) -> None:
        self.done.append(("signal", key, incarnation))
        if self.obedient and self.alive.get(key) == incarnation:
            self.end(key, "shutdown")

    def kill(self, key: str, incarnation: int, cause: str) -> None:
        self.done.append(("kill", key, incarnation, cause))
        if self.alive.get(key) == incarnation:
            self.end(key, "timeout" if cause == "timeout" else "shutdown")

    def end(self, key: str, reason: Any) -> None:
        """Its process ends."""
        incarnation = self.alive.pop(key)
        assert self.runner is not None
        self.runner.exited(key, incarnation, reason)


class JournaledTree:
    """A runner over a real journal in `directory`; the driver and the clock are the test's."""

    def __init__(self, directory: str, spec: SupervisorSpec, name: str = "t") -> None:
        self.clock = ManualClock()
        self.loop = Loop(self.clock)
        self.journal = Journal.open(directory, clock=self.clock)
        self.driver = FakeDriver()
        self.replies: dict[str, Any] = {}
        self.ends: list[Any] = []
        self.changes = 0
        self.runner = self.driver.runner = TreeRunner(
            name,
            Kernel(name, spec),
            loop=self.loop,
            clock=self.clock,
            journal=self.journal,
            driver=self.driver,
            on_reply=self.replies.__setitem__,
            on_change=self._changed,
            on_exit=lambda _runner, reason: self.ends.append(reason),
        )

    def _changed(self) -> None:
        self.changes += 1

    @property
    def kernel(self) -> Kernel:
        return self.runner.kernel

    def turn(self, rounds: int = 1) -> None:
        for _ in range(rounds):
            self.loop.run_once(at_most=0)

    def close(self) -> None:
        self.runner.close()
        self.loop.close()
        self.journal.close()
