"""What the control socket shows of a node: itself, its trees, their documents, its strays."""

import os
from typing import TYPE_CHECKING, Any

from supervision.runtime.control import ControlError, Request
from supervision.runtime.jsontext import encode
from supervision.runtime.processes import descendants
from supervision.runtime.statuslines import StatusLines
from supervision.runtime.tree_runner import TreeRunner
from supervision.runtime.tree_view import tree_text

if TYPE_CHECKING:
    from supervision.runtime.node import Node
    from supervision.runtime.operations import Operations


class NodeView:
    """The operations that only read."""

    def __init__(self, node: "Node", operations: "Operations") -> None:
        self.node = node
        self._operations = operations
        self.status_lines = StatusLines()

    def status(self, request: Request) -> None:
        request.answer(self._node_view())

    def _node_view(self) -> dict[str, Any]:
        node = self.node
        return {
            "node_id": node.identity.node_id,
            "pid": os.getpid(),
            "guardian_pid": node.guardian_pid,
            "version": node.version,
            "started": node.started_at,
            "now": node.clock.wall(),
            "journal_seq": node.journal.next_seq - 1,
            "journal_room": node.journal.room,
            "journal_short": node.journal.short,
            "stopping": node.stopping,
            "on_guardian_death": node.on_guardian_death,
            "cgroup": node.cgroup is not None,
            "trees": len(node.trees.runners),
            "children": len(node.driver.runs),
            "strays": len(node.table.relatives.strays()),
            "watched": node.loop.watched,
            "timers": node.loop.timers,
            "helpers": [{"name": h.role, "pid": h.pid, "starts": h.starts} for h in node.helpers.all],
            "templates": node.templates.to_json(),
        }

    def health(self, request: Request) -> None:
        """What is asked of running children, and what they answered after the number that is held already; status lines that
        changed after a number of their own."""
        lines = self.status_lines.since(request.args["lines_since"], self.node.driver.runs)
        request.answer(
            {
                "at": self.node.clock.wall(),
                "lines": lines,
                "lines_seq": self.status_lines.seq,
                **self.node.health.changed(request.args["since"]),
            }
        )

    def tree(self, request: Request) -> None:
        wanted, pointer = request.args["tree"], "/args/tree"
        if wanted is None and request.args["key"] is not None:
            wanted, pointer = request.args["key"].partition("/")[0], "/args/key"
        if wanted is not None:
            self._operations.runner(wanted, pointer)
        runners = (one for one in self.node.trees.runners.values() if wanted in (None, one.name))
        trees = ",".join(self._tree_text(runner) for runner in runners)
        request.answer_text(f'{{"node":{encode(self._node_view())},"trees":[{trees}]}}')

    def _tree_text(self, runner: TreeRunner) -> str:
        node, revision = self.node, self.node.trees.revisions[runner.name]
        head = {
            "name": runner.name,
            "revision": revision.revision,
            "message": revision.message,
            "digest": revision.digest,
            "applied_at": revision.applied_at,
            "ended": runner.ended,
            "blocked": runner.blocked,
            "origin": revision.origin,
            "fenced": node.fencing.is_down(runner.name),
        }
        root = "".join(tree_text(runner, node.driver, node.kinship.own, node.clock))
        return f'{encode(head)[:-1]},"root":{root}}}'

    def trees(self, request: Request) -> None:
        """What the courier compares with the store each second: a line for each tree, and nothing of its children."""
        trees, fencing = self.node.trees, self.node.fencing
        request.answer(
            {
                "node_id": self.node.identity.node_id,
                "stream_epoch": self.node.identity.stream_epoch,
                "journal_seq": self.node.journal.next_seq - 1,
                "local_seq": trees.local_seq,
                "reporting": self.node.reporting.mark,
                "trees": [
                    {
                        "name": name,
                        "revision": revision.revision,
                        "digest": revision.digest,
                        "origin": revision.origin,
                        "epoch": revision.epoch,
                        "fence": revision.fence,
                        "fenced": fencing.is_down(name),
                        "removing": name in trees.removing,
                    }
                    for name, revision in trees.revisions.items()
                ],
            }
        )

    def spec(self, request: Request) -> None:
        name = request.args["tree"]
        revision = self.node.trees.revisions.get(name)
        if revision is None:
            raise ControlError("not_found", f"no tree {name!r}", "/args/tree")
        request.answer(revision.to_json())

    def strays(self, request: Request) -> None:
        """Those there are, and how many processes of the users' there are beside them; 1,000 take some milliseconds."""
        now = self.node.clock.boot()
        strays = self.node.table.relatives.strays()
        rows = [{**r.facts, "pid": r.pid, "seen_s": now - r.since} for r in strays]
        request.answer({"strays": rows, "processes": self._count_processes()})

    def _count_processes(self) -> int:
        """What descends from us and is none of ours: children, what is below them, and strays."""
        own = self.node.table.own
        below = descendants(own.guardian_pid or os.getpid())
        ours = {os.getpid(), *own.beside, *own.zombies}
        return sum(pid not in ours for pid in below)

    def wait(self, request: Request) -> None:
        """Answers once `key` is in `state`; `unavailable` after `timeout_s`."""
        key, runner = self._operations.key(request)
        state, timeout_s = request.args["state"], request.args["timeout_s"]

        def probe() -> Any:
            view = runner.kernel.child(key)
            return {"key": key, "state": view.state} if view is not None and view.state == state else None

        otherwise = f"{key} is not {state} after {timeout_s:g} s"
        self._operations.watching.wait(request, probe, timeout_s=timeout_s, otherwise=otherwise)
