"""A fleet in memory that does what placement decides, as the database, the nodes and their couriers would.

A node renews its lease each second while it is connected, does what its rows say when it can read them, and goes on with
what it has when it cannot. A fenced tree ends on a node that could not renew for TTL - 2 s.
"""

from dataclasses import dataclass, field, replace

from supervision.fleet.leases import SELF_FENCE_MARGIN_S, TTL_S, Standing, standing
from supervision.fleet.placement import Decision, decide
from supervision.fleet.views import Assign, Change, Forget, NodeView, Row, RowState, TreeView


@dataclass
class Host:
    """What really is on a node. `runs`: tree -> epoch; `booting`: not ready yet."""

    view: NodeView
    connected: bool = True
    alive: bool = True
    sent: float = 0.0
    runs: dict[str, int] = field(default_factory=dict)
    booting: set[str] = field(default_factory=set)


class World:
    def __init__(self, nodes: list[NodeView], trees: list[TreeView], now: float = 1000.0) -> None:
        self.now = now
        self.hosts = {node.id: Host(replace(node, lease_until=now + TTL_S), sent=now) for node in nodes}
        self.trees = {tree.name: tree for tree in trees}
        self.rows: dict[tuple[str, str], Row] = {}
        self.epochs: list[tuple[str, int]] = []
        self.last: Decision = Decision((), {})

    # -- one second -----------------------------------------------------------------------------------------------------

    def tick(self, seconds: float = 1.0) -> Decision:
        self.now += seconds
        for host in self.hosts.values():
            self._renew(host)
            self._fence(host)
        for host in self.hosts.values():
            now_standing = standing(host.view.lease_until, self.now)
            if host.view.standing is not Standing.DOWN or host.connected:
                host.view = replace(host.view, standing=now_standing)
        self.last = self.decide()
        for step in self.last.steps:
            self._do(step)
        for host in self.hosts.values():
            self._act(host)
        return self.last

    def decide(self) -> Decision:
        views = [host.view for host in self.hosts.values()]
        return decide(views, self.trees.values(), self.rows.values(), self.now)

    def _renew(self, host: Host) -> None:
        if host.alive and host.connected:
            host.sent = self.now
            host.view = replace(host.view, lease_until=self.now + TTL_S, standing=Standing.UP)

    def _fence(self, host: Host) -> None:
        over = self.now >= host.sent + TTL_S - SELF_FENCE_MARGIN_S
        for name in list(host.runs):
            tree = self.trees[name]
            row = self.rows.get((name, host.view.id))
            named = row is not None and row.is_active and row.epoch == host.runs[name]
            if tree.wish.fence and (over or (host.connected and not named)):
                del host.runs[name]

    def _do(self, step: Assign | Change | Forget) -> None:
        key = (step.tree, step.node)
        if isinstance(step, Forget):
            assert self.rows[key].gone
            del self.rows[key]
        elif isinstance(step, Change):
            self.rows[key] = replace(self.rows[key], state=step.state)
        else:
            assert key not in self.rows, "two placements of a tree on one node"
            self.rows[key] = Row(step.tree, step.node, step.replica, step.epoch)
            self.epochs.append((step.tree, step.epoch))
            self.trees[step.tree] = replace(self.trees[step.tree], epoch=step.epoch)

    def _act(self, host: Host) -> None:
        if not host.alive or not host.connected:
            return
        ready = [name for name in host.runs if name not in host.booting]
        for (name, node), row in list(self.rows.items()):
            if node != host.view.id:
                continue
            if row.state is RowState.REMOVING:
                host.runs.pop(name, None)
                self.rows[name, node] = replace(row, gone=True)
            elif host.runs.get(name) != row.epoch:
                host.runs[name] = row.epoch
                host.booting.add(name)
            else:
                host.booting.discard(name)
                self.rows[name, node] = replace(row, ready=name in ready)

    # -- what happens ---------------------------------------------------------------------------------------------------

    def cut(self, node: str) -> None:
        self.hosts[node].connected = False

    def heal(self, node: str) -> None:
        """Also after its end: it starts anew, with what its disk says, fenced trees down until the lease names them."""
        host = self.hosts[node]
        if not host.alive:
            host.alive = True
            host.runs = {name: epoch for name, epoch in host.runs.items() if not self.trees[name].wish.fence}
        host.connected = True

    def kill(self, node: str) -> None:
        host = self.hosts[node]
        host.alive = host.connected = False
        host.runs.clear()

    def drain(self, node: str, on: bool = True) -> None:
        self.hosts[node].view = replace(self.hosts[node].view, draining=on)

    # -- what is ----------------------------------------------------------------------------------------------------------

    def places(self, tree: str) -> list[str]:
        """Nodes where it really runs."""
        return sorted(name for name, host in self.hosts.items() if tree in host.runs)

    def active(self, tree: str) -> list[str]:
        return sorted(node for (name, node), row in self.rows.items() if name == tree and row.is_active)

    def settle(self, ticks: int = 40) -> int:
        """Tick until nothing is decided and nothing is under way; how many it took."""
        quiet = 0
        for number in range(ticks):
            decision = self.tick()
            quiet = 0 if decision.steps or any(not row.ready for row in self.rows.values()) else quiet + 1
            if quiet == 2:
                return number - 1
        raise AssertionError(f"not settled after {ticks} ticks: {self.rows}, {self.last}")
