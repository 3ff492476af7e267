"""The trees of a node: their runners and revisions, from the first start until nothing of them is left."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from supervision.kernel import Kernel
from supervision.kernel.events import Begin, StopRoot
from supervision.runtime.desired import DesiredTree
from supervision.runtime.listeners import sockets_of
from supervision.runtime.recovery import RecoveredTree
from supervision.runtime.returning import Returning
from supervision.runtime.tree_runner import TreeRunner
from supervision.runtime.treefields import REPORT_ERRORS

if TYPE_CHECKING:
    from supervision.runtime.node import Node

SYSTEM_TREE = "system"
SYSTEM_STORES = ("system/postgres", "system/redis")
SETTLED = frozenset({"running", "completed", "stopped", "held"})
"""States in which nobody waits for a store: also one that an operator keeps down comes to nothing more by itself."""
SYSTEM_WAIT_S = 60.0
"""At a clean start the users' trees wait this long for the system tree's stores, then start all the same."""


class NodeTrees:
    """Which trees there are, and which of them are on their way out."""

    def __init__(self, node: "Node") -> None:
        self.node = node
        self.runners: dict[str, TreeRunner] = {}
        self.revisions: dict[str, DesiredTree] = {}
        self.removing: set[str] = set()
        self.retired: dict[str, dict[str, int]] = {}
        """Of trees that were removed: the last incarnation of each key."""
        self.returning = Returning(node.log, self.runner_of)
        self.interrupted: set[str] = set()
        """Trees that a stop of everything takes down: were it cut short, the next start would begin them."""
        self.local_seq = 0
        """The last record of a tree that was applied or deleted here and not by the store."""
        self.waiting_for_system: list[str] = []

    def runner_of(self, key: str) -> TreeRunner | None:
        """The runner of the tree that `key` (a tree's name as well) belongs to."""
        return self.runners.get(key.partition("/")[0])

    @property
    def idle(self) -> bool:
        """Every kernel has heard of everything that happened; one that waits for a snapshot cannot before there is one."""
        return all(runner.idle or runner.unrecorded for runner in self.runners.values())

    @property
    def unrecorded(self) -> bool:
        """Steps of a stop did not fit into the journal: a snapshot is due as soon as there is room for one."""
        return any(runner.unrecorded and runner.is_down for runner in self.runners.values())

    def snapshot_written(self) -> None:
        for runner in self.runners.values():
            runner.unrecorded = False

    def up(self) -> list[TreeRunner]:
        """Trees of which something runs or will start by itself."""
        return [runner for runner in self.runners.values() if not runner.is_down]

    # -- from the first start to the end ----------------------------------------------------------------------------

    def add(self, name: str, kernel: Kernel) -> TreeRunner:
        node = self.node
        runner = TreeRunner(
            name,
            kernel,
            loop=node.loop,
            clock=node.clock,
            journal=node.journal,
            driver=node.driver,
            on_reply=node.operations.reply,
            on_change=node.something_changed,
            on_exit=self._root_ended,
        )
        self.runners[name] = runner
        node.loop.call_soon(lambda: node.helpers.gateway.applied(runner))
        return runner

    def restore(self, tree: RecoveredTree) -> TreeRunner:
        """A runner for a tree the journal knows."""
        runner = self.add(tree.name, tree.kernel)
        runner.since, runner.last_exit, runner.ended = tree.since, tree.last_exit, tree.ended
        self.revisions[tree.name] = DesiredTree(
            tree.name,
            tree.revision,
            tree.digest,
            tree.message,
            tree.applied_at,
            tree.document,
            tree.origin,
            tree.epoch,
            tree.fence,
        )
        return runner

    def remove(self, name: str, origin: str = "local", uid: int | None = None) -> None:
        """Stop the tree; it is forgotten when everything of it is gone, by the next node if this one dies meanwhile.

        `origin` and `uid` say who asked: "store", or "local" and the user.
        """
        if name not in self.removing:
            self.removing.add(name)
            self.node.append("tree", {"what": "removing", "tree": name, "origin": origin, "uid": uid})
            if origin == "local":
                self.local_seq = self.node.journal.next_seq - 1
        runner = self.runners[name]
        if runner.is_down:
            self._forget(runner)
        else:
            runner.feed(StopRoot())

    def _root_ended(self, runner: TreeRunner, reason: Any) -> None:
        if runner.name in self.removing:
            self.node.loop.call_soon(lambda: self._forget(runner))
        self.node.ending.root_ended()

    def _forget(self, runner: TreeRunner) -> None:
        node = self.node
        if self.runners.pop(runner.name, None) is None:
            return
        self.removing.discard(runner.name)
        for view in runner.kernel.children():
            node.driver.forget(view.key)
        node.helpers.gateway.removed(runner)
        runner.close()
        self.revisions.pop(runner.name, None)
        node.fencing.forget(runner.name)
        self.retired[runner.name] = runner.kernel.incarnations()
        self.returning.requests.pop(runner.name, None)
        node.append("tree", {"what": "removed", "tree": runner.name})
        node.desired.remove(runner.name)
        node.listeners.close_tree(runner.name)
        node.operations.trees.removed(runner.name)
        node.operations.changed()

    def applied(self, runner: TreeRunner) -> None:
        """The kernel has a new revision."""
        self.close_unused_sockets(runner)
        self.node.helpers.gateway.applied(runner)

    def close_unused_sockets(self, runner: TreeRunner) -> None:
        """A new revision may have left some without a child."""
        kernel = runner.kernel
        dynamic = (view.spec for view in kernel.children() if view.dynamic)
        self.node.listeners.keep_only(runner.name, [*sockets_of(kernel.spec.children), *sockets_of(dynamic)])

    def told_to_report(self, key: str, incarnation: int, *environments: Mapping[str, str]) -> dict[str, str]:
        """What a life is given to report its errors with, unless its tree declines."""
        desired = self.revisions.get(key.partition("/")[0])
        if desired is None or not desired.document.get(REPORT_ERRORS, True):
            return {}
        return self.node.reporting.variables(key, incarnation, desired.revision, *environments)

    # -- what the process table asks --------------------------------------------------------------------------------

    def keeps_descendants(self, key: str) -> bool:
        """Whether what a child of `key` leaves behind is to live on."""
        runner = self.runner_of(key)
        view = runner.kernel.child(key) if runner is not None else None
        if view is None:
            return False
        body = view.spec.body
        if body.get(str(body.get("kind")), {}).get("descendants") != "keep":
            return False
        return self.wanted(key)

    def has(self, key: str) -> bool:
        """Whether there is such a child."""
        runner = self.runner_of(key)
        return runner is not None and runner.kernel.child(key) is not None

    def wanted(self, key: str) -> bool:
        """Whether the child exists and neither it nor a supervisor above it is to be down."""
        runner = self.runner_of(key)
        if runner is None or self.node.stopping or runner.name in self.removing:
            return False
        if self.node.fencing.is_down(runner.name):
            return False
        parts = key.split("/")
        views = (runner.kernel.child("/".join(parts[:depth])) for depth in range(len(parts), 0, -1))
        return all(view is not None and view.wanted for view in views)

    # -- clean start ------------------------------------------------------------------------------------------------

    def begin(self, names: list[str]) -> None:
        """Start trees that are down: the system tree first, the others once its stores are ready."""
        others = [name for name in names if name != SYSTEM_TREE]
        if SYSTEM_TREE in names:
            self.waiting_for_system = others
            self._begin([SYSTEM_TREE])
            self._begin_others(self.node.clock.boot() + SYSTEM_WAIT_S)
        else:
            self._begin(others)

    def _begin_others(self, deadline: float) -> None:
        runner = self.runners.get(SYSTEM_TREE)
        ready = runner is None or all(
            view.state in SETTLED for view in runner.kernel.children() if view.key in SYSTEM_STORES
        )
        if self.node.stopping:
            return
        if ready or self.node.clock.boot() >= deadline:
            names, self.waiting_for_system = self.waiting_for_system, []
            self._begin(names)
        else:
            self.node.loop.call_later(0.05, lambda: self._begin_others(deadline))

    def _begin(self, names: list[str]) -> None:
        for name in names:
            if name in self.runners and not self.node.stopping and not self.node.fencing.must_wait(name):
                self.runners[name].feed(Begin())
