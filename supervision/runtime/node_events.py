"""What the driver and the process table tell the node: each is an event of a kernel, or a record, or both."""

from typing import TYPE_CHECKING

from supervision.runtime.evidence import Evidence
from supervision.runtime.kinship import Leader, Relative
from supervision.runtime.own_children import OwnChild
from supervision.runtime.run import POST_STOP, Run

if TYPE_CHECKING:
    from supervision.runtime.node import Node

EVIDENCE_DELAY_S = 0.015
"""After an abnormal end: the replacement has started by then, and is not kept off the processor by our reading."""


class NodeEvents:
    """Told by both; nothing here decides."""

    def __init__(self, node: "Node", evidence: Evidence) -> None:
        self.node = node
        self._evidence = evidence
        self._due: list[tuple[str, int, str, Leader | None]] = []

    def started(self, key: str, incarnation: int, leader: Leader) -> None:
        runner = self.node.trees.runner_of(key)
        if runner is not None:
            runner.started(key, incarnation, leader)
        self.node.fencing.leader_changed(key)

    def forking(self, key: str, incarnation: int) -> None:
        runner = self.node.trees.runner_of(key)
        if runner is not None:
            runner.forking(key, incarnation)

    def stage(self, run: Run, leader: Leader) -> bool:
        """The next process of an incarnation that is already known as started."""
        body = {
            "key": run.key,
            "incarnation": run.incarnation,
            "pid": leader.pid,
            "inode": leader.inode,
            "role": leader.role,
            "job": run.job,
        }
        self.node.fencing.leader_changed(run.key)
        return self.node.append("process", body | {"reason": run.reason} if run.stage == POST_STOP else body)

    def start_failed(self, key: str, incarnation: int, reason: str) -> None:
        runner = self.node.trees.runner_of(key)
        if runner is not None:
            runner.start_failed(key, incarnation, reason)

    def ready(self, key: str, incarnation: int) -> None:
        runner = self.node.trees.runner_of(key)
        if runner is not None:
            runner.ready(key, incarnation)

    def exited(self, run: Run, reason: str, leader: Leader | None) -> None:
        key, incarnation = run.key, run.incarnation
        runner = self.node.trees.runner_of(key)
        if runner is not None:
            runner.exited(key, incarnation, reason, lambda: self.node.driver.recorded(run))
        else:
            self.node.driver.recorded(run)
        self.node.helpers.gateway.ended(key, incarnation)
        if self._evidence.wanted(reason):
            self.owe_evidence(key, incarnation, reason, leader)

    def owe_evidence(self, key: str, incarnation: int, reason: str, leader: Leader | None) -> None:
        """Write it a moment later, when the replacement runs."""
        if not self._due:
            self.node.loop.call_later(EVIDENCE_DELAY_S, self.write_evidence)
        self._due.append((key, incarnation, reason, leader))

    def write_evidence(self) -> None:
        due, self._due = self._due, []
        output = self.node.output
        for key, incarnation, reason, leader in due:
            output.spares.settle_one(output.names(key, incarnation)[0])  # the last lines are looked for there
            self._evidence.record(key, incarnation, reason, leader)

    def identity_learnt(self, leaders: list[Leader]) -> None:
        identities = [
            [leader.key, leader.incarnation, leader.start_time] for leader in leaders if leader.role == "main"
        ]
        if identities:
            self.node.append("process", {"identities": identities})
            self.node.helpers.send_limits_of(leaders)
            self.node.helpers.tell_sampler_of(leaders)

    def own_child(self, what: str, own: OwnChild) -> None:
        """A process that an agent started itself: `started`, `kept` when the agent ended, `adopted` by the next life,
        `ended`."""
        self.node.append("process", {"key": own.key, "what": what, "own": own.to_json()})
        self.node.operations.changed()

    def stray(self, what: str, relative: Relative) -> None:
        body = {"what": what, "pid": relative.pid, **relative.facts, "origin": relative.origin}
        if what == "adopted":
            body["key"] = relative.owner
        self.node.append("stray", body)
        self.node.operations.changed()
