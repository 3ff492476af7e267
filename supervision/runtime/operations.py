"""The operations of the control socket: parse, refuse or carry out, answer. One table, one small method each."""

import itertools
import os
import signal
import traceback
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from supervision.kernel.events import (
    Call,
    DeleteChild,
    HoldKey,
    ReleaseKey,
    RestartKey,
    StartChild,
    StartKey,
    StopKey,
    TerminateChild,
)
from supervision.kernel.spec import ChildSpec
from supervision.runtime.arguments import read_arguments, to_record
from supervision.runtime.control import ControlError, Request
from supervision.runtime.journal import JournalFull
from supervision.runtime.kinship import Leader
from supervision.runtime.process_driver import MAIN, Run
from supervision.runtime.tree_operations import TreeOperations
from supervision.runtime.tree_runner import TreeRunner
from supervision.runtime.tree_view import tree_view
from supervision.runtime.watching import Watching

if TYPE_CHECKING:
    from supervision.runtime.node import Node

RELOAD_LIMIT_S = 90.0
"""How long a child with `reload: notify` may take to be ready again, if it names no deadline for its start."""


MAX_NAME = 100
"""Characters of a name that has not been checked yet."""


class Operations:
    """Answers requests for one node."""

    def __init__(self, node: "Node") -> None:
        self.node = node
        self._refs = itertools.count(1)
        self._pending: dict[str, Callable[[Any], None]] = {}
        self.watching = Watching(node.loop, lambda: node.journal.next_seq - 1)
        self.trees = TreeOperations(node, self._kernel_call)
        self._reading: dict[str, Callable[[Request], None]] = {
            "status": self._status,
            "tree": self._tree,
            "spec": self._spec,
            "strays": self._strays,
            "plan": self.trees.plan,
            "watch": self.watching.watch,
            "wait": self._wait,
        }
        self._changing: dict[str, Callable[[Request], None]] = {
            "apply": self.trees.apply,
            "delete": self.trees.delete,
            "start": self._start,
            "stop": self._stop,
            "restart": self._restart,
            "hold": self._hold,
            "release": self._release,
            "signal": self._signal,
            "reload": self._reload,
            "start_child": self._start_child,
            "delete_child": self._delete_child,
            "adopt_stray": self._adopt_stray,
            "end_stray": self._end_stray,
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
        self._journal(request)
        self._changing[request.op](request)

    def _read(self, request: Request) -> None:
        """A fault of ours in an answer is that answer's: nothing has been changed."""
        try:
            self._reading[request.op](request)
        except ControlError:
            raise
        except Exception as error:
            self.node.log.say("answer failed", op=request.op, error=traceback.format_exc())
            raise ControlError("internal", f"{type(error).__name__}: {error}") from error

    def _journal(self, request: Request) -> None:
        args = to_record(request.op, request.args)
        body = {"uid": request.peer.uid, "pid": request.peer.pid, "op": request.op, "args": args}
        if request.op == "apply" and isinstance(request.args["spec"], dict):
            body["tree"] = str(request.args["spec"].get("tree"))[:MAX_NAME]
        try:
            self.node.journal.append("command", body)
        except JournalFull as error:
            raise ControlError("unavailable", f"journal full: {error}") from error

    # -- calls into a kernel ----------------------------------------------------------------------------------------

    def _call(self, runner: TreeRunner, request_to_kernel: Any, answer: Callable[[Any], None]) -> None:
        if runner.blocked:
            raise ControlError("unavailable", f"journal full: {runner.name} waits for room on the disk")
        ref = f"{self.node.identity.node_id[:8]}-{os.getpid()}-{next(self._refs)}"
        self._pending[ref] = answer
        runner.feed(Call(ref, request_to_kernel))

    def reply(self, ref: str, value: Any) -> None:
        """The kernel's answer to a call; one from before our time has nobody waiting."""
        answer = self._pending.pop(ref, None)
        if answer is not None:
            answer(value)

    def _kernel_call(
        self,
        request: Request,
        runner: TreeRunner,
        to_kernel: Any,
        result: Mapping[str, Any],
        then: Callable[[], None] = lambda: None,
    ) -> None:
        def answer(value: Any) -> None:
            if isinstance(value, list) and value and value[0] == "ok":
                then()
                request.answer({**result, "reply": value})
            else:
                reason = value[1] if isinstance(value, list) and len(value) > 1 else value
                code = "not_found" if reason in ("not_found", "noproc") else "conflict"
                request.refuse(ControlError(code, _words(reason)))

        self._call(runner, to_kernel, answer)

    def _runner(self, key: str, pointer: str) -> TreeRunner:
        name = key.partition("/")[0]
        runner = self.node.trees.runners.get(name)
        if runner is None:
            raise ControlError("not_found", f"no tree {name!r}", pointer)
        return runner

    def _key(self, request: Request) -> tuple[str, TreeRunner]:
        key = request.args["key"]
        runner = self._runner(key, "/args/key")
        if runner.kernel.child(key) is None:
            raise ControlError("not_found", f"no child {key!r}", "/args/key")
        return key, runner

    def _lasting(self, request: Request) -> tuple[str, TreeRunner]:
        """`_key`, for what makes no sense while the tree is on its way out."""
        key, runner = self._key(request)
        self._refuse_removed(runner, "/args/key")
        return key, runner

    def _refuse_removed(self, runner: TreeRunner, pointer: str) -> None:
        if runner.name in self.node.trees.removing:
            raise ControlError("conflict", f"tree {runner.name} is being removed", pointer)

    def _living(self, key: str) -> tuple[Run, Leader]:
        """The incarnation of `key` that has a process, and that process."""
        run = self.node.driver.runs.get(key)
        if run is None or run.leader is None or run.leader.ended:
            raise ControlError("conflict", f"{key} has no process", "/args/key")
        return run, run.leader

    # -- reading ----------------------------------------------------------------------------------------------------

    def _status(self, request: Request) -> None:
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
            "strays": len(node.table.strays()),
            "helpers": [{"name": h.role, "pid": h.pid, "starts": h.starts} for h in node.helpers.all],
        }

    def _tree(self, request: Request) -> None:
        wanted, pointer = request.args["tree"], "/args/tree"
        if wanted is None and request.args["key"] is not None:
            wanted, pointer = request.args["key"].partition("/")[0], "/args/key"
        if wanted is not None:
            self._runner(wanted, pointer)
        trees = []
        for runner in self.node.trees.runners.values():
            if wanted not in (None, runner.name):
                continue
            revision = self.node.trees.revisions[runner.name]
            trees.append(
                {
                    "name": runner.name,
                    "revision": revision.revision,
                    "message": revision.message,
                    "digest": revision.digest,
                    "applied_at": revision.applied_at,
                    "ended": runner.ended,
                    "blocked": runner.blocked,
                    "root": tree_view(runner, self.node.driver, self.node.clock),
                }
            )
        request.answer({"node": self._node_view(), "trees": trees})

    def _spec(self, request: Request) -> None:
        name = request.args["tree"]
        revision = self.node.trees.revisions.get(name)
        if revision is None:
            raise ControlError("not_found", f"no tree {name!r}", "/args/tree")
        request.answer(revision.to_json())

    def _strays(self, request: Request) -> None:
        now = self.node.clock.boot()
        strays = self.node.table.strays()
        request.answer({"strays": [{**r.facts, "pid": r.pid, "seen_s": now - r.since} for r in strays]})

    def _wait(self, request: Request) -> None:
        """Answers once `key` is in `state`; `unavailable` after `timeout_s`."""
        key, runner = self._key(request)
        state, timeout_s = request.args["state"], request.args["timeout_s"]

        def probe() -> Any:
            view = runner.kernel.child(key)
            return {"key": key, "state": view.state} if view is not None and view.state == state else None

        otherwise = f"{key} is not {state} after {timeout_s:g} s"
        self.watching.wait(request, probe, timeout_s=timeout_s, otherwise=otherwise)

    # -- children ---------------------------------------------------------------------------------------------------

    def _start(self, request: Request) -> None:
        key, runner = self._lasting(request)
        self._kernel_call(request, runner, StartKey(key), {"key": key})

    def _stop(self, request: Request) -> None:
        key, runner = self._key(request)
        self._kernel_call(request, runner, StopKey(key), {"key": key})

    def _restart(self, request: Request) -> None:
        key, runner = self._lasting(request)
        self._kernel_call(request, runner, RestartKey(key), {"key": key})

    def _hold(self, request: Request) -> None:
        key, runner = self._key(request)
        seconds = request.args["seconds"]
        until = None if seconds is None else self.node.clock.boot() + seconds
        self._kernel_call(request, runner, HoldKey(key, until), {"key": key, "seconds": seconds})

    def _release(self, request: Request) -> None:
        key, runner = self._lasting(request)
        self._kernel_call(request, runner, ReleaseKey(key), {"key": key})

    def _signal(self, request: Request) -> None:
        key, _runner = self._key(request)
        _run, leader = self._living(key)
        request.answer(self._send(key, leader, request.args["signal"]))

    def _send(self, key: str, leader: Leader, number: int) -> dict[str, Any]:
        self.node.table.signal(leader, number)
        return {"key": key, "pid": leader.pid, "signal": signal.Signals(number).name}

    def _reload(self, request: Request) -> None:
        """Send the reload signal; with `reload: notify`, answer when RELOADING=1 and READY=1 came."""
        key, _runner = self._key(request)
        run, leader = self._living(key)
        if run.stage != MAIN:
            raise ControlError("conflict", f"{key} is not running", "/args/key")
        if run.body.reload == "none":
            raise ControlError("conflict", f"{key} does not say how it reloads (`reload: none`)", "/args/key")
        result = self._send(key, leader, run.body.reload_signal)
        if run.body.reload == "notify":
            self._answer_when_reloaded(request, key, run, result)
        else:
            request.answer(result)

    def _answer_when_reloaded(self, request: Request, key: str, run: Run, result: dict[str, Any]) -> None:
        limit_s = run.body.readiness_deadline_s or RELOAD_LIMIT_S

        def answer(problem: str) -> None:
            timer.cancel()
            if problem:
                request.refuse(ControlError("conflict", f"{key} did not reload: {problem}", "/args/key"))
            else:
                request.answer(result)

        def give_up() -> None:
            run.on_reloaded.remove(answer)
            words = f"{key} did not say RELOADING=1 and READY=1 within {limit_s:g} s"
            request.refuse(ControlError("unavailable", words, "/args/key"))

        timer = self.node.loop.call_later(limit_s, give_up)
        run.on_reloaded.append(answer)

    def _start_child(self, request: Request) -> None:
        key = request.args["supervisor"]
        runner = self._runner(key, "/args/supervisor")
        self._refuse_removed(runner, "/args/supervisor")
        view = runner.kernel.child(key)
        if view is None or view.spec.supervisor is None:
            raise ControlError("not_found", f"no supervisor {key!r}", "/args/supervisor")
        self.trees.refuse_too_many(1)
        if view.spec.supervisor.is_simple:
            if request.args["instance"] is None:
                raise ControlError("bad_request", "a name for the instance is needed", "/args/instance")
            to_kernel = StartChild(key, instance=request.args["instance"])
        else:
            to_kernel = StartChild(key, child=self.trees.child(request.args["child"], runner))
        child_id = to_kernel.instance or (
            to_kernel.child.id if isinstance(to_kernel.child, ChildSpec) else ""
        )
        self._kernel_call(request, runner, to_kernel, {"supervisor": key, "key": f"{key}/{child_id}"})

    def _delete_child(self, request: Request) -> None:
        key, runner = self._lasting(request)
        supervisor, _, child_id = key.rpartition("/")
        view, above = runner.kernel.child(key), runner.kernel.child(supervisor)
        if above is None or above.spec.supervisor is None or view is None:
            raise ControlError("bad_request", f"{key} is a tree; delete it as one", "/args/key")
        if not view.dynamic:
            words = f"{key} is declared in the tree file; apply one without it"
            raise ControlError("conflict", words, "/args/key")

        def forget() -> None:
            self.node.driver.forget(key)

        def delete(_value: Any) -> None:
            self._kernel_call(request, runner, DeleteChild(supervisor, id=child_id), {"key": key}, forget)

        if above.spec.supervisor.is_simple:
            # OTP: an instance of simple_one_for_one is forgotten with its process
            to_kernel = TerminateChild(supervisor, process=key)
            self._kernel_call(request, runner, to_kernel, {"key": key}, forget)
        else:
            self._call(runner, StopKey(key), delete)

    # -- strays, the node itself ------------------------------------------------------------------------------------

    def _adopt_stray(self, request: Request) -> None:
        pid = request.args["pid"]
        key, _runner = self._lasting(request)
        relative = self.node.table.adopt_stray(pid, key)
        if relative is None:
            raise ControlError("not_found", f"no stray with pid {pid}", "/args/pid")
        self.node.stray("adopted", relative)
        request.answer({"pid": pid, "key": key})

    def _end_stray(self, request: Request) -> None:
        pid = request.args["pid"]
        for relative in self.node.table.strays():
            if relative.pid == pid:
                self.node.table.end_relative(relative)
                request.answer({"pid": pid})
                return
        raise ControlError("not_found", f"no stray with pid {pid}", "/args/pid")

    def _shutdown(self, request: Request) -> None:
        request.answer({"stopping": True})
        self.node.link.send("stop", why=f"asked by uid {request.peer.uid}")

    def _reexec(self, request: Request) -> None:
        what = request.args["what"]
        roles = ["node", "guardian"] if what == "both" else [what]
        request.answer({"reexec": roles})
        self.node.link.send("reexec", what=roles)


def _words(reason: Any) -> str:
    """A kernel's reason as a sentence fragment."""
    if reason == "stopped":
        return "stopped: somebody stopped it meanwhile, and it stays so until it is started again"
    if isinstance(reason, list):
        return ": ".join(str(part) for part in reason)
    return str(reason)
