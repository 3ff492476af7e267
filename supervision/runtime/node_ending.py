"""How a node ends: it stops everything, execs its own new code, or goes on as the guardian whose death it saw."""

import os
import signal
from dataclasses import replace
from typing import TYPE_CHECKING

from supervision.kernel.events import StopRoot
from supervision.runtime import boot
from supervision.runtime.guardian_state import GuardianState
from supervision.runtime.identity import has_exited
from supervision.runtime.journal_segments import read_cursor
from supervision.runtime.link import Message
from supervision.runtime.node_helpers import stores_are_embedded
from supervision.runtime.node_process import STORED_PIDFD, become_node
from supervision.runtime.node_trees import SYSTEM_TREE

if TYPE_CHECKING:
    from supervision.runtime.node import Node

SHIP_WITHIN_S = 2.0
"""What the courier may take, in all, to bring the records of a stop to the store; what is left comes with the next start."""
LOOK_EVERY_S = 0.05
HANDED_OVER = ("lock", "control", "notify", "agent", "link")


class PromotedError(Exception):
    """Leaves the node's loop at once: this process goes on as the guardian."""


class NodeEnding:
    """Carries out what the guardian says, and what its death means."""

    def __init__(self, node: "Node") -> None:
        self.node = node
        self.stopping = False
        self.hard = False
        self._ships_until: float | None = None
        self._looks = False
        self.promotion: GuardianState | None = None
        """What the guardian that this process goes on as begins with."""

    # -- guardian ---------------------------------------------------------------------------------------------------

    def on_link(self) -> None:
        node = self.node
        messages = node.link.receive()
        if messages is None:
            node.loop.unwatch(node.link.fileno())  # the guardian's death follows on its pidfd
            return
        for message in messages:
            self._handle(message)

    def _handle(self, message: Message) -> None:
        if message.op == "stop":
            self.stop(hard=bool(message.body.get("hard")))
        elif message.op == "reexec":
            self.reexec()

    def on_stop_signal(self, number: int) -> None:
        """Stopping is the guardian's decision: it would start another node."""
        if not self.node.link.send("stop", why=f"{signal.Signals(number).name} to the node"):
            self.stop()

    def guardian_died(self) -> None:
        node = self.node
        node.loop.unwatch(node.guardian_pidfd)
        node.table.own.guardian_died()
        node.append("node", {"what": "guardian_died", "policy": node.on_guardian_death})
        node.log.say("guardian died", policy=node.on_guardian_death)
        if self.stopping or node.on_guardian_death == "stop":
            self.stop()
        else:
            self._promote()

    def _promote(self) -> None:
        """Become the guardian in place: our children stay ours, the node that follows adopts them."""
        self._leave_everything_recorded()
        self.promotion = self._guardian_state()
        raise PromotedError  # not one more callback: it might close a descriptor that is being handed over

    def _leave_everything_recorded(self) -> None:
        node = self.node
        node.events.write_evidence()
        node.templates.drain()
        node.write_snapshot()
        node.templates.close()
        node.helpers.close()
        node.table.end_standby()

    def _guardian_state(self) -> GuardianState:
        kept = {name: fd for name, fd in self._fds_to_hand_over().items() if name != "link"}
        return GuardianState(self.node.on_guardian_death, kept, None, self.node.start.log_file)

    def reexec(self) -> None:
        """Upgrade in place: a snapshot, then exec of the same role; children stay ours and notice nothing."""
        node = self.node
        lacking = boot.missing()
        if lacking:
            node.log.say("upgrade refused", why=lacking)
            return
        node.log.say("node execs itself")
        node.append("node", {"what": "reexec"})
        self._leave_everything_recorded()
        node.launcher.restore_nofile()
        become_node(replace(node.start, fds=self._fds_to_hand_over(), stopping=self.stopping))

    def _fds_to_hand_over(self) -> dict[str, int]:
        node = self.node
        fds = {name: fd for name, fd in node.fds.items() if name in HANDED_OVER}
        for name, fd in node.listeners.fds.items():
            fds["store:" + name] = fd
        for pid, pidfd in node.table.foreign_pidfds():
            fds[f"{STORED_PIDFD}{pid}"] = pidfd
        return fds

    def let_go(self) -> None:
        """Close everything but what is handed over: this process goes on as something else."""
        node = self.node
        node.server.close()
        node.notify.close()
        node.link.close()
        node.table.close()
        node.kinship.own.close()
        node.loop.close()
        node.journal.close()
        node.exits.close()
        node.launcher.restore_nofile()
        node.launcher.close()
        if node.guardian_pidfd >= 0:
            os.close(node.guardian_pidfd)

    # -- stop -------------------------------------------------------------------------------------------------------

    def stop(self, *, hard: bool = False) -> None:
        """Stop every tree, the system tree last, then end. `hard`: kill instead of asking."""
        node, trees = self.node, self.node.trees
        first = not self.stopping
        self.stopping = True
        if hard and not self.hard:
            self.hard = True
            for leader in list(node.table.leaders.values()):
                node.table.kill(leader, "brutal_kill")
        if first:
            trees.returning.remember(runner.kernel for runner in trees.runners.values())
            node.append("node", {"what": "stopping", "dynamic": trees.returning.to_json()})
            trees.interrupted |= {runner.name for runner in trees.up()}
            for runner in trees.runners.values():
                if runner.name != SYSTEM_TREE and not runner.is_down:
                    runner.feed(StopRoot())
        self._stop_next()

    def root_ended(self) -> None:
        """Another tree is down."""
        if self.stopping:
            self.node.loop.call_soon(self._stop_next)

    def _stop_next(self) -> None:
        up = self.node.trees.up()
        if any(runner.name != SYSTEM_TREE for runner in up) or self._ships(store_ended=not up):
            return
        if not up and not self.node.driver.runs:
            self._end()
        for runner in up:
            runner.feed(StopRoot())

    def _ships(self, *, store_ended: bool) -> bool:
        """Whether the courier still brings records of the stop to the store; then this is looked at again soon.

        Before the system tree ends, for an embedded store ends with it; else before the courier ends.
        """
        node = self.node
        if self.hard or not node.helpers.courier_runs or (store_ended and stores_are_embedded(os.environ)):
            return False
        if (read_cursor(node.journal.directory) or 0) >= node.journal.next_seq - 1:
            return False
        now = node.loop.clock.boot()
        self._ships_until = self._ships_until or now + SHIP_WITHIN_S
        if now >= self._ships_until:
            return False
        if not self._looks:
            self._looks = True
            node.loop.call_later(LOOK_EVERY_S, self._look)
        return True

    def _look(self) -> None:
        self._looks = False
        self._stop_next()

    def _end(self) -> None:
        node = self.node
        node.templates.close()
        node.table.relatives.discover()
        node.table.relatives.discover_outside()
        for relative in list(node.table.relatives.by_pid.values()):
            node.table.relatives.end_relative(relative)
        node.helpers.close()
        node.table.end_standby()
        node.events.write_evidence()
        node.append("node", {"what": "stopped"})
        if node.guardian_pidfd < 0 or has_exited(node.guardian_pidfd):
            self.promotion = self._guardian_state()
        node.loop.stop()
