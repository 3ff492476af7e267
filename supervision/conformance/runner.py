"""Runs one case step by step and says where it first differs from what OTP did."""

import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from supervision.conformance.matching import differs_in_events, differs_in_reports, differs_in_state
from supervision.conformance.specs import (
    check_childspecs,
    child_spec,
    parse_supervisor,
    results_below,
    start_results,
    supervisor_spec,
)
from supervision.conformance.world import World
from supervision.kernel.checks import SpecError
from supervision.kernel.events import (
    BadSpec,
    Begin,
    ChangeSpec,
    CountChildren,
    DeleteChild,
    Exited,
    GetChildspec,
    Request,
    RestartChild,
    StartChild,
    StopRoot,
    TerminateChild,
    WhichChildren,
)
from supervision.kernel.reasons import KILLED, Term
from supervision.kernel.spec import ChildSpec, SupervisorSpec

Raw = Mapping[str, Any]

_BY_CHILD: dict[str, type[TerminateChild | RestartChild | DeleteChild | GetChildspec]] = {
    "terminate_child": TerminateChild,
    "restart_child": RestartChild,
    "delete_child": DeleteChild,
    "get_childspec": GetChildspec,
}


@dataclass(frozen=True)
class Difference:
    """The first place where a case and the kernel part."""

    step: str
    part: str
    expected: Any
    got: Any


def run_case(case: Raw) -> Difference | None:
    """None: the case passed. An exception of the kernel is a difference."""
    run = _Run(case)
    try:
        return run.all()
    except Exception:  # noqa: BLE001 (whatever the kernel raises fails this case, and only this one)
        return Difference(run.step, "exception", None, traceback.format_exc())


class _Run:
    def __init__(self, case: Raw) -> None:
        self.case = case
        self.step = "start"
        self.state: dict[str, Any] = {}

    def all(self) -> Difference | None:
        self.world = World(supervisor_spec(self.case["tree"]))
        self.world.results = results_below(self.case["tree"], "root")
        self.world.settle(Begin())
        difference = self._compare(self.case["start"], self._root_reply())
        for number, step in enumerate(self.case["steps"], start=1):
            if difference is not None:
                break
            self.step = f"step {number}"
            self.world.events, self.world.reports = [], []
            difference = self._compare(step["expect"], self._do(step["do"]))
        return difference

    def _root_reply(self) -> Term:
        """What the start of the root returned, seen in its last event."""
        match self.world.events[-1]:
            case ["start", name, "ok"]:
                return ["ok", name]
            case ["start", _, "ignore"]:
                return ["ignore"]
            case [_, _, error]:
                return error  # type: ignore[no-any-return]  # part of a term
        return None

    # --- steps -----------------------------------------------------------------------------------------------------

    def _do(self, do: Raw) -> Term:
        """Do one step; returns the reply, None if it has none."""
        match do["op"]:
            case "exit":
                return self._exit(do)
            case "advance" | "set_start":
                self._at_once(do)
            case "stop":
                self._stop(do)
            case "signal":
                pass  # a supervisor reads exits of strangers and does nothing: the kernel has no such event
            case "check_childspecs":
                return check_childspecs(do["specs"], do.get("auto_shutdown"))
            case _:
                self._load(do)
                return self._shown(do, self.world.ask(self._request(do)))
        return None

    def _at_once(self, do: Raw) -> None:
        if do["op"] == "advance":
            self.world.clock += do["seconds"]
        else:
            self.world.results[do["path"]] = [*do["results"]]

    def _stop(self, do: Raw) -> None:
        if self._runs("root"):
            self.world.settle(StopRoot(do.get("reason", "shutdown")))

    def _runs(self, path: str) -> bool:
        view = self.world.kernel.child(path)
        return view is not None and view.alive

    def _exit(self, do: Raw) -> Term:
        queued: list[Raw] = do.get("queued", [])
        refs: list[str | None] = []
        if queued:
            self.world.on_failure = lambda: refs.extend(self._queue(queued))
        reason = KILLED if do["reason"] == "kill" else do["reason"]
        if not self.world.worker_exits(do["path"], reason):
            view = self.world.kernel.child(do["path"])
            if view is None or not view.alive:
                return "noproc"
            self.world.settle(Exited(view.key, view.incarnation, reason))
        if not queued:
            return None
        pairs = zip(queued, refs, strict=True)
        return [None if ref is None else self._shown(call, self.world.replies[ref]) for call, ref in pairs]

    def _queue(self, queued: list[Raw]) -> list[str | None]:
        """Put steps into the mailbox of the busy supervisor; returns the refs of the calls."""
        for do in queued:
            self._load(do)
        refs: list[str | None] = []
        for do in queued:
            ref = None
            match do["op"]:
                case "advance" | "set_start":
                    self._at_once(do)
                case "stop":
                    self.world.tell(StopRoot(do.get("reason", "shutdown")))
                case _:
                    ref = self.world.call(self._request(do))
            refs.append(ref)
        return refs

    def _load(self, do: Raw) -> None:
        """The start results that a `start_child` step brings along."""
        if do["op"] != "start_child" or not isinstance(do.get("child", {}), dict):
            return
        raw, name = (do["child"], do["child"].get("id")) if "child" in do else (do, do["instance"])
        self.world.results.update(start_results(raw, f"{do['sup']}/{name}"))

    def _request(self, do: Raw) -> Request:
        supervisor = do["sup"]
        match do["op"]:
            case "start_child" if "instance" in do:
                return StartChild(supervisor, instance=do["instance"], body=do.get("behaviour", {}))
            case "start_child":
                return StartChild(supervisor, self._child(supervisor, do["child"]))
            case "which_children":
                return WhichChildren(supervisor)
            case "count_children":
                return CountChildren(supervisor)
            case "change_spec":
                return ChangeSpec(supervisor, _changed(do["supervisor"]))
        return _BY_CHILD[do["op"]](supervisor, do.get("id"), do.get("pid"))

    def _child(self, supervisor: str, raw: Any) -> ChildSpec | BadSpec:
        """Any: it may be anything. What is significant may depend on the supervisor that is asked."""
        view = self.world.kernel.child(supervisor)
        spec = view.spec.supervisor if view is not None else None
        try:
            return child_spec(raw, None if spec is None else spec.auto_shutdown)
        except SpecError as error:
            return BadSpec(error.reason)

    def _shown(self, do: Raw, reply: Term) -> Term:
        """The kernel's reply in the units of the cases."""
        if do["op"] == "get_childspec" and isinstance(reply, list) and isinstance(reply[1], dict):
            shutdown = reply[1]["shutdown"]
            if not isinstance(shutdown, str):
                return ["ok", {**reply[1], "shutdown": round(float(shutdown) * 1000)}]  # type: ignore[arg-type]  # a term
        return reply

    # --- comparing -------------------------------------------------------------------------------------------------

    def _compare(self, expect: Raw, reply: Term) -> Difference | None:
        world = self.world
        events, reports = world.events, world.reports
        if expect.get("reply") != reply:
            return Difference(self.step, "reply", expect.get("reply"), reply)
        if differs_in_events(expect["events"], events):
            return Difference(self.step, "events", expect["events"], events)
        unordered = any(event[0] == "unordered" for event in expect["events"])
        if differs_in_reports(expect["reports"], reports, unordered=unordered):
            return Difference(self.step, "reports", expect["reports"], reports)
        changes = expect.get("state", {})
        self.state = {path: entry for path, entry in {**self.state, **changes}.items() if entry is not None}
        got = world.state()
        if differs_in_state(self.state, got):
            return Difference(self.step, "state", self.state, got)
        return None


def _changed(raw: Raw) -> SupervisorSpec | BadSpec | None:
    """What OTP's `code_change/3` makes of the new specification, or of what `init` answered instead."""
    match raw.get("init"):
        case "ignore":
            return None
        case {"crash": reason}:
            return BadSpec(["EXIT", reason])
        case {"return": term}:
            return BadSpec(term)
    try:
        return parse_supervisor(raw)
    except SpecError as error:
        return BadSpec(error.reason)
