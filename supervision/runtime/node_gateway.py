"""What the node tells the gateway helper: whose a process is, whether a life is over, and each life that ended."""

import os
from typing import TYPE_CHECKING, Any

from supervision.runtime.helper_process import HelperProcess
from supervision.runtime.identity import has_exited, read_stat
from supervision.runtime.kinship import Leader
from supervision.runtime.link import Message
from supervision.runtime.process_driver import MAIN, PRE_START

if TYPE_CHECKING:
    from supervision.runtime.node import Node

MAX_DEPTH = 64
"""Ancestors looked at for whose a process is."""


class NodeGateway:
    """The node's end of the gateway's channel; nothing in here waits."""

    def __init__(self, node: "Node") -> None:
        self.node = node
        self.helper: HelperProcess | None = None
        self._ended: list[tuple[str, int]] = []

    def on_message(self, message: Message) -> None:
        if message.op == "who":
            self._answer(message, self.who(int(message.body["pid"])))
        elif message.op == "lives":
            self._answer(
                message, [self.state_of(str(key), int(number)) for key, number in message.body["lives"]]
            )

    def _answer(self, message: Message, result: Any) -> None:
        if self.helper is not None:
            self.helper.send("answer", id=message.body["id"], result=result)

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
            if stat.ppid in (os.getpid(), table.guardian_pid) or stat.ppid <= 1:
                return self._strayed(above)
            above = stat.ppid
        return None

    def _strayed(self, pid: int) -> tuple[str, int] | None:
        """Of a process that lost its parents."""
        stat = read_stat(pid)
        if stat is None:
            return None
        owner, _ = self.node.kinship.trace(pid, stat)
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

    def ended(self, key: str, incarnation: int) -> None:
        """Nothing is left of it. Said at the end of this round of the loop: its replacement goes first."""
        if not self._ended:
            self.node.loop.call_soon(self._tell)
        self._ended.append((key, incarnation))

    def _tell(self) -> None:
        ended, self._ended = self._ended, []
        if self.helper is not None:
            self.helper.send("ended", lives=ended)


def _lives(leader: Leader) -> bool:
    """Its pidfd is asked at this very moment."""
    return not leader.ended and leader.pidfd >= 0 and not has_exited(leader.pidfd)
