"""The operations of the control socket that change what one child, supervisor or stray does."""

import signal
from typing import TYPE_CHECKING, Any

from supervision.kernel.events import (
    DeleteChild,
    HoldKey,
    RecycleKey,
    ReleaseKey,
    RestartKey,
    StartChild,
    StartKey,
    StopKey,
    TerminateChild,
)
from supervision.kernel.spec import ChildSpec
from supervision.runtime import celeryworkerdoc
from supervision.runtime.control import ControlError, Request
from supervision.runtime.kinship import Leader
from supervision.runtime.run import MAIN, Run

if TYPE_CHECKING:
    from supervision.runtime.node import Node
    from supervision.runtime.operations import Operations

RELOAD_LIMIT_S = 90.0
"""How long a child with `reload: notify` may take to be ready again, if it names no deadline for its start."""


class ChildOperations:
    """One small method each: refuse, or ask the kernel and answer with what it says."""

    def __init__(self, node: "Node", operations: "Operations") -> None:
        self.node = node
        self._operations = operations

    def start(self, request: Request) -> None:
        key, runner = self._operations.lasting(request)
        self._operations.kernel_call(request, runner, StartKey(key), {"key": key})

    def stop(self, request: Request) -> None:
        key, runner = self._operations.key(request)
        self._operations.kernel_call(request, runner, StopKey(key), {"key": key})

    def restart(self, request: Request) -> None:
        key, runner = self._operations.lasting(request)
        self._operations.kernel_call(request, runner, RestartKey(key), {"key": key})

    def recycle(self, request: Request) -> None:
        """Without a word about it, somebody stands in for a Celery worker; two of any other program may be one too many."""
        key, runner = self._operations.lasting(request)
        args, view = request.args, runner.kernel.child(key)
        stand_in = args["stand_in"]
        if stand_in is None and view is not None:
            above = runner.kernel.child(key.rpartition("/")[0])
            is_declared = (
                above is not None
                and above.spec.supervisor is not None
                and not above.spec.supervisor.is_simple
            )
            stand_in = is_declared and view.spec.body.get("kind") == celeryworkerdoc.KIND
        if stand_in:
            self._operations.trees.refuse_too_many(1)
        to_kernel = RecycleKey(key, args["why"], args["incarnation"], bool(stand_in))
        result = {"key": key, "stand_in": bool(stand_in)}
        self._operations.kernel_call(request, runner, to_kernel, result)

    def hold(self, request: Request) -> None:
        key, runner = self._operations.key(request)
        seconds = request.args["seconds"]
        until = None if seconds is None else self.node.clock.boot() + seconds
        self._operations.kernel_call(request, runner, HoldKey(key, until), {"key": key, "seconds": seconds})

    def release(self, request: Request) -> None:
        key, runner = self._operations.lasting(request)
        self._operations.kernel_call(request, runner, ReleaseKey(key), {"key": key})

    def signal(self, request: Request) -> None:
        key, _runner = self._operations.key(request)
        _run, leader = self._living(key)
        request.answer(self._send(key, leader, request.args["signal"]))

    def _send(self, key: str, leader: Leader, number: int) -> dict[str, Any]:
        self.node.table.signal(leader, number)
        return {"key": key, "pid": leader.pid, "signal": signal.Signals(number).name}

    def reload(self, request: Request) -> None:
        """Send the reload signal; with `reload: notify`, answer when RELOADING=1 and READY=1 came."""
        key, _runner = self._operations.key(request)
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
            run.on_reloaded = tuple(each for each in run.on_reloaded if each is not answer)
            words = f"{key} did not say RELOADING=1 and READY=1 within {limit_s:g} s"
            request.refuse(ControlError("unavailable", words, "/args/key"))

        timer = self.node.loop.call_later(limit_s, give_up)
        run.on_reloaded += (answer,)

    def start_child(self, request: Request) -> None:
        key = request.args["supervisor"]
        runner = self._operations.runner(key, "/args/supervisor")
        self._operations.refuse_removed(runner, "/args/supervisor")
        view = runner.kernel.child(key)
        if view is None or view.spec.supervisor is None:
            raise ControlError("not_found", f"no supervisor {key!r}", "/args/supervisor")
        self._operations.trees.refuse_too_many(1)
        if view.spec.supervisor.is_simple:
            if request.args["instance"] is None:
                raise ControlError("bad_request", "a name for the instance is needed", "/args/instance")
            to_kernel = StartChild(key, instance=request.args["instance"])
        else:
            to_kernel = StartChild(key, child=self._operations.trees.child(request.args["child"], runner))
        child_id = to_kernel.instance or (
            to_kernel.child.id if isinstance(to_kernel.child, ChildSpec) else ""
        )
        self._operations.kernel_call(
            request, runner, to_kernel, {"supervisor": key, "key": f"{key}/{child_id}"}
        )

    def delete_child(self, request: Request) -> None:
        key, runner = self._operations.lasting(request)
        supervisor, _, child_id = key.rpartition("/")
        view, above = runner.kernel.child(key), runner.kernel.child(supervisor)
        if above is None or above.spec.supervisor is None or view is None:
            raise ControlError("bad_request", f"{key} is a tree; delete it as one", "/args/key")
        if not view.dynamic:
            words = f"{key} is declared in the tree file; apply one without it"
            raise ControlError("conflict", words, "/args/key")

        def forget() -> None:
            self.node.driver.forget(key)
            self.node.helpers.gateway.forget(key)

        command_id = request.args.get("command_id")
        stopping = None if command_id is None else f"{command_id}:stop"

        def delete(_value: Any) -> None:
            self._operations.kernel_call(
                request, runner, DeleteChild(supervisor, id=child_id), {"key": key}, forget
            )

        if above.spec.supervisor.is_simple:
            # OTP: an instance of simple_one_for_one is forgotten with its process
            to_kernel = TerminateChild(supervisor, process=key)
            self._operations.kernel_call(request, runner, to_kernel, {"key": key}, forget)
        else:
            self._operations.call(runner, StopKey(key), delete, stopping)

    def adopt_stray(self, request: Request) -> None:
        pid = request.args["pid"]
        key, _runner = self._operations.lasting(request)
        relative = self.node.table.relatives.adopt_stray(pid, key)
        if relative is None:
            raise ControlError("not_found", f"no stray with pid {pid}", "/args/pid")
        self.node.events.stray("adopted", relative)
        request.answer({"pid": pid, "key": key})

    def end_stray(self, request: Request) -> None:
        pid = request.args["pid"]
        for relative in self.node.table.relatives.strays():
            if relative.pid == pid:
                self.node.table.relatives.end_relative(relative)
                request.answer({"pid": pid})
                return
        raise ControlError("not_found", f"no stray with pid {pid}", "/args/pid")

    def _living(self, key: str) -> tuple[Run, Leader]:
        """The incarnation of `key` that has a process, and that process."""
        run = self.node.driver.runs.get(key)
        if run is None or run.leader is None or run.leader.ended:
            raise ControlError("conflict", f"{key} has no process", "/args/key")
        return run, run.leader
