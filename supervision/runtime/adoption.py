"""Adoption: comparing what the journal says with what lives, and going on from there.

Guarantee: a child that lives keeps living under the same pid and incarnation; one that died while no node lived is reported
with its exit reason where anybody saw it; a start that was decided and not confirmed is found by its marker or done now.
None is restarted because its supervisor was (promise P5). 1,000 children take a tenth of a second.
"""

import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from supervision.kernel.events import Apply, Call, Started, Tick
from supervision.runtime.exits import Source, observe
from supervision.runtime.identity import boot_id, read_stat
from supervision.runtime.kinds import body_of
from supervision.runtime.kinship import Leader, parse_mark
from supervision.runtime.linux import pidfd_inode
from supervision.runtime.processes import find_marked
from supervision.runtime.recovery import NEVER_BEGUN, Recovered, RecoveredProcess, RecoveredTree, recover
from supervision.runtime.returning import dynamic_children
from supervision.runtime.run import MAIN, PRE_START, Run
from supervision.runtime.spare_files import Taking
from supervision.runtime.template_leftovers import UNUSED_STATUS, end_templates
from supervision.runtime.treedoc import parse_tree

if TYPE_CHECKING:
    from supervision.runtime.node import Node

TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True, order=True)
class Marked:
    """A living session leader that carries our marker. The first of an incarnation and role is the one we started."""

    start_time: int
    pid: int
    role: str


class End(NamedTuple):
    """How a process ended, and who says so; without a status nobody saw it."""

    pid: int
    start_time: int | None
    status: int | None
    source: Source


class Adoption:
    """One recovery of one node, in three steps: `replay` the journal, `adopt` what lives, `resume` what was under way."""

    def __init__(self, node: "Node", handed: Mapping[int, int]) -> None:
        self.node = node
        self.handed = dict(handed)
        # At once: of one that ends before we come to it, somebody else may take away what it was.
        self._stats = {pid: stat for pid in handed if (stat := read_stat(pid)) is not None}
        self.recovered = Recovered()
        self.adopted = 0
        self.runs: list[Run] = []
        self.missing: list[Leader] = []
        self.takings: dict[tuple[str, int], Taking] = {}
        self.marked: dict[tuple[str, int], list[Marked]] = {}
        self._claimed: set[int] = set()
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
        if self.node.journal.fresh:
            self.node.output.spares.forget_takings()
        has_record = self.recovered.boot_id is not None
        self.rebooted = has_record and (
            self.recovered.boot_id != boot_id() or self.node.paths.restored.exists()
        )

    # -- adopt ------------------------------------------------------------------------------------------------------

    def adopt(self) -> None:
        node, recovered = self.node, self.recovered
        node.trees.retired = recovered.incarnations
        for tree in recovered.trees.values():
            if self.rebooted:
                self._restart_kernel(tree)
            node.trees.restore(tree)
        node.trees.removing = {name for name in recovered.removing if name in node.trees.runners}
        node.trees.returning.requests = recovered.returning
        node.trees.local_seq = recovered.local_seq
        node.fencing.restore(recovered.fences)
        for (key, incarnation), reason in recovered.unproven.items():
            node.events.owe_evidence(key, incarnation, reason, None)
        self._name_output()
        if self.rebooted:
            recovered.processes.clear()
            recovered.unconfirmed.clear()
            return
        node.kinship.adopted = dict(recovered.adopted_strays)
        node.table.relatives.known_strays = dict(recovered.strays)
        for own in recovered.own_children.values():
            stat = read_stat(own.pid)
            if stat is not None and stat.start_time == own.start_time:
                node.kinship.own.restore(own)
        if not recovered.stopped_cleanly:
            self._look_for_marks()
        for process in recovered.processes.values():
            self._adopt_one(process)

    def _name_output(self) -> None:
        """Files that were taken as spares and whose names a dead node owed."""
        output = self.node.output
        self.takings = output.spares.takings()
        nameless = output.spares.nameless()
        for (key, incarnation), taking in self.takings.items():
            if taking.name not in nameless:
                continue  # as nearly all of a thousand are: nothing is owed
            try:
                directory = output.directory(key)
            except ValueError:  # a torn line
                continue
            output.spares.owe(taking, f"{directory}/{incarnation}.out", f"{directory}/{incarnation}.err")
        output.spares.settle()

    def _look_for_marks(self) -> None:
        prefix = self.node.identity.mark_prefix
        marked = find_marked(prefix)
        left = marked.get(self.node.templates.mark)
        if left:  # one that still forks would make an agent beside the one we start
            self._claimed |= end_templates(
                left, lambda: find_marked(prefix).get(self.node.templates.mark, [])
            )
            marked = find_marked(prefix)
        for text, pids in marked.items():
            mark = parse_mark(text, prefix)
            for pid in pids:
                stat = read_stat(pid)
                if mark is not None and stat is not None and stat.session == pid and not stat.is_zombie:
                    found = self.marked.setdefault((mark.key, mark.incarnation), [])
                    found.append(Marked(stat.start_time, pid, mark.role))

    def _first_marked(self, key: str, incarnation: int, role: str) -> int | None:
        found = [m for m in self.marked.get((key, incarnation), ()) if m.role == role]
        return min(found).pid if found else None

    def _adopt_one(self, process: RecoveredProcess) -> None:
        body = self._body(process.key)
        if body is None:
            return
        pidfd = self._same(process)
        if pidfd is None and process.role == PRE_START:
            # The node died after it had started the main process and before it had said so.
            pid = self._first_marked(process.key, process.incarnation, MAIN)
            if pid is not None:
                process.pid, process.role, process.job, process.start_time = pid, MAIN, 0, None
                pidfd = _open(pid)
        if pidfd is None:
            leader = self._gone_leader(process.key, process.incarnation, process.role, process.pid)
            leader.start_time, leader.killed_for = process.start_time, process.killed_for
            status = self.node.exits.lookup(process.pid, process.start_time)
            self.node.table.missing(leader, status, "guardian" if status is not None else "none")
        else:
            leader = self.node.table.adopt(
                key=process.key,
                incarnation=process.incarnation,
                role=process.role,
                pid=process.pid,
                pidfd=pidfd,
                start_time=process.start_time,
                keep_descendants=False,
                on_gone=lambda _: None,
                stat=self._stats.get(process.pid),
            )
            leader.killed_for = process.killed_for
            self.adopted += 1
        run = self.node.driver.adopt(
            process.key,
            process.incarnation,
            body,
            leader,
            stage=process.role,
            job=process.job,
            reason=process.reason,
            ready=process.ready,
            asked=process.asked,
        )
        self.runs.append(run)

    def _gone_leader(self, key: str, incarnation: int, role: str, pid: int) -> Leader:
        """Of an incarnation that ended while no node lived. Its orphans are the guardian's, if it is still the same one."""
        known = self.recovered.guardian_pid == self.node.guardian_pid
        leader = Leader(
            key, incarnation, role, pid, -1, "guardian" if known else "other", on_gone=lambda _: None
        )
        self.missing.append(leader)
        return leader

    def _same(self, process: RecoveredProcess) -> int | None:
        """A pidfd of the process, if it still is the one the journal means. A zombie still is, and through a pidfd that was
        handed to us also one that was reaped since."""
        for take in (lambda pid: self.handed.pop(pid, None), _open):
            pidfd = take(process.pid)
            if pidfd is None:
                continue
            if process.inode and pidfd_inode(pidfd) == process.inode:
                return pidfd
            stat = read_stat(process.pid)
            if stat is not None and process.start_time is not None and stat.start_time == process.start_time:
                return pidfd
            os.close(pidfd)
        return None

    def _body(self, key: str) -> Mapping[str, Any] | None:
        runner = self.node.trees.runners.get(key.partition("/")[0])
        view = runner.kernel.child(key) if runner is not None else None
        return view.spec.body if view is not None else None

    # -- resume -----------------------------------------------------------------------------------------------------

    def resume(self) -> None:
        """Feed the kernels what happened meanwhile, in the order it can be known, and do what was left undone."""
        node = self.node
        node.operations.restore(self.recovered.commands)
        node.fencing.check()  # before a kernel hears of a death and starts what must not run any more
        unknown = self._without_process()
        for run in self.runs:
            node.driver.resume(run)
        for key, (incarnation, at) in sorted(self.recovered.unconfirmed.items(), key=lambda item: item[1][1]):
            self._confirm(key, incarnation, at)
        for pidfd in self.handed.values():
            os.close(pidfd)
        for key, incarnation in unknown:
            node.log.say("child without a process", key=key, incarnation=incarnation)
            node.trees.runners[key.partition("/")[0]].exited(key, incarnation, "lost")
        if not self.recovered.stopped_cleanly:
            node.table.relatives.discover()
            node.table.relatives.discover_outside()
        for leader in self.missing:
            node.table.end_missing(leader)
        self._trees()

    def _confirm(self, key: str, incarnation: int, at: float) -> None:
        """A start was decided; whether it was done only the machine knows."""
        node = self.node
        body = self._body(key)
        if body is None:
            return
        role = PRE_START if body.get("process", {}).get("pre_start") else MAIN
        pid = self._first_marked(key, incarnation, role) or self._taker(key, incarnation, at)
        pidfd = _open(pid) if pid is not None else None
        if pid is None or pidfd is None:
            self._confirm_gone(key, incarnation, role, body, at)
            return
        leader = node.table.adopt(
            key=key,
            incarnation=incarnation,
            role=role,
            pid=pid,
            pidfd=pidfd,
            start_time=None,
            keep_descendants=False,
            on_gone=lambda _: None,
        )
        announced, wanted = self._heard(key)
        run = node.driver.adopt(key, incarnation, body, leader, stage=role, asked=not wanted)
        if announced:
            node.events.stage(run, leader)
        else:
            node.events.started(key, incarnation, leader)
        node.driver.resume(run)

    def _taker(self, key: str, incarnation: int, at: float) -> int | None:
        """The process that took spare files for this start, also one that shows no mark: it has not come to its exec, or is
        on its way out, or a zombie whose status is still to be had. Its end is heard of as any other's."""
        taking = self.takings.get((key, incarnation))
        stat = read_stat(taking.pid) if taking is not None else None
        if taking is None or stat is None or not taking.is_by(stat.start_time, int(at * TICKS)):
            return None
        return stat.pid

    def _heard(self, key: str) -> tuple[bool, bool]:
        """(whether the kernel has heard that the start was done, whether the child is not being stopped)."""
        runner = self.node.trees.runners[key.partition("/")[0]]
        view = runner.kernel.child(key)
        return view is not None and view.alive, view is not None and view.state != "stopping"

    def _confirm_gone(
        self, key: str, incarnation: int, role: str, body: Mapping[str, Any], at: float
    ) -> None:
        """No process of the start that was decided lives."""
        node = self.node
        announced, wanted = self._heard(key)
        end: End | None = None
        taking = self.takings.get((key, incarnation))
        if taking is not None or os.path.exists(node.output.names(key, incarnation)[0]):
            # It said so itself, or its files were opened.
            end = self._first_end_since(at, taking)
            if end is None and not _is_forked(body):
                end = End(-1 - len(self.missing), None, None, "none")  # so it ran, and nobody saw its end
        if end is not None:
            self._find_end(key, incarnation, role, body, end, announced=announced)
        elif wanted:
            node.driver.start(key, incarnation, body, announced=announced)
        else:
            node.trees.runners[key.partition("/")[0]].exited(key, incarnation, "shutdown")

    def _find_end(
        self,
        key: str,
        incarnation: int,
        role: str,
        body: Mapping[str, Any],
        end: End,
        *,
        announced: bool,
    ) -> None:
        """An incarnation that ran and is gone before anybody wrote down its pid."""
        node = self.node
        pid, start_time, status, source = end
        leader = self._gone_leader(key, incarnation, role, pid)
        leader.start_time = start_time
        node.table.missing(leader, status, source)
        run = node.driver.adopt(key, incarnation, body, leader, stage=role)
        if announced:
            if status is not None:
                node.events.stage(run, leader)
            return
        process = {"pid": pid, "inode": None, "start_time": start_time, "role": role}
        node.trees.runners[key.partition("/")[0]].feed(
            Started(key, incarnation), {"process": process if status is not None else None}
        )

    def _first_end_since(self, at: float, taking: Taking | None) -> End | None:
        """Of the ends that the guardian recorded or our pidfds tell, of processes started at boot clock `at` or later: that
        of the process that took spare files, or without one the oldest that nobody knows.

        A leader starts before its descendants, so among what nobody knows it comes first. The guardian may be about to
        write: it is given 40 ms.
        """
        known = {process.pid for process in self.recovered.processes.values()}
        known |= self.recovered.helpers | self._claimed
        since = int(at * TICKS) if taking is None or taking.start_time is None else taking.start_time
        for _ in range(20):
            for start_time, end in sorted(self._ends_since(since)):
                if (
                    end.pid == taking.pid and taking.is_by(start_time, since)
                    if taking is not None
                    else end.pid not in known and end.status != UNUSED_STATUS
                ):
                    self._claimed.add(end.pid)
                    return end
            time.sleep(0.002)
        return None

    def _ends_since(self, since: int) -> Iterator[tuple[int, End]]:
        """(start time, end) of what began then or later and has ended."""
        exits = self.node.exits
        for pid, start_time, status in exits.started_since(since):
            yield start_time, End(pid, start_time, status, "guardian")
        for pid, stat in self._stats.items():
            if stat.start_time >= since and pid in self.handed:
                seen = observe(pid, self.handed[pid], stat.start_time, exits)
                if seen.status is not None:
                    yield stat.start_time, End(pid, stat.start_time, seen.status, seen.source)

    def _without_process(self) -> list[tuple[str, int]]:
        """Children that their kernels believe alive and nobody knows a process of; a kernel must not wait for ever."""
        return [
            (view.key, view.incarnation)
            for runner in self.node.trees.runners.values()
            for view in runner.kernel.children()
            if view.alive
            and not view.spec.is_supervisor
            and view.key not in self.node.driver.runs
            and view.key not in self.recovered.unconfirmed
        ]

    def _trees(self) -> None:
        """Deadlines of running kernels are armed again; trees that the last stop took down start."""
        node = self.node
        again = self.recovered.stopped_cleanly or self.rebooted
        begun = set(node.trees.runners) if again else self.recovered.interrupted
        if node.start.stopping:
            node.trees.interrupted = self.recovered.interrupted
        down = []
        for name, runner in list(node.trees.runners.items()):
            tree = self.recovered.trees[name]
            if name in node.trees.removing:
                node.trees.remove(name)
            elif not runner.is_down:
                runner.feed(Tick())
            elif node.start.stopping:
                continue
            elif name in begun or runner.ended == NEVER_BEGUN:
                runner.ended = NEVER_BEGUN  # also for the node after us, if we do not come to it
                down.append(name)
            if tree.unapplied and name in node.trees.runners:
                runner.feed(Call("recovered", Apply(parse_tree(tree.document).spec)))
        node.trees.begin(down)

    def _restart_kernel(self, tree: RecoveredTree) -> None:
        """After a reboot nothing lives; what was added to the tree by hand is added again."""
        gone = dynamic_children(tree.kernel)
        if gone:
            self.recovered.returning[tree.name] = gone
        tree.kernel, tree.ended = tree.kernel.after_reboot(), NEVER_BEGUN


def _is_forked(body: Mapping[str, Any]) -> bool:
    """Whether its main process may come out of a template: then its files are opened before it is forked, and prove
    nothing."""
    try:
        return body_of(body).forking is not None
    except (ValueError, KeyError):
        return False


def _open(pid: int) -> int | None:
    try:
        return os.pidfd_open(pid)
    except OSError:
        return None
