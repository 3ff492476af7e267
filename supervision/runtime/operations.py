"""The operations of the control socket: parse, refuse or carry out, answer. One table, one small method each."""

import itertools
import os
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from supervision.kernel.events import Call
from supervision.runtime import boot
from supervision.runtime.arguments import read_arguments, to_record
from supervision.runtime.child_operations import ChildOperations
from supervision.runtime.control import ControlError, Request
from supervision.runtime.journal import JournalFull
from supervision.runtime.ledger import REF, Entry, Ledger, shown
from supervision.runtime.log import current_traceback
from supervision.runtime.node_view import NodeView
from supervision.runtime.replies import outcome_of
from supervision.runtime.tree_operations import TreeOperations
from supervision.runtime.tree_runner import TreeRunner
from supervision.runtime.watching import Watching

if TYPE_CHECKING:
    from supervision.runtime.node import Node

MAX_NAME = 100
"""Characters of a name that has not been checked yet."""


class Operations:
    """Answers requests for one node."""

    def __init__(self, node: "Node") -> None:
        self.node = node
        self._refs = itertools.count(1)
        self._pending: dict[str, Callable[[Any], None]] = {}
        self.ledger = Ledger(self._record)
        self.watching = Watching(node.loop, lambda: node.journal.next_seq - 1)
        self.trees = TreeOperations(node, self.kernel_call)
        self.children = ChildOperations(node, self)
        self.view = NodeView(node, self)
        self._reading: dict[str, Callable[[Request], None]] = {
            "status": self.view.status,
            "tree": self.view.tree,
            "spec": self.view.spec,
            "strays": self.view.strays,
            "plan": self.trees.plan,
            "watch": self.watching.watch,
            "wait": self.view.wait,
            "trees": self.view.trees,
            "health": self.view.health,
            "lease": self._lease,
            "reporting": self._told_reporting,
        }
        self._changing: dict[str, Callable[[Request], None]] = {
            "apply": self.trees.apply,
            "delete": self.trees.delete,
            "start": self.children.start,
            "stop": self.children.stop,
            "restart": self.children.restart,
            "recycle": self.children.recycle,
            "hold": self.children.hold,
            "release": self.children.release,
            "signal": self.children.signal,
            "reload": self.children.reload,
            "start_child": self.children.start_child,
            "delete_child": self.children.delete_child,
            "adopt_stray": self.children.adopt_stray,
            "end_stray": self.children.end_stray,
            "shutdown": self._shutdown,
            "reexec": self._reexec,
        }
        """These are journaled as commands, with who asked."""

    def changed(self) -> None:
        """Something a page shows is different."""
        self.watching.changed()

    def handle(self, request: Request) -> None:
        """Dispatch by name; ControlError for what is refused."""
        request.args = read_arguments(request.op, request.args)
        if request.op in self._reading:
            self._read(request)
            return
        if self.node.stopping and request.op != "shutdown":
            raise ControlError("unavailable", "the node is stopping")
        self._carry_out(request)

    def _read(self, request: Request) -> None:
        """A fault of ours in an answer is that answer's: nothing has been changed."""
        try:
            self._reading[request.op](request)
        except ControlError:
            raise
        except Exception as error:
            self.node.log.say("answer failed", op=request.op, error=current_traceback())
            raise ControlError("internal", f"{type(error).__name__}: {error}") from error

    def _carry_out(self, request: Request) -> None:
        """A command with an id is carried out once; one without is on record with how it was refused, if it was."""
        command_id = request.args.get("command_id")
        if command_id is not None and self.ledger.is_known(command_id, request):
            return
        args = to_record(request.op, request.args)
        seq = self._journal(request, args)
        if command_id is not None:
            self.ledger.begin(command_id, request, args)
        else:
            request.on_answer = lambda outcome: self._refused(request, seq, outcome)
        self._changing[request.op](request)

    def _journal(self, request: Request, args: dict[str, Any]) -> int:
        body = {"uid": request.peer.uid, "pid": request.peer.pid, "op": request.op, "args": args}
        told = {"id": request.args.get("command_id"), "by": request.args.get("by")}
        body |= {name: said for name, said in told.items() if said is not None}
        if request.args.get("origin") == "store":
            body["origin"] = "store"
        if request.op == "apply" and isinstance(request.args["spec"], dict):
            body["tree"] = str(request.args["spec"].get("tree"))[:MAX_NAME]
        try:
            return self.node.journal.append("command", body)
        except JournalFull as error:
            raise ControlError("unavailable", f"journal full: {error}") from error

    def _refused(self, request: Request, seq: int, outcome: dict[str, Any]) -> None:
        if not outcome["ok"]:
            error = {name: outcome["error"][name] for name in ("code", "message")}
            args = to_record(request.op, request.args)
            body = {"what": "refused", "of": seq, "uid": request.peer.uid, "op": request.op, "args": args}
            self._record("command", body | {"error": error})

    def _record(self, kind: str, body: dict[str, Any]) -> None:
        """What no decision waits for: left out on a full disk."""
        try:
            self.node.journal.append(kind, body)
        except JournalFull as error:
            self.node.log.say("record left out", kind=kind, why=str(error))

    def restore(self, entries: Mapping[str, Entry]) -> None:
        """Commands of a node before this one; those that a kernel is busy with end when it answers."""
        for command_id in self.ledger.restore(entries):
            args = shown(entries[command_id].args)
            self._pending[REF + command_id] = partial(self._end, command_id, args)

    def _end(self, command_id: str, args: dict[str, Any], value: Any) -> None:
        self.ledger.end(command_id, outcome_of(value, args))

    # -- calls into a kernel ----------------------------------------------------------------------------------------

    def call(
        self,
        runner: TreeRunner,
        request_to_kernel: Any,
        answer: Callable[[Any], None],
        command_id: str | None = None,
    ) -> None:
        """Ask a kernel; `answer` gets its reply. With an id also when another node is there by then."""
        if runner.blocked:
            raise ControlError("unavailable", f"journal full: {runner.name} waits for room on the disk")
        ref = (
            f"{self.node.identity.node_id[:8]}-{os.getpid()}-{next(self._refs)}"
            if command_id is None
            else REF + command_id
        )
        self._pending[ref] = answer
        runner.feed(Call(ref, request_to_kernel))

    def reply(self, ref: str, value: Any) -> None:
        """The kernel's answer to a call; one from before our time has nobody waiting."""
        answer = self._pending.pop(ref, None)
        if answer is not None:
            answer(value)

    def kernel_call(
        self,
        request: Request,
        runner: TreeRunner,
        to_kernel: Any,
        result: Mapping[str, Any],
        then: Callable[[], None] = lambda: None,
    ) -> None:
        """Ask a kernel, and answer the request with its reply beside `result`; `then` runs when it agreed."""

        def answer(value: Any) -> None:
            outcome = outcome_of(value, result)
            if outcome["ok"]:
                then()
                request.answer(outcome["result"])
            else:
                request.refuse(ControlError(outcome["error"]["code"], outcome["error"]["message"]))

        self.call(runner, to_kernel, answer, request.args.get("command_id"))

    def runner(self, key: str, pointer: str) -> TreeRunner:
        name = key.partition("/")[0]
        runner = self.node.trees.runners.get(name)
        if runner is None:
            raise ControlError("not_found", f"no tree {name!r}", pointer)
        return runner

    def key(self, request: Request) -> tuple[str, TreeRunner]:
        key = request.args["key"]
        runner = self.runner(key, "/args/key")
        if runner.kernel.child(key) is None:
            raise ControlError("not_found", f"no child {key!r}", "/args/key")
        return key, runner

    def lasting(self, request: Request) -> tuple[str, TreeRunner]:
        """`_key`, for what makes no sense while the tree is on its way out."""
        key, runner = self.key(request)
        self.refuse_removed(runner, "/args/key")
        return key, runner

    def refuse_removed(self, runner: TreeRunner, pointer: str) -> None:
        if runner.name in self.node.trees.removing:
            raise ControlError("conflict", f"tree {runner.name} is being removed", pointer)
        if self.node.fencing.is_down(runner.name):
            words = f"tree {runner.name} is fenced: it starts when this node's lease on it is confirmed"
            raise ControlError("conflict", words, pointer)

    # -- the node itself -----------------------------------------------------------------------------------------------

    def _lease(self, request: Request) -> None:
        """A renewal is confirmed. Not a command: it comes each second, and what follows from it is on record."""
        args = request.args
        self.node.fencing.renewed(args["sent"], args["ttl_s"], args["trees"])
        request.answer(
            {"fenced": [name for name in self.node.fencing.fences if self.node.fencing.is_down(name)]}
        )

    def _told_reporting(self, request: Request) -> None:
        """Where children report errors from their next start on. Not a command: nothing that runs changes."""
        self.node.reporting.tell(request.args["mark"], request.args["dsns"])
        request.answer({})

    def _shutdown(self, request: Request) -> None:
        request.answer({"stopping": True})
        self.node.link.send("stop", why=f"asked by uid {request.peer.uid}")

    def _reexec(self, request: Request) -> None:
        what = request.args["what"]
        lacking = boot.missing()
        if lacking:
            raise ControlError("unavailable", f"no upgrade can be made: {lacking}")
        roles = ["node", "guardian"] if what == "both" else [what]
        request.answer({"reexec": roles})
        self.node.link.send("reexec", what=roles)
