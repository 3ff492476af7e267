"""The operations of the control socket: parse, refuse or carry out, answer. One table, one small method each."""

import itertools
import os
import signal
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from supervision.kernel import Kernel, PlanStep, SpecError
from supervision.kernel.events import (
    Apply,
    Begin,
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
from supervision.runtime.control import ControlError, Request
from supervision.runtime.desired import DesiredTree
from supervision.runtime.journal import JournalFull
from supervision.runtime.preflight import preflight
from supervision.runtime.tree_runner import TreeRunner
from supervision.runtime.tree_view import tree_view
from supervision.runtime.treedoc import DocumentErrors, TreeDocument, parse_tree

if TYPE_CHECKING:
    from supervision.runtime.node import Node

HINT_EVERY_S = 0.1
CHANGES = frozenset(
    {
        "apply",
        "delete",
        "start",
        "stop",
        "restart",
        "hold",
        "release",
        "signal",
        "reload",
        "start_child",
        "delete_child",
        "adopt_stray",
        "end_stray",
        "shutdown",
        "reexec",
    }
)
"""Operations that are journaled as commands, with who asked."""


class Operations:
    """Answers requests for one node."""

    def __init__(self, node: "Node") -> None:
        self.node = node
        self._refs = itertools.count(1)
        self._pending: dict[str, Callable[[Any], None]] = {}
        self._watchers: set[Request] = set()
        self._waiters: list[tuple[Request, Callable[[], Any]]] = []
        self._removals: dict[str, list[Request]] = {}
        self._dirty = False
        self._table: dict[str, Callable[[Request], None]] = {
            name.removeprefix("op_"): getattr(self, name)
            for name in dir(type(self))
            if name.startswith("op_")
        }

    def handle(self, request: Request) -> None:
        """Dispatch by name; ControlError for what is refused."""
        operation = self._table.get(request.op)
        if operation is None:
            raise ControlError("bad_request", f"unknown operation {request.op!r}", "/op")
        if request.op in CHANGES:
            if self.node.stopping and request.op != "shutdown":
                raise ControlError("unavailable", "the node is stopping")
            self._journal(request)
        operation(request)

    def _journal(self, request: Request) -> None:
        args = {name: value for name, value in request.args.items() if name != "spec"}
        body = {"uid": request.peer.uid, "pid": request.peer.pid, "op": request.op, "args": args}
        try:
            self.node.journal.append("command", body)
        except JournalFull as error:
            raise ControlError("unavailable", f"journal full: {error}") from error
        except ValueError as error:
            raise ControlError("bad_request", f"arguments cannot be recorded: {error}") from error

    # -- calls into a kernel ----------------------------------------------------------------------------------------

    def _call(self, runner: TreeRunner, request_to_kernel: Any, answer: Callable[[Any], None]) -> None:
        ref = f"{self.node.identity.node_id[:8]}-{os.getpid()}-{next(self._refs)}"
        self._pending[ref] = answer
        runner.feed(Call(ref, request_to_kernel))

    def reply(self, ref: str, value: Any) -> None:
        """The kernel's answer to a call; one from before our time has nobody waiting."""
        answer = self._pending.pop(ref, None)
        if answer is not None:
            answer(value)

    def _kernel_call(
        self, request: Request, runner: TreeRunner, to_kernel: Any, result: Mapping[str, Any]
    ) -> None:
        def answer(value: Any) -> None:
            if isinstance(value, list) and value and value[0] == "ok":
                request.answer({**result, "reply": value})
            else:
                reason = value[1] if isinstance(value, list) and len(value) > 1 else value
                code = "not_found" if reason in ("not_found", "noproc") else "conflict"
                request.refuse(ControlError(code, _words(reason)))

        self._call(runner, to_kernel, answer)

    def _runner(self, key: str, pointer: str = "/args/key") -> TreeRunner:
        runner = self.node.runners.get(key.partition("/")[0])
        if runner is None:
            raise ControlError("not_found", f"no tree {key.partition('/')[0]!r}", pointer)
        return runner

    def _key(self, request: Request) -> tuple[str, TreeRunner]:
        key = _text(request, "key")
        runner = self._runner(key)
        if runner.kernel.child(key) is None:
            raise ControlError("not_found", f"no child {key!r}", "/args/key")
        return key, runner

    # -- reading ----------------------------------------------------------------------------------------------------

    def op_status(self, request: Request) -> None:
        request.answer(self._node_view())

    def _node_view(self) -> dict[str, Any]:
        node = self.node
        return {
            "node_id": node.identity.node_id,
            "pid": os.getpid(),
            "guardian_pid": node.guardian_pid,
            "version": self.node.version,
            "started": node.started_at,
            "now": node.clock.wall(),
            "journal_seq": node.journal.next_seq - 1,
            "journal_room": node.journal.room,
            "journal_short": node.journal.short,
            "stopping": node.stopping,
            "on_guardian_death": node.on_guardian_death,
            "cgroup": node.cgroup is not None,
            "trees": len(node.runners),
            "children": len(node.driver.runs),
            "strays": len(node.table.strays()),
            "helpers": [{"name": h.role, "pid": h.pid, "starts": h.starts} for h in node.helpers],
        }

    def op_tree(self, request: Request) -> None:
        name = request.args.get("tree")
        key = request.args.get("key")
        wanted = name or (key.partition("/")[0] if isinstance(key, str) else None)
        if wanted is not None and wanted not in self.node.runners:
            raise ControlError("not_found", f"no tree {wanted!r}", "/args/tree")
        trees = []
        for runner in self.node.runners.values():
            if wanted not in (None, runner.name):
                continue
            revision = self.node.revisions[runner.name]
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

    def op_spec(self, request: Request) -> None:
        revision = self.node.revisions.get(_text(request, "tree"))
        if revision is None:
            raise ControlError("not_found", f"no tree {request.args['tree']!r}", "/args/tree")
        request.answer(revision.to_json())

    def op_strays(self, request: Request) -> None:
        now = self.node.clock.boot()
        request.answer(
            {"strays": [{**r.facts, "pid": r.pid, "seen_s": now - r.since} for r in self.node.table.strays()]}
        )

    def op_watch(self, request: Request) -> None:
        """A hint whenever something changed, at most ten a second; the client re-reads what it shows."""
        self._watchers.add(request)
        request.on_close = lambda: self._watchers.discard(request)
        request.event({"seq": self.node.journal.next_seq - 1})

    def changed(self) -> None:
        """Something a page shows is different."""
        if (self._watchers or self._waiters) and not self._dirty:
            self._dirty = True
            self.node.loop.call_later(HINT_EVERY_S, self._hint)

    def _hint(self) -> None:
        self._dirty = False
        seq = self.node.journal.next_seq - 1
        for request in list(self._watchers):
            request.event({"seq": seq})
        waiting, self._waiters = self._waiters, []
        for request, probe in waiting:
            self._probe(request, probe)

    def op_wait(self, request: Request) -> None:
        """Answers once `key` is in `state`; `unavailable` after `timeout_s`."""
        key, runner = self._key(request)
        state = request.args.get("state", "running")
        timeout_s = _number(request, "timeout_s", 30.0)

        def probe() -> Any:
            view = runner.kernel.child(key)
            return {"key": key, "state": view.state} if view is not None and view.state == state else None

        if self._probe(request, probe):
            return
        self.node.loop.call_later(
            timeout_s,
            lambda: request.refuse(
                ControlError("unavailable", f"{key} is not {state} after {timeout_s:g} s")
            ),
        )

    def _probe(self, request: Request, probe: Callable[[], Any]) -> bool:
        if not request.open:
            return True
        result = probe()
        if result is None:
            self._waiters.append((request, probe))
            return False
        request.answer(result)
        return True

    # -- trees ------------------------------------------------------------------------------------------------------

    def _document(self, request: Request) -> TreeDocument:
        try:
            return parse_tree(request.args.get("spec"))
        except DocumentErrors as error:
            raise _document_error(error, "/args/spec", "") from error

    def _findings(self, tree: TreeDocument) -> list[dict[str, Any]]:
        found = preflight(
            tree,
            allow=self.node.settings.allow,
            as_root=os.getuid() == 0,
            why_no_memory=self.node.why_no_memory,
        )
        return [{"pointer": f.pointer, "severity": f.severity, "message": f.message} for f in found]

    @staticmethod
    def _refuse_findings(findings: list[dict[str, Any]], pointer: str) -> None:
        errors = [finding for finding in findings if finding["severity"] == "error"]
        if errors:
            raise ControlError(
                "refused", errors[0]["message"], pointer + errors[0]["pointer"], findings=findings
            )

    def _plan(self, tree: TreeDocument) -> dict[str, Any]:
        runner = self.node.runners.get(tree.name)
        result: dict[str, Any] = {
            "tree": tree.name,
            "digest": tree.digest,
            "from_revision": None,
            "findings": self._findings(tree),
        }
        try:
            if runner is None:
                steps = [
                    PlanStep("start", view.key, "added") for view in Kernel(tree.name, tree.spec).children()
                ]
            else:
                result["from_revision"] = self.node.revisions[tree.name].revision
                steps = runner.kernel.plan(tree.spec)
        except SpecError as error:
            raise ControlError("bad_request", str(error), "/args/spec") from error
        result["steps"] = [{"do": step.do, "key": step.key, "why": step.why} for step in steps]
        result["changes"] = sum(step.do != "keep" for step in steps)
        return result

    def op_plan(self, request: Request) -> None:
        request.answer(self._plan(self._document(request)))

    def op_apply(self, request: Request) -> None:
        node = self.node
        tree = self._document(request)
        plan = self._plan(tree)
        self._refuse_findings(plan["findings"], "/args/spec")
        if tree.name in node.removing:
            raise ControlError("conflict", f"tree {tree.name} is being removed", "/args/spec")
        known = node.revisions.get(tree.name)
        if request.args.get("from_revision", plan["from_revision"]) != plan["from_revision"]:
            words = f"{tree.name} is at revision {plan['from_revision']}, not at {request.args['from_revision']}: plan again"
            raise ControlError("conflict", words, "/args/from_revision")
        if known is not None and known.digest == tree.digest:
            self._begin_if_down(node.runners[tree.name])
            request.answer({**plan, "revision": known.revision})
            return
        message = str(request.args.get("message") or "")
        revision = DesiredTree(
            tree.name,
            known.revision + 1 if known else 1,
            tree.digest,
            message,
            node.clock.wall(),
            tree.sparse,
        )
        record = {
            "what": "applied",
            "tree": tree.name,
            "revision": revision.revision,
            "digest": tree.digest,
            "message": message,
            "document": tree.sparse,
        }
        try:
            node.journal.append("tree", record)
        except JournalFull as error:
            raise ControlError("unavailable", f"journal full: {error}") from error
        node.desired.write(revision)
        node.revisions[tree.name] = revision
        if known is None:
            kernel = Kernel(tree.name, tree.spec, incarnations=node.retired.get(tree.name))
            node.add_runner(tree.name, kernel).feed(Begin())
            request.answer({**plan, "revision": revision.revision})
        else:
            self._kernel_call(
                request, node.runners[tree.name], Apply(tree.spec), {**plan, "revision": revision.revision}
            )
            self._begin_if_down(node.runners[tree.name])

    @staticmethod
    def _begin_if_down(runner: TreeRunner) -> None:
        root = runner.kernel.child(runner.name)
        if runner.is_down and root is not None and root.wanted:
            runner.feed(Begin())

    def op_delete(self, request: Request) -> None:
        name = _text(request, "tree")
        if name not in self.node.runners:
            raise ControlError("not_found", f"no tree {name!r}", "/args/tree")
        self._removals.setdefault(name, []).append(request)
        self.node.remove_tree(name)

    def tree_removed(self, name: str) -> None:
        for request in self._removals.pop(name, []):
            request.answer({"tree": name, "removed": True})
        self.changed()

    # -- children ---------------------------------------------------------------------------------------------------

    def op_start(self, request: Request) -> None:
        key, runner = self._key(request)
        self._kernel_call(request, runner, StartKey(key), {"key": key})

    def op_stop(self, request: Request) -> None:
        key, runner = self._key(request)
        self._kernel_call(request, runner, StopKey(key), {"key": key})

    def op_restart(self, request: Request) -> None:
        key, runner = self._key(request)
        self._kernel_call(request, runner, RestartKey(key), {"key": key})

    def op_hold(self, request: Request) -> None:
        key, runner = self._key(request)
        seconds = request.args.get("seconds")
        until = None if seconds is None else self.node.clock.boot() + _number(request, "seconds", 0.0)
        self._kernel_call(request, runner, HoldKey(key, until), {"key": key, "seconds": seconds})

    def op_release(self, request: Request) -> None:
        key, runner = self._key(request)
        self._kernel_call(request, runner, ReleaseKey(key), {"key": key})

    def op_signal(self, request: Request) -> None:
        key, _runner = self._key(request)
        number = _signal_number(request)
        run = self.node.driver.runs.get(key)
        if run is None or run.leader is None:
            raise ControlError("conflict", f"{key} has no process", "/args/key")
        self.node.table.signal(run.leader, number)
        request.answer({"key": key, "pid": run.leader.pid, "signal": signal.Signals(number).name})

    def op_reload(self, request: Request) -> None:
        key, _runner = self._key(request)
        run = self.node.driver.runs.get(key)
        if run is None or run.leader is None or run.stage != "main":
            raise ControlError("conflict", f"{key} is not running", "/args/key")
        if run.body.reload == "none":
            raise ControlError("conflict", f"{key} does not say how it reloads (`reload: none`)", "/args/key")
        self.node.table.signal(run.leader, run.body.reload_signal)
        request.answer(
            {"key": key, "pid": run.leader.pid, "signal": signal.Signals(run.body.reload_signal).name}
        )

    def op_start_child(self, request: Request) -> None:
        key = _text(request, "supervisor")
        runner = self._runner(key, "/args/supervisor")
        view = runner.kernel.child(key)
        if view is None or view.spec.supervisor is None:
            raise ControlError("not_found", f"no supervisor {key!r}", "/args/supervisor")
        instance = request.args.get("instance")
        if view.spec.supervisor.is_simple:
            if not isinstance(instance, str):
                raise ControlError("bad_request", "a name for the instance is needed", "/args/instance")
            to_kernel = StartChild(key, instance=instance)
        else:
            to_kernel = StartChild(key, child=self._child_spec(request, runner))
        self._kernel_call(request, runner, to_kernel, {"supervisor": key})

    def _child_spec(self, request: Request, runner: TreeRunner) -> ChildSpec:
        """One child for a supervisor at work, read by the tree's own rules and with its environment."""
        around = {
            "version": 1,
            "tree": runner.name,
            "environment": self.node.revisions[runner.name].document.get("environment", {}),
            "supervisor": {"children": [request.args.get("child")]},
        }
        try:
            tree = parse_tree(around)
        except DocumentErrors as error:
            raise _document_error(error, "/args/child", "/supervisor/children/0") from error
        self._refuse_findings(self._findings(tree), "/args/child")
        children = tree.spec.children
        if len(children) != 1:
            raise ControlError(
                "bad_request", "one child at a time, without instances", "/args/child/instances"
            )
        return children[0]

    def op_delete_child(self, request: Request) -> None:
        key, runner = self._key(request)
        supervisor, _, child_id = key.rpartition("/")
        view = runner.kernel.child(key)
        if not supervisor or view is None:
            raise ControlError("bad_request", f"{key} is a tree; delete it as one", "/args/key")
        if not view.dynamic:
            raise ControlError(
                "conflict", f"{key} is declared in the tree file; apply one without it", "/args/key"
            )

        above = runner.kernel.child(supervisor)
        if above is not None and above.spec.supervisor is not None and above.spec.supervisor.is_simple:
            # OTP: an instance of simple_one_for_one is forgotten with its process
            self._kernel_call(request, runner, TerminateChild(supervisor, process=key), {"key": key})
            self.node.driver.forget(key)
            return

        def stopped(_value: Any) -> None:
            self._kernel_call(request, runner, DeleteChild(supervisor, id=child_id), {"key": key})
            self.node.driver.forget(key)

        self._call(runner, StopKey(key), stopped)

    # -- strays, the node itself ------------------------------------------------------------------------------------

    def op_adopt_stray(self, request: Request) -> None:
        pid = int(_number(request, "pid", 0))
        key, _runner = self._key(request)
        relative = self.node.table.adopt_stray(pid, key)
        if relative is None:
            raise ControlError("not_found", f"no stray with pid {pid}", "/args/pid")
        self.node.append(
            "stray",
            {
                "what": "adopted",
                "key": key,
                **relative.facts,
                "pid": pid,
                "start_time": relative.start_time,
            },
        )
        request.answer({"pid": pid, "key": key})

    def op_end_stray(self, request: Request) -> None:
        pid = int(_number(request, "pid", 0))
        for relative in self.node.table.strays():
            if relative.pid == pid:
                self.node.table.end_relative(relative)
                request.answer({"pid": pid})
                return
        raise ControlError("not_found", f"no stray with pid {pid}", "/args/pid")

    def op_shutdown(self, request: Request) -> None:
        request.answer({"stopping": True})
        self.node.link.send("stop", why=f"asked by uid {request.peer.uid}")

    def op_reexec(self, request: Request) -> None:
        what = request.args.get("what", "both")
        roles = {"node": ["node"], "guardian": ["guardian"], "both": ["node", "guardian"]}.get(str(what))
        if roles is None:
            raise ControlError("bad_request", "node, guardian or both", "/args/what")
        request.answer({"reexec": roles})
        self.node.link.send("reexec", what=roles)


def _document_error(error: DocumentErrors, pointer: str, prefix: str) -> ControlError:
    """Every fault, with pointers into what the client sent (`prefix` is what we put around it)."""
    faults = [{"pointer": e.pointer.removeprefix(prefix), "message": e.message} for e in error.errors]
    first = faults[0]
    more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
    return ControlError("bad_request", first["message"] + more, pointer + first["pointer"], errors=faults)


def _text(request: Request, name: str) -> str:
    value = request.args.get(name)
    if not isinstance(value, str) or not value:
        raise ControlError("bad_request", f"{name} is needed, as text", f"/args/{name}")
    return value


def _number(request: Request, name: str, default: float) -> float:
    value = request.args.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e9:
        raise ControlError("bad_request", f"{name} is a number that is not negative", f"/args/{name}")
    return float(value)


def _signal_number(request: Request) -> int:
    value = request.args.get("signal")
    try:
        if isinstance(value, str):
            return int(signal.Signals[f"SIG{value.upper().removeprefix('SIG')}"])
        return int(signal.Signals(int(value or 0)))
    except (KeyError, ValueError, TypeError):
        raise ControlError("bad_request", f"no signal {value!r}", "/args/signal") from None


def _words(reason: Any) -> str:
    """A kernel's reason as a sentence fragment."""
    return (
        reason
        if isinstance(reason, str)
        else ": ".join(str(part) for part in reason)
        if isinstance(reason, list)
        else str(reason)
    )
