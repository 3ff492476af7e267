"""What the node tells the gateway helper: whose a process is, whether a life is over, and each life that ended."""

import os
from typing import TYPE_CHECKING, Any

from supervision.runtime.delivered import DELIVERED
from supervision.runtime.helper_process import HelperProcess
from supervision.runtime.identity import has_exited, read_stat
from supervision.runtime.kinship import Leader
from supervision.runtime.link import Message
from supervision.runtime.own_children import OwnChild
from supervision.runtime.run import MAIN, PRE_START
from supervision.runtime.tree_runner import TreeRunner

if TYPE_CHECKING:
    from supervision.runtime.node import Node

MAX_FORGOTTEN = 10_000
TELL_EVERY_S = 0.02
"""Lives that end sooner after others are told together: a stop of a thousand is not a thousand messages."""
MAX_DEPTH = 64
"""Ancestors looked at for whose a process is."""


class NodeGateway:
    """The node's end of the gateway's channel; nothing in here waits."""

    def __init__(self, node: "Node") -> None:
        self.node = node
        self.helper: HelperProcess | None = None
        self._ended: list[tuple[str, int]] = []
        self._told_at = 0.0
        """Boot seconds at which lives that ended were told last."""
        self._forgotten: list[str] = []
        """Children that were removed and that no gateway was told of."""
        self._keys: dict[str, set[str]] = {}
        """What each tree had when its last revision was applied."""
        self._configs: dict[str, dict[str, Any]] = {}
        """What was delivered to agents, by key, as far as this node told."""

    def on_message(self, message: Message) -> None:
        if message.op == "who":
            found = self.who(int(message.body["pid"]))
            self._answer(message, None if found is None else self._facts(*found))
        elif message.op == "lives":
            self._answer(
                message, [self.state_of(str(key), int(number)) for key, number in message.body["lives"]]
            )

        elif message.op == "own":
            self._answer(message, self._take_own(message.body["child"]))
        elif message.op == "configured":
            self._take_configured(message.body)
            self._answer(message, None)
        elif message.op == "own_children":
            key, incarnation = str(message.body["key"]), int(message.body["incarnation"])
            left = self.node.kinship.own.left_to(key, incarnation)
            self._answer(message, [child.to_json() for child in left])

    def _take_own(self, told: dict[str, Any]) -> str:
        """Know a process that an agent says it started; why not, or nothing."""
        try:
            child = OwnChild.from_json(told)
        except ValueError as error:
            return str(error)
        stat = read_stat(child.pid)
        if stat is None or stat.is_zombie or stat.start_time != child.start_time:
            return f"process {child.pid} has ended"
        owner = self.who(child.pid)
        if owner is None or owner[0] != child.key:
            return f"process {child.pid} does not descend from {child.key}"
        if not self.node.kinship.own.tell(child):
            return "too many children of one agent"
        return ""

    def _take_configured(self, told: dict[str, Any]) -> None:
        """An agent says what it made of what was delivered to it; again with each new connection."""
        key, incarnation = str(told["key"]), int(told["incarnation"])
        run = self.node.driver.runs.get(key)
        config = {"revision": told["revision"], "problem": told["problem"]}
        if run is not None and run.incarnation == incarnation and run.configured != config:
            run.configured = config
            self.node.append("process", {"key": key, "incarnation": incarnation, "config": config})
            self.node.operations.changed()

    def _answer(self, message: Message, result: Any) -> None:
        if self.helper is not None:
            self.helper.send("answer", id=message.body["id"], result=result)

    def _facts(self, key: str, incarnation: int) -> dict[str, Any]:
        """What the gateway has to know of a child."""
        revision = self.node.trees.revisions.get(key.partition("/")[0])
        run = self.node.driver.runs.get(key)
        section = run.source.get("agent") if run is not None else None
        return {
            "key": key,
            "incarnation": incarnation,
            "epoch": revision.epoch if revision is not None else 0,
            "checkpoint": section.get("checkpoint") if isinstance(section, dict) else None,
        }

    def who(self, pid: int) -> tuple[str, int] | None:
        """(key, incarnation) of the child that `pid` is or descends from; None for nobody's."""
        table = self.node.table
        above = pid
        for _ in range(MAX_DEPTH):
            leader = table.leaders.get(above)
            if leader is not None:
                return leader.key, leader.incarnation
            stat = read_stat(above)
            if stat is None:
                return None
            if stat.ppid in (os.getpid(), table.own.guardian_pid) or stat.ppid <= 1:
                return self._strayed(above)
            above = stat.ppid
        return None

    def _strayed(self, pid: int) -> tuple[str, int] | None:
        """Of a process that lost its parents."""
        stat = read_stat(pid)
        if stat is None:
            return None
        kinship = self.node.kinship
        owner, _ = kinship.whose(pid, stat, kinship.own_of(pid, stat))
        run = self.node.driver.runs.get(owner) if owner is not None else None
        return None if run is None else (run.key, run.incarnation)

    def state_of(self, key: str, incarnation: int) -> str:
        """`starting`, `running`, `ending` (its process has ended, not yet all that descended from it), `ended`; else
        `unknown`."""
        run = self.node.driver.runs.get(key)
        if run is not None and run.incarnation == incarnation:
            if run.stage == PRE_START:
                return "starting"
            leader = run.leader
            return "running" if run.stage == MAIN and leader is not None and _lives(leader) else "ending"
        runner = self.node.trees.runner_of(key)
        if runner is None:
            last = self.node.trees.retired.get(key.partition("/")[0], {}).get(key, 0)
        else:
            last = runner.kernel.last_incarnation(key)
        return "ended" if 0 < incarnation <= last else "unknown"

    def started(self) -> None:
        """A new gateway: what its predecessor may not have done or known."""
        for runner in self.node.trees.runners.values():
            self._keys.setdefault(runner.name, {view.key for view in runner.kernel.children()})
            self.deliver(runner, again=True)
        self._tell_forgotten()

    def applied(self, runner: TreeRunner) -> None:
        """A tree has a new revision: children may be gone from it, others have something delivered."""
        if self.node.trees.runners.get(runner.name) is not runner:
            return
        keys = {view.key for view in runner.kernel.children()}
        for key in self._keys.get(runner.name, set()) - keys:
            if key not in self.node.driver.runs:
                self.forget(key)  # a running one is forgotten when it has ended
        self._keys[runner.name] = keys
        self.deliver(runner)

    def removed(self, runner: TreeRunner) -> None:
        """A tree is gone from this node."""
        self._keys.pop(runner.name, None)
        for view in runner.kernel.children():
            self.forget(view.key)

    def forget(self, key: str) -> None:
        """A child was removed for good, and does not run: nothing of it is kept."""
        self._configs.pop(key, None)
        self._forgotten.append(key)
        if len(self._forgotten) == 1:
            self.node.loop.call_soon(self._tell_forgotten)

    def _tell_forgotten(self) -> None:
        if self._forgotten and self.helper is not None and self.helper.send("forget", keys=self._forgotten):
            self._forgotten.clear()
            return
        del self._forgotten[:-MAX_FORGOTTEN]

    def deliver(self, runner: TreeRunner, *, again: bool = False) -> None:
        """Tell the agents of a tree what changed for them without a new life; all of it where `again`."""
        changed = {}
        for view in runner.kernel.children():
            delivered = view.spec.body.get(DELIVERED)
            if isinstance(delivered, dict) and (again or self._configs.get(view.key) != delivered):
                changed[view.key] = self._configs[view.key] = delivered
        if changed and self.helper is not None:
            self.helper.send("configs", configs=changed)

    def ended(self, key: str, incarnation: int) -> None:
        """Nothing is left of it. Said at the end of this round of the loop: its replacement goes first."""
        if not self._ended:
            due = self._told_at + TELL_EVERY_S
            if self.node.clock.boot() >= due:
                self.node.loop.call_soon(self._tell)
            else:
                self.node.loop.call_at(due, self._tell)
        self._ended.append((key, incarnation))
        runner = self.node.trees.runner_of(key)
        if runner is not None and runner.kernel.child(key) is None:
            self.forget(key)

    def _tell(self) -> None:
        ended, self._ended = self._ended, []
        self._told_at = self.node.clock.boot()
        if self.helper is not None:
            self.helper.send("ended", lives=ended)


def _lives(leader: Leader) -> bool:
    """Its pidfd is asked at this very moment."""
    return not leader.ended and leader.pidfd >= 0 and not has_exited(leader.pidfd)
