"""Revisions of trees: read a document, say what applying it would do, apply it, delete a tree."""

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from supervision.kernel import Kernel, PlanStep, SpecError
from supervision.kernel.events import Apply, Begin
from supervision.kernel.spec import ChildSpec, SupervisorSpec
from supervision.runtime.arguments import UNSAID
from supervision.runtime.carrying import Carry
from supervision.runtime.control import ControlError, Request
from supervision.runtime.desired import DesiredTree
from supervision.runtime.journal import JournalFull
from supervision.runtime.preflight import preflight
from supervision.runtime.tree_runner import TreeRunner
from supervision.runtime.treedoc import DocumentErrors, TreeDocument, parse_tree

if TYPE_CHECKING:
    from supervision.runtime.node import Node


class KernelCall(Protocol):
    """Asks a kernel, and answers the request with its reply beside `result`; `then` runs when it agreed."""

    def __call__(
        self,
        request: Request,
        runner: TreeRunner,
        to_kernel: Any,
        result: dict[str, Any],
        then: Callable[[], None] = lambda: None,
    ) -> None: ...


class TreeOperations:
    """The part of the control socket's operations that is about whole trees."""

    def __init__(self, node: "Node", kernel_call: KernelCall) -> None:
        self.node = node
        self._kernel_call = kernel_call
        self._removals: dict[str, list[Request]] = {}

    # -- documents --------------------------------------------------------------------------------------------------

    def child(self, document: Any, runner: TreeRunner) -> ChildSpec:
        """One child for a supervisor at work, read by the tree's own rules and with its environment; ControlError."""
        around = {
            "version": 1,
            "tree": runner.name,
            "environment": self.node.trees.revisions[runner.name].document.get("environment", {}),
            "supervisor": {"children": [document]},
        }
        tree = _read(around, "/args/child", "/supervisor/children/0")
        _refuse(self._findings(tree), "/args/child", "/supervisor/children/0")
        if len(tree.spec.children) != 1:
            words = "one child at a time, without instances"
            raise ControlError("bad_request", words, "/args/child/instances")
        return tree.spec.children[0]

    def _findings(self, tree: TreeDocument) -> list[dict[str, Any]]:
        found = preflight(
            tree,
            allow=self.node.settings.allow,
            as_root=os.getuid() == 0,
            why_no_memory=self.node.why_no_memory,
            why_exec=self.node.templates.why_exec,
            reports=bool(self.node.reporting.mark),
        )
        return [{"pointer": f.pointer, "severity": f.severity, "message": f.message} for f in found]

    # -- plan, apply ------------------------------------------------------------------------------------------------

    def plan(self, request: Request) -> None:
        request.answer(self._plan(_read(request.args["spec"], "/args/spec", "")))

    def _plan(self, tree: TreeDocument) -> dict[str, Any]:
        runner = self.node.trees.runners.get(tree.name)
        result: dict[str, Any] = {
            "tree": tree.name,
            "digest": tree.digest,
            "from_revision": None,
            "findings": self._findings(tree),
        }
        try:
            if runner is None:
                views = Kernel(tree.name, tree.spec).children()
                steps = [PlanStep("start", view.key, "added") for view in views]
            else:
                result["from_revision"] = self.node.trees.revisions[tree.name].revision
                steps = runner.kernel.plan(tree.spec)
        except SpecError as error:
            raise ControlError("bad_request", str(error), "/args/spec") from error
        result["steps"] = [{"do": step.do, "key": step.key, "why": step.why} for step in steps]
        result["changes"] = sum(step.do != "keep" for step in steps)
        return result

    def apply(self, request: Request) -> None:
        """Make it the tree's revision and answer with the plan; the steps follow."""
        node = self.node
        tree = _read(request.args["spec"], "/args/spec", "")
        plan = self._plan(tree)
        _refuse(plan["findings"], "/args/spec")
        self._refuse_outdated(request, tree, plan)
        self.refuse_too_many(count_processes(tree.spec), without=tree.name)
        carry = self._read_carry(request)
        known = node.trees.revisions.get(tree.name)
        revision = self._revision(request.args, tree, known)
        if known is not None and known.digest == tree.digest:
            if request.args["origin"] == "store" and revision != known:
                self._record("numbered", revision, {})
                node.fencing.declare(tree.name, revision.epoch if revision.fence else None)
            if request.args["origin"] != "store":
                # A person asks again for what is down; the store only says its number, and what gave up stays down.
                self._begin_if_down(node.trees.runners[tree.name])
            request.answer({**plan, "revision": node.trees.revisions[tree.name].revision})
            return
        more: dict[str, Any] = {"document": tree.sparse, "uid": request.peer.uid}
        more |= {"base": known.digest} if known else {"carry": carry.to_record()}
        self._record("applied", revision, more)
        node.fencing.declare(tree.name, revision.epoch if revision.fence else None)
        result = {**plan, "revision": revision.revision}
        if known is None:
            self._add(tree, carry)
            request.answer(result)
        else:
            runner = node.trees.runners[tree.name]
            self._kernel_call(
                request,
                runner,
                Apply(tree.spec),
                result,
                then=lambda: node.trees.applied(runner),
            )
            self._begin_if_down(runner)

    def _add(self, tree: TreeDocument, carry: Carry) -> None:
        """A tree this node does not run yet."""
        node = self.node
        kernel = Kernel(tree.name, tree.spec, incarnations=node.trees.retired.get(tree.name))
        carry.put_into(kernel, node.clock.boot())
        runner = node.trees.add(tree.name, kernel)
        if carry.dynamic:
            node.trees.returning.requests[tree.name] = list(carry.dynamic)
        if not node.fencing.must_wait(tree.name):
            runner.feed(Begin())

    def _read_carry(self, request: Request) -> Carry:
        clock = self.node.clock
        try:
            return Carry.from_request(request.args["carry"], wall=clock.wall(), boot=clock.boot())
        except ValueError as error:
            raise ControlError("bad_request", f"carry {error}", "/args/carry") from error

    def _revision(
        self, args: Mapping[str, Any], tree: TreeDocument, known: DesiredTree | None
    ) -> DesiredTree:
        """What is to be known of the tree. The store says all of it; who applies here changes nothing of its lease."""
        from_store = args["origin"] == "store"
        number = args["revision"] or (known.revision if known else 0) + 1
        same = known is not None and known.digest == tree.digest
        return DesiredTree(
            tree.name,
            number,
            tree.digest,
            args["message"],
            known.applied_at if known is not None and same else self.node.clock.wall(),
            known.document if known is not None and same else tree.sparse,
            args["origin"],
            (args["epoch"] or 0) if from_store else known.epoch if known else 0,
            bool(args["fence"]) if from_store else known.fence if known else False,
        )

    def _begin_if_down(self, runner: TreeRunner) -> None:
        root = runner.kernel.child(runner.name)
        if (
            runner.is_down
            and root is not None
            and root.wanted
            and not self.node.fencing.must_wait(runner.name)
        ):
            runner.feed(Begin())

    def _refuse_outdated(self, request: Request, tree: TreeDocument, plan: dict[str, Any]) -> None:
        if tree.name in self.node.trees.removing:
            raise ControlError("conflict", f"tree {tree.name} is being removed", "/args/spec")
        runner = self.node.trees.runners.get(tree.name)
        if runner is not None and runner.blocked:
            raise ControlError("unavailable", f"journal full: {tree.name} waits for room on the disk")
        expected = request.args["from_revision"]
        if expected not in (UNSAID, plan["from_revision"]):
            words = f"{tree.name} is at revision {plan['from_revision']}, not at {expected}: plan again"
            raise ControlError("conflict", words, "/args/from_revision")

    def refuse_too_many(self, more: int, *, without: str = "") -> None:
        """ControlError when `more` children beside those of the trees (`without` one) are more than node.toml allows."""
        kernels = [runner.kernel for runner in self.node.trees.runners.values() if runner.name != without]
        there = sum(not view.spec.is_supervisor for kernel in kernels for view in kernel.children())
        most = self.node.settings.max_children
        if there + more > most:
            words = f"{there + more} children are more than the {most} this node takes (limits.children in node.toml)"
            raise ControlError("refused", words)

    def _record(self, what: str, revision: DesiredTree, more: dict[str, Any]) -> None:
        """The revision is what the journal says from here on; ControlError when it cannot be written there."""
        node = self.node
        record = {
            "what": what,
            "tree": revision.name,
            "revision": revision.revision,
            "digest": revision.digest,
            "message": revision.message,
            "origin": revision.origin,
            "epoch": revision.epoch,
            "fence": revision.fence,
            **more,
        }
        try:
            seq = node.journal.append("tree", record)
        except JournalFull as error:
            raise ControlError("unavailable", f"journal full: {error}") from error
        if revision.origin == "local":
            node.trees.local_seq = seq
        node.trees.revisions[revision.name] = revision
        try:
            node.desired.write(revision)
        except OSError as error:  # a copy for people and other programs; the journal has it
            node.log.say("desired tree not written", tree=revision.name, why=str(error))

    # -- delete -----------------------------------------------------------------------------------------------------

    def delete(self, request: Request) -> None:
        name = request.args["tree"]
        if name not in self.node.trees.runners:
            raise ControlError("not_found", f"no tree {name!r}", "/args/tree")
        there, expected = self.node.trees.revisions[name].revision, request.args["from_revision"]
        if expected not in (UNSAID, there):
            words = f"{name} is at revision {there}, not at {expected}"
            raise ControlError("conflict", words, "/args/from_revision")
        self._removals.setdefault(name, []).append(request)
        self.node.trees.remove(name, request.args["origin"], request.peer.uid)

    def removed(self, name: str) -> None:
        """Nothing of the tree is left."""
        for request in self._removals.pop(name, []):
            request.answer({"tree": name, "removed": True})


def count_processes(spec: SupervisorSpec) -> int:
    """Children that are no supervisors; instances of a dynamic supervisor count when they are added."""
    if spec.is_simple:
        return 0
    return sum(
        1 if child.supervisor is None else count_processes(child.supervisor) for child in spec.children
    )


def _read(document: Any, pointer: str, prefix: str) -> TreeDocument:
    """The tree; ControlError with every fault, pointing into what the client sent (`prefix` is what we put around it)."""
    try:
        return parse_tree(document)
    except DocumentErrors as error:
        faults = [{"pointer": e.pointer.removeprefix(prefix), "message": e.message} for e in error.errors]
    first = faults[0]
    more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
    raise ControlError("bad_request", first["message"] + more, pointer + first["pointer"], errors=faults)


def _refuse(findings: list[dict[str, Any]], pointer: str, prefix: str = "") -> None:
    errors = [finding for finding in findings if finding["severity"] == "error"]
    if errors:
        at = pointer + errors[0]["pointer"].removeprefix(prefix)
        raise ControlError("refused", errors[0]["message"], at, findings=findings)
