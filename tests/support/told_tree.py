"""A real kernel with its journal in memory and nothing below it: what happens is told to it.

    tree = ToldTree("shop", spec)
    tree.begin()
    tree.exit("shop/mail", "exit(3)", stderr=["boom"])
    tree.records, tree.observed()

Starts are answered at once, as a spawn is, unless the key is in `refuse` or `defer`; requests to stop too, with `auto_stop`.
"""

from typing import Any

from supervision.kernel import Kernel
from supervision.kernel.actions import Action, Kill, Signal, Start
from supervision.kernel.events import (
    Apply,
    Begin,
    Call,
    Event,
    Exited,
    HoldKey,
    Ready,
    ReleaseKey,
    RestartKey,
    Started,
    StartFailed,
    StartKey,
    StopKey,
    StopRoot,
    Tick,
)
from supervision.kernel.spec import SupervisorSpec
from supervision.runtime.clock import ManualClock
from supervision.runtime.observed import Observed

REQUESTS: dict[str, Any] = {
    "start": StartKey,
    "stop": StopKey,
    "restart": RestartKey,
    "hold": HoldKey,
    "release": ReleaseKey,
}


class ToldTree:
    """One tree. `records` is its journal, in the format of the node's."""

    def __init__(self, name: str, spec: SupervisorSpec, *, clock: ManualClock | None = None) -> None:
        self.kernel = Kernel(name, spec)
        self.name = name
        self.clock = clock or ManualClock()
        self.records: list[dict[str, Any]] = []
        self.refuse: dict[str, str] = {}
        self.defer: set[str] = set()
        self.auto_stop = True
        self.last_exit: dict[str, dict[str, Any]] = {}
        self._pid = 4000
        self._pids: dict[str, int] = {}
        self._refs = 0
        self._todo: list[tuple[Event, dict[str, Any] | None]] = []

    @property
    def now(self) -> float:
        return self.clock.wall()

    def append(self, kind: str, **body: Any) -> None:
        head = {
            "v": 1,
            "seq": len(self.records) + 1,
            "t": self.clock.wall(),
            "b": self.clock.boot(),
            "k": kind,
        }
        self.records.append({**head, **body})

    def begin(self) -> None:
        self.feed(Begin())

    def exit(self, key: str, reason: str, *, stderr: list[str] | None = None, cause: str = "") -> None:
        """The process of `key` ends by itself; with evidence, as the node finds it afterwards."""
        incarnation = self._incarnation(key)
        self.feed(Exited(key, incarnation, reason))
        if reason not in ("normal", "shutdown"):
            self.append(
                "exit", key=key, incarnation=incarnation, reason=reason, cause=cause, stderr=stderr or []
            )

    def ready(self, key: str) -> None:
        self.feed(Ready(key, self._incarnation(key)))

    def tick(self, seconds: float) -> None:
        """Let time pass, and tell the kernel."""
        self.clock.jump(seconds)
        self.feed(Tick())

    def ask(self, op: str, key: str, *, uid: int = 1000, pid: int = 77, **more: Any) -> None:
        """An operator's request, journaled as the node does."""
        self.append("command", uid=uid, pid=pid, op=op, args={"key": key, **more})
        until = self.clock.boot() + more["seconds"] if op == "hold" and "seconds" in more else None
        request = HoldKey(key, until) if op == "hold" else REQUESTS[op](key)
        self._refs += 1
        self.feed(Call(f"r{self._refs}", request))

    def apply(self, spec: SupervisorSpec, *, revision: int, uid: int = 1000) -> None:
        self.append("command", uid=uid, pid=77, op="apply", args={})
        self.append("tree", what="applied", tree=self.name, revision=revision, digest="", message="")
        self._refs += 1
        self.feed(Call(f"r{self._refs}", Apply(spec)))

    def stop_root(self) -> None:
        self.feed(StopRoot())

    def feed(self, event: Event, extra: dict[str, Any] | None = None) -> None:
        """One event, and all that follows from it at once."""
        self._todo.append((event, extra))
        while self._todo:
            self._step(*self._todo.pop(0))

    def observed(self) -> Observed:
        """What the node would answer to `tree` now."""
        root: dict[str, Any] = {}
        rows: dict[str, dict[str, Any]] = {}
        offset = self.clock.wall() - self.clock.boot()
        for view in self.kernel.children():
            row: dict[str, Any] = {
                "key": view.key,
                "id": view.id,
                "state": str(view.state),
                "incarnation": view.incarnation,
                "restarts": view.restarts,
                "restart": str(view.spec.restart),
                "since": view.since + offset,
                "wanted": "up" if view.wanted else "down",
                "held": view.held,
                "held_until": None if view.held_until is None else view.held_until + offset,
                "waiting_for": list(view.waiting_for),
                "backoff_until": None if view.backoff_until is None else view.backoff_until + offset,
                "last_exit": self.last_exit.get(view.key),
            }
            spec = view.spec.supervisor
            if spec is not None:
                row |= {
                    "kind": "supervisor",
                    "strategy": str(spec.strategy),
                    "intensity": spec.intensity,
                    "period": spec.period,
                    "window_used": view.window_used,
                    "children": [],
                }
            elif view.alive:
                row |= {"pid": self._pids.get(view.key), "stage": "main"}
            rows[view.key] = row
            if view.supervisor is None:
                root = row
            else:
                rows[view.supervisor]["children"].append(row)
        tree = {"name": self.name, "revision": 1, "message": "", "applied_at": self.now, "root": root}
        return Observed.from_json(
            {"node": {"node_id": "3f2a91bc", "pid": 1, "started": self.now}, "trees": [tree]}
        )

    def start_deferred(self, key: str) -> None:
        """Answer the start of a key in `defer`."""
        self.feed(*self._spawned(key, self._incarnation(key)))

    def _spawned(self, key: str, incarnation: int) -> tuple[Event, dict[str, Any]]:
        self._pid += 1
        self._pids[key] = self._pid
        return Started(key, incarnation), {"process": {"pid": self._pid, "inode": 1}}

    def _incarnation(self, key: str) -> int:
        view = self.kernel.child(key)
        assert view is not None, key
        return view.incarnation

    def _step(self, event: Event, extra: dict[str, Any] | None) -> None:
        actions, _ = self.kernel.handle(event, now=self.clock.boot())
        if isinstance(event, Exited | StartFailed):
            end = {"reason": event.reason, "at": self.now, "incarnation": event.incarnation}
            self.last_exit[event.key] = end
        if actions or not isinstance(event, Tick):
            lists = [action.to_json() for action in actions]
            self.append(
                "step",
                tree=self.name,
                now=self.clock.boot(),
                event=event.to_json(),
                actions=lists,
                **(extra or {}),
            )
        for action in actions:
            self._act(action)

    def _act(self, action: Action) -> None:
        if isinstance(action, Start):
            if action.key in self.refuse:
                self._todo.append(
                    (StartFailed(action.key, action.incarnation, self.refuse[action.key]), None)
                )
                return
            if action.key not in self.defer:
                self._todo.append(self._spawned(action.key, action.incarnation))
        elif isinstance(action, Signal) and self.auto_stop:
            self._todo.append((Exited(action.key, action.incarnation, "shutdown"), None))
        elif isinstance(action, Kill):
            reason = "timeout" if action.cause == "timeout" else "shutdown"
            self._todo.append((Exited(action.key, action.incarnation, reason), None))
