"""The system tree, decided by the kernel that runs it."""

from pathlib import Path

import pytest

from controlplane.embedded.postgres_server import PostgresServer
from controlplane.embedded.privileges import ordinary
from controlplane.embedded.redis_server import RedisServer
from controlplane.system_tree import SystemTree
from supervision.kernel.actions import Action, Start
from supervision.kernel.events import Begin, Event, Exited, Ready, Started, Tick
from supervision.kernel.kernel import Kernel
from supervision.runtime.paths import Paths
from supervision.runtime.treedoc import TreeDocument, parse_tree

STARTED = ["postgres", "redis", "migrate", "web@1", "web@2", "worker", "beat", "digester", "controller"]
LASTING = [child for child in STARTED if child != "migrate"]


class Simulated:
    """The kernel with children that start and get ready at once."""

    def __init__(self, tree: TreeDocument) -> None:
        self.kernel = Kernel(tree.name, tree.spec)
        self.now = 1000.0
        self.deadline: float | None = None
        self.incarnations: dict[str, int] = {}
        self.started: list[str] = []
        self.other: list[Action] = []
        self.send(Begin())

    def send(self, event: Event) -> None:
        actions, self.deadline = self.kernel.handle(event, now=self.now)
        for action in actions:
            if isinstance(action, Start):
                self.started.append(action.key.rpartition("/")[2])
                self.incarnations[action.key] = action.incarnation
                self.send(Started(action.key, action.incarnation))
                self.send(Ready(action.key, action.incarnation))
            elif type(action).__name__ in ("Signal", "Kill", "Exit"):
                self.other.append(action)

    def fail(self, key: str) -> float:
        """It exits; the seconds until it was started again."""
        before = self.now
        self.started.clear()
        self.send(Exited(key, self.incarnations[key], "exit(1)"))
        while not self.started:
            assert self.deadline is not None, "nobody starts it again"
            self.now = max(self.now, self.deadline)
            self.send(Tick())
        return self.now - before


@pytest.fixture
def simulated(data_dir: Path) -> Simulated:
    postgres = PostgresServer.of(data_dir=data_dir, socket_dir=data_dir, privileges=ordinary())
    redis = RedisServer.of(data_dir=data_dir, socket_dir=data_dir)
    return Simulated(parse_tree(SystemTree(Paths(data_dir), 8400, postgres, redis).document()))


def test_what_needs_the_stores_starts_after_them_and_after_the_migrations(simulated: Simulated) -> None:
    assert simulated.started == STARTED


@pytest.mark.parametrize("child", LASTING)
def test_one_that_fails_for_ever_takes_nothing_with_it(simulated: Simulated, child: str) -> None:
    waits = [simulated.fail(f"system/{child}") for _ in range(30)]
    assert waits[0] == pytest.approx(0.05)
    assert max(waits) <= 10
    assert simulated.started == [child]
    assert simulated.other == []


def test_all_that_are_killed_one_after_the_other_are_restarted_one_by_one(simulated: Simulated) -> None:
    for _ in range(3):
        for child in LASTING:
            simulated.fail(f"system/{child}")
            assert simulated.started == [child]
    assert simulated.other == []
