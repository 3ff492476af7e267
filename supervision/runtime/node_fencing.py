"""The node's part in fencing: trees that run only under a fresh lease, and the guardian's knowledge of them.

Guarantee: at the deadline of the last confirmed renewal every process of a fenced tree has been sent SIGKILL, by this node
or, when it does not come to it, by the guardian, which knows deadline and processes in advance. A fenced tree starts again
only when a renewal names it with its epoch. The lease survives this process in a file beside the sockets; a reboot ends it.
"""

import contextlib
import json
import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from supervision.kernel.events import Begin, StopRoot
from supervision.runtime.fencing import GUARDIAN_AFTER_S, Fence, Lease, judge, newer
from supervision.runtime.identity import boot_id
from supervision.runtime.kinship import Relative
from supervision.runtime.loop import Timer
from supervision.runtime.paths import LEASE_FILE

if TYPE_CHECKING:
    from supervision.runtime.node import Node

KILL_AGAIN_S = 0.05
"""What a kernel had started when the fence fell is met at the next round."""


class NodeFencing:
    """Which trees are fenced is on record (`fences`); what was renewed when is not, and comes each second."""

    def __init__(self, node: "Node") -> None:
        self.node = node
        self.fences: dict[str, Fence] = {}
        self.lease: Lease | None = None
        self._timer: Timer | None = None
        self._telling = False
        self._told_nothing = True

    def restore(self, fences: Mapping[str, Fence]) -> None:
        """Of a node before this one, and the renewal it was told of last."""
        self.fences = dict(fences)
        self.lease = self._read() if fences else None

    def is_down(self, tree: str) -> bool:
        """Whether a fence keeps the tree down."""
        fence = self.fences.get(tree)
        return fence is not None and fence.down

    def must_wait(self, tree: str) -> bool:
        """Whether the tree must not be started now; it is when a renewal covers it."""
        fence = self.fences.get(tree)
        if fence is None:
            return False
        if fence.down:
            return True
        if self.lease is not None and self.lease.covers(tree, fence.epoch, self.node.clock.boot()):
            return False
        self._fall(tree, fence, "no confirmed lease names it yet")
        return True

    # -- what is said -----------------------------------------------------------------------------------------------

    def declare(self, tree: str, epoch: int | None) -> None:
        """The tree runs under a lease with this epoch from now on; None: it does not. The record is the caller's."""
        if epoch is None:
            known = self.fences.pop(tree, None)
            if known is not None and known.down:
                self._begin(tree)
        else:
            self.fences[tree] = Fence(epoch, self.is_down(tree))
            self._write()
        self.check()

    def forget(self, tree: str) -> None:
        """It was removed."""
        if self.fences.pop(tree, None) is not None:
            self.tell_guardian()

    def renewed(self, sent: float, ttl_s: float, trees: Mapping[str, int]) -> None:
        """A renewal that was sent at `sent` is confirmed."""
        self.lease = newer(self.lease, Lease(sent, ttl_s, dict(trees)))
        self._write()
        self.check()

    # -- what is done -----------------------------------------------------------------------------------------------

    def check(self) -> None:
        """Kill what is not covered any more, begin what is covered again; at start too, before anything is resumed."""
        verdict = judge(self.fences, self.lease, self.node.clock.boot())
        for tree in verdict.kill:
            self._fall(tree, self.fences[tree], "its lease was not renewed in time")
        for tree in verdict.release:
            self._release(tree)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if verdict.again is not None:
            self._timer = self.node.loop.call_at(verdict.again, self.check)
        self.tell_guardian()

    def _fall(self, tree: str, fence: Fence, why: str) -> None:
        self.fences[tree] = Fence(fence.epoch, down=True)
        node = self.node
        node.log.say("tree fenced", tree=tree, epoch=fence.epoch, why=why)
        node.append("tree", {"what": "fenced", "tree": tree, "epoch": fence.epoch, "why": why})
        runner = node.trees.runners.get(tree)
        if runner is not None and not runner.is_down:
            runner.feed(StopRoot())
        self._kill(tree)

    def _kill(self, tree: str) -> None:
        node = self.node
        if not self.is_down(tree):
            return  # released since
        for leader in list(node.table.leaders.values()):
            if leader.key.partition("/")[0] == tree:
                node.table.kill(leader, "brutal_kill")
        left = [one for one in node.table.relatives.by_pid.values() if _tree_of(one) == tree]
        for relative in left:
            node.table.relatives.end_relative(relative)
        runner = node.trees.runners.get(tree)
        if left or (runner is not None and not runner.is_down):
            node.loop.call_later(KILL_AGAIN_S, lambda: self._kill(tree))

    def _release(self, tree: str) -> None:
        fence = self.fences[tree]
        runner = self.node.trees.runners.get(tree)
        if runner is not None and not runner.is_down and runner.name not in self.node.trees.removing:
            self.node.loop.call_later(KILL_AGAIN_S, self.check)  # first it has to be down
            return
        self.fences[tree] = Fence(fence.epoch)
        self.node.append("tree", {"what": "unfenced", "tree": tree, "epoch": fence.epoch})
        self._begin(tree)

    def _begin(self, tree: str) -> None:
        runner = self.node.trees.runners.get(tree)
        if runner is None or self.node.stopping or tree in self.node.trees.removing:
            return
        root = runner.kernel.child(tree)
        if runner.is_down and root is not None and root.wanted:
            runner.feed(Begin())

    # -- guardian ---------------------------------------------------------------------------------------------------

    def leader_changed(self, key: str) -> None:
        """A process of a fenced tree was started or ended."""
        if self.fences and key.partition("/")[0] in self.fences and not self._telling:
            self._telling = True
            self.node.loop.call_soon(self.tell_guardian)

    def tell_guardian(self) -> None:
        """When to kill what, should this node not come to it. Said again with each renewal."""
        self._telling = False
        up = {name for name, fence in self.fences.items() if not fence.down}
        pids = [
            [pid, start_time] for key, pid, start_time in self._processes() if key.partition("/")[0] in up
        ]
        if not pids or self.lease is None:
            if not self._told_nothing:
                self._told_nothing = self.node.link.send("fence", deadline=None, pids=[])
            return
        self._told_nothing = False
        self.node.link.send("fence", deadline=self.lease.deadline + GUARDIAN_AFTER_S, pids=pids)

    def _processes(self) -> Iterator[tuple[str, int, int]]:
        """(key, pid, start time or 0) of every leader, and of what left its leader and is known to be the child's."""
        table = self.node.table
        for leader in table.leaders.values():
            yield leader.key, leader.pid, leader.start_time or 0
        for relative in table.relatives.by_pid.values():
            key = relative.owner or relative.origin
            if key is not None:
                yield key, relative.pid, relative.start_time

    # -- file -------------------------------------------------------------------------------------------------------

    def _write(self) -> None:
        if self.lease is None or not self.fences:
            return
        path = os.path.join(self.node.paths.runtime_dir, LEASE_FILE)
        body = {
            "v": 1,
            "boot_id": boot_id(),
            "sent": self.lease.sent,
            "ttl_s": self.lease.ttl_s,
            "trees": dict(self.lease.trees),
        }
        with contextlib.suppress(OSError):  # then the next node knows of no lease, and fences
            with open(path + ".new", "w") as file:
                json.dump(body, file)
            os.rename(path + ".new", path)

    def _read(self) -> Lease | None:
        try:
            with open(os.path.join(self.node.paths.runtime_dir, LEASE_FILE)) as file:
                body: dict[str, Any] = json.load(file)
            if body["boot_id"] != boot_id():
                return None
            return Lease(float(body["sent"]), float(body["ttl_s"]), dict(body["trees"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None


def _tree_of(relative: Relative) -> str | None:
    """Of the child that it belongs to, or certainly came from."""
    key = relative.owner or relative.origin
    return None if key is None else key.partition("/")[0]
