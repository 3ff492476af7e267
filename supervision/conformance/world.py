"""The scripted world of a case: its workers, its clock, and a record of what happened.

The kernel decides; this only does what it is told, the way the workers of the case would.
"""

import json
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from supervision.kernel import Kernel
from supervision.kernel.actions import Action, ChildState, Exit, Kill, Reply, Report, Signal, Start, State
from supervision.kernel.events import (
    Call,
    CountChildren,
    Declined,
    Event,
    Exited,
    Request,
    Started,
    StartFailed,
    Tick,
    WhichChildren,
)
from supervision.kernel.reasons import KILLED, Term
from supervision.kernel.spec import SupervisorSpec

REPORTED = ("child_terminated", "start_error", "shutdown_error", "shutdown")


class World:
    """on_failure: called once, before the first start attempt that fails in a step is answered."""

    def __init__(self, spec: SupervisorSpec) -> None:
        self.kernel = Kernel("root", spec)
        self.clock = 0
        self.results: dict[str, list[Any]] = {}
        self.workers: dict[str, tuple[int, Any]] = {}
        self.events: list[Any] = []
        self.reports: list[Any] = []
        self.replies: dict[str, Term] = {}
        self.on_failure: Callable[[], None] | None = None
        self._worker_lives: set[tuple[str, int]] = set()
        self._facts: deque[Event] = deque()
        self._calls = 0

    # --- what the runner does to the world -------------------------------------------------------------------------

    def settle(self, event: Event) -> None:
        """Let this happen, and then everything that follows from it."""
        deadline = self.tell(event)
        while self._facts or deadline is not None:
            deadline = self.tell(self._facts.popleft() if self._facts else Tick(until=deadline))

    def call(self, request: Request) -> str:
        """Make a call, and return its ref; the reply may come later."""
        self._calls += 1
        ref = str(self._calls)
        self.tell(Call(ref, request))
        return ref

    def ask(self, request: Request) -> Term:
        """Make a call, let everything settle, and return the reply."""
        self._calls += 1
        ref = str(self._calls)
        self.settle(Call(ref, request))
        return self.replies[ref]

    def worker_exits(self, path: str, reason: Term) -> bool:
        """False: no worker runs there."""
        if path not in self.workers:
            return False
        incarnation, _ = self.workers[path]
        self._exit(path, incarnation, reason)
        self.settle(self._facts.pop())
        return True

    def state(self) -> dict[str, Any]:
        """Every running supervisor with its children and counts, by path."""
        running = [view for view in self.kernel.children() if view.spec.supervisor is not None and view.alive]
        state = {}
        for view in running:
            children: Any = self.ask(WhichChildren(view.key))  # Any: a reply is a term
            shown = [
                [_label(name) if name_id is None else name_id, _attempt(name)]
                for name_id, name, _ in children
            ]
            if view.spec.supervisor is not None and view.spec.supervisor.is_simple:
                shown.sort(key=json.dumps)
            state[view.key] = {"children": shown, "counts": self.ask(CountChildren(view.key))}
        return state

    # --- what the kernel does to the world -------------------------------------------------------------------------

    def tell(self, event: Event) -> float | None:
        actions, deadline = self.kernel.handle(event, now=self.clock)
        for action in actions:
            self._act(action)
        return deadline

    def _act(self, action: Action) -> None:
        match action:
            case Start(key, incarnation, body):
                self._start(key, incarnation, body)
            case Signal(key, incarnation):
                self._signal(key, incarnation)
            case Kill(key, incarnation, cause):
                if cause != "supervisor":
                    self.events.append(["signal", f"{key}#{incarnation}", "kill"])
                self._exit(key, incarnation, KILLED)
            case State():
                self._supervisor_changed(action)
            case Report(kind, supervisor, child, reason) if kind in REPORTED:
                self.reports.append([kind, supervisor, child, reason])
            case Reply(ref, value):
                self.replies[ref] = value
            case Report() | Exit():
                pass

    def _start(self, key: str, incarnation: int, body: Mapping[str, Any]) -> None:
        self._worker_lives.add((key, incarnation))
        queue = self.results.get(key)
        result = queue.pop(0) if queue else "ok"
        fact: Event = Declined(key, incarnation)
        shown: Any = "ignore"
        match result:
            case "ok":
                fact, shown = Started(key, incarnation), "ok"
            case {"ok": extra}:
                fact, shown = Started(key, incarnation, (extra,)), "ok"
            case {"raise": reason}:
                fact, shown = StartFailed(key, incarnation, ["EXIT", reason]), ["error", ["EXIT", reason]]
            case {"error": reason} | {"crash": reason} | {"return": reason}:
                fact, shown = StartFailed(key, incarnation, reason), ["error", reason]
        self.events.append(["start", f"{key}#{incarnation}", shown])
        if shown == "ok":
            self.workers[key] = (incarnation, body.get("on_shutdown", "exit"))
        elif shown != "ignore" and self.on_failure is not None:
            interrupt, self.on_failure = self.on_failure, None
            interrupt()
        self._facts.append(fact)

    def _signal(self, key: str, incarnation: int) -> None:
        self.events.append(["signal", f"{key}#{incarnation}", "shutdown"])
        match self.workers[key][1]:
            case "exit":
                self._exit(key, incarnation, "shutdown")
            case {"exit": reason}:
                self._exit(key, incarnation, reason)

    def _exit(self, key: str, incarnation: int, reason: Term) -> None:
        del self.workers[key]
        self.events.append(["exit", f"{key}#{incarnation}", reason])
        self._facts.append(Exited(key, incarnation, reason))

    def _supervisor_changed(self, change: State) -> None:
        """Supervisors are part of the kernel: what they do shows in their states."""
        if (change.key, change.incarnation) in self._worker_lives:
            return
        name = f"{change.key}#{change.incarnation}"
        match change.old, change.new:
            case ChildState.STARTING, ChildState.RUNNING:
                self.events.append(["start", name, "ok"])
            case ChildState.STARTING, _:
                result = "ignore" if change.new == ChildState.COMPLETED else ["error", change.reason]
                self.events.append(["start", name, result])
            case _, ChildState.STOPPING if change.key != "root":
                if change.reason in ("requested", "brutal_kill"):
                    self.events.append(
                        ["signal", name, "kill" if change.reason == "brutal_kill" else "shutdown"]
                    )
            case (
                (ChildState.STOPPING | ChildState.RUNNING),
                ChildState.STOPPED | ChildState.FAILED | ChildState.COMPLETED,
            ):
                self.events.append(["exit", name, change.reason])


def _label(name: Any) -> str:
    """The last part of a process name without its attempt. Any: part of a term."""
    return str(name).rpartition("/")[2].rpartition("#")[0]


def _attempt(name: Any) -> Any:
    """The attempt number of a process name; null and "restarting" as they are. Any: part of a term."""
    return int(name.rpartition("#")[2]) if isinstance(name, str) and "#" in name else name
