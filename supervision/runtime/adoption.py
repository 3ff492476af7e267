"""Adoption: comparing what the journal says with what lives, and going on from there.

Guarantee: a child that lives keeps living under the same pid and incarnation; one that died while no node lived is reported
with its exit reason where anybody saw it; a start that was decided and not confirmed is found by its marker or done now.
None is restarted because its supervisor was (promise P5). 1,000 children take a tenth of a second.
"""

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from supervision.kernel import Kernel
from supervision.kernel.events import Call, HoldKey, StartChild, StopKey, Tick
from supervision.runtime.identity import boot_id, read_stat
from supervision.runtime.linux import pidfd_inode
from supervision.runtime.process_table import Leader, parse_mark
from supervision.runtime.processes import find_marked
from supervision.runtime.recovery import NEVER_BEGUN, Recovered, RecoveredProcess, RecoveredTree, recover

if TYPE_CHECKING:
    from supervision.runtime.node import Node


class Adoption:
    """One recovery of one node, in three steps: `replay` the journal, `adopt` what lives, `resume` what was under way."""

    def __init__(self, node: "Node", handed: Mapping[int, int]) -> None:
        self.node = node
        self.handed = dict(handed)
        self.recovered = Recovered()
        self.adopted = 0
        self.missing: list[tuple[RecoveredProcess, Leader, Mapping[str, Any]]] = []
        self.jobs: list[RecoveredProcess] = []
        self.marked: dict[tuple[str, int], int] = {}
        self.rebooted = False

    def summary(self) -> dict[str, Any]:
        """For the journal's `started` record."""
        return {
            "adopted": self.adopted,
            "missing": len(self.missing),
            "unconfirmed": len(self.recovered.unconfirmed),
        }

    # -- replay -----------------------------------------------------------------------------------------------------

    def replay(self) -> None:
        snapshot, records = self.node.journal.replay()
        self.recovered = recover(snapshot, records)
        for damage in self.node.journal.damage:
            self.node.log.say("journal damaged", what=str(damage))
        for problem in self.recovered.problems:
            self.node.log.say("journal record not repeated", what=problem)
        self.rebooted = self.recovered.boot_id is not None and self.recovered.boot_id != boot_id()

    # -- adopt ------------------------------------------------------------------------------------------------------

    def adopt(self) -> None:
        node, recovered = self.node, self.recovered
        node.retired = recovered.incarnations
        node.table.adopted_strays = dict(recovered.adopted_strays)
        for tree in recovered.trees.values():
            if self.rebooted:
                _restart_kernel(tree)
            node.restore(tree)
        if self.rebooted:
            recovered.processes.clear()
            recovered.unconfirmed.clear()
            return
        for process in recovered.processes.values():
            self._adopt_one(process)
        if not recovered.stopped_cleanly:
            self._look_for_marks()

    def _adopt_one(self, process: RecoveredProcess) -> None:
        body = self._body(process.key)
        if body is None:
            return
        pidfd = self._same(process)
        if process.role != "main":
            self.jobs.append(process)
            if pidfd is not None:
                os.close(pidfd)
            return
        if pidfd is None:
            leader = Leader(
                process.key,
                process.incarnation,
                "main",
                process.pid,
                -1,
                "guardian",
                lambda _: None,
                start_time=process.start_time,
                killed_for=process.killed_for,
            )
            self.missing.append((process, leader, body))
            return
        leader = self.node.table.adopt(
            key=process.key,
            incarnation=process.incarnation,
            role="main",
            pid=process.pid,
            pidfd=pidfd,
            start_time=process.start_time,
            keep_descendants=False,
            on_gone=lambda _: None,
        )
        leader.killed_for = process.killed_for
        run = self.node.driver.adopt(
            process.key, process.incarnation, body, leader, ready=process.ready, asked=process.asked
        )
        if process.asked:
            leader.asked_signal = run.body.stop_signal
        self.adopted += 1

    def _same(self, process: RecoveredProcess) -> int | None:
        """A pidfd of the process, if it still is the one the journal means (a zombie still is)."""
        handed = self.handed.pop(process.pid, None)
        if handed is not None:
            return handed
        try:
            pidfd = os.pidfd_open(process.pid)
        except OSError:
            return None
        if process.inode is not None and pidfd_inode(pidfd) == process.inode:
            return pidfd
        stat = read_stat(process.pid)
        if stat is not None and process.start_time is not None and stat.start_time == process.start_time:
            return pidfd
        os.close(pidfd)
        return None

    def _body(self, key: str) -> Mapping[str, Any] | None:
        runner = self.node.runners.get(key.partition("/")[0])
        view = runner.kernel.child(key) if runner is not None else None
        return view.spec.body if view is not None else None

    def _look_for_marks(self) -> None:
        """Processes of ours by the marker in their environment: unconfirmed starts, and what fell to init."""
        for text, pids in find_marked(self.node.identity.mark_prefix).items():
            mark = parse_mark(text, self.node.identity.mark_prefix)
            for pid in pids:
                if mark is None or pid in self.node.table.leaders:
                    continue
                stat = read_stat(pid)
                wanted = self.recovered.unconfirmed.get(mark.key)
                if (
                    stat is not None
                    and stat.session == pid
                    and mark.role == "main"
                    and wanted
                    and wanted[0] == mark.incarnation
                ):
                    self.marked[(mark.key, mark.incarnation)] = pid
                else:
                    self.node.table.take_outsider(pid)

    # -- resume -----------------------------------------------------------------------------------------------------

    def resume(self) -> None:
        """Feed the kernels what happened meanwhile, in the order it can be known, and do what was left undone."""
        node = self.node
        for key, (incarnation, _at) in list(self.recovered.unconfirmed.items()):
            self._confirm(key, incarnation)
        for process, leader, body in self.missing:
            self._missing(process, leader, body)
        for process in self.jobs:
            again = self._body(process.key)
            if again is not None:
                node.driver.begin_again(process.key, process.incarnation, again)
        for run in list(node.driver.runs.values()):
            if run.leader is not None and run.leader.pid in node.table.leaders and run.asked:
                if run.leader.killed_for is not None:
                    node.table.kill(run.leader, run.leader.killed_for)
                else:
                    node.table.signal(run.leader, run.body.stop_signal)
        if node.cgroup is not None and not self.recovered.stopped_cleanly:
            node.scan_cgroup()
        self._trees()

    def _confirm(self, key: str, incarnation: int) -> None:
        """A start was decided; whether it was done only the machine knows."""
        node = self.node
        body = self._body(key)
        if body is None:
            return
        pid = self.marked.get((key, incarnation))
        if pid is None:
            node.driver.start(key, incarnation, body)
            return
        leader = node.table.adopt(
            key=key,
            incarnation=incarnation,
            role="main",
            pid=pid,
            pidfd=os.pidfd_open(pid),
            start_time=None,
            keep_descendants=False,
            on_gone=lambda _: None,
        )
        run = node.driver.adopt(key, incarnation, body, leader, ready=False, asked=False, armed=False)
        node.started(key, incarnation, leader)
        node.driver.arm(run)

    def _missing(self, process: RecoveredProcess, leader: Leader, body: Mapping[str, Any]) -> None:
        node = self.node
        status = node.exits.lookup(process.pid, process.start_time)
        node.driver.end_adopted(process.key, process.incarnation, body, leader, asked=process.asked)
        node.table.end_missing(leader, status, "guardian" if status is not None else "none")

    def _trees(self) -> None:
        """Deadlines of running kernels are armed again; trees that the last stop took down start."""
        node = self.node
        down = []
        for name, runner in list(node.runners.items()):
            if runner.is_down:
                if self.recovered.stopped_cleanly or self.rebooted or runner.ended == NEVER_BEGUN:
                    down.append(name)
            else:
                runner.feed(Tick())
        node.begin_trees(down)


def _restart_kernel(tree: RecoveredTree) -> None:
    """After a reboot nothing lives: a fresh kernel that carries on numbers, stops and dynamic children."""
    old = tree.kernel
    kernel = Kernel(tree.name, old.spec, incarnations=old.incarnations())
    for view in old.children():
        if not view.wanted:
            kernel.handle(Call("reboot", StopKey(view.key)), now=0.0)
        if view.held and view.held_until is None:
            kernel.handle(Call("reboot", HoldKey(view.key)), now=0.0)
        if view.dynamic and view.supervisor is not None:
            kernel.handle(Call("reboot", StartChild(view.supervisor, child=view.spec)), now=0.0)
    tree.kernel, tree.ended = kernel, NEVER_BEGUN
