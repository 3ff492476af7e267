"""The kernel's front: one object for one tree. Start reading here.

A kernel is told what happened and what time it is, and says what to do. It holds one `Machine` (the state of the tree);
an event changes it in `handle`, and then the supervisors work until each waits for something (`loop.py`). What they do
stands in one file for each part of OTP's supervisor.erl:

    restarting.py     do_restart, restart, do_auto_shutdown: what to do about a child that has ended
    starting.py       init, start_children, do_start_child
    stopping.py       terminate_children, terminate_dynamic_children, shutdown
    calls.py          handle_call, code_change
    intensity.py      add_restart

and beside it what OTP does not have:

    waiting.py        children that must not start now: stopped, held, waiting for a dependency
    dependencies.py   dependencies that are not there, or that make a cycle
    backoff.py        how long a restart waits
    operating.py      an operator's start, stop, restart, hold, release
    recycling.py      a fresh life for a child, another one standing in for it meanwhile
    escalating.py     a supervisor that fails because a child of it is ill
    root.py           what happens when the root gives up
    plan.py           the difference between what runs and a new revision
    applying.py       making it so

`spec.py`, `events.py` and `actions.py` are what goes in and out, `state.py` and `machine.py` what is kept in between,
`dump.py` and `views.py` how that looks from outside.
"""

from collections.abc import Callable, Iterator
from typing import Any

from supervision.kernel.actions import Action, ChildState
from supervision.kernel.applying import apply
from supervision.kernel.dependencies import requirements
from supervision.kernel.dump import dump, load
from supervision.kernel.escalating import request_escalation
from supervision.kernel.events import (
    Apply,
    Begin,
    Call,
    Declined,
    EscalateKey,
    Event,
    Exited,
    HoldKey,
    Ready,
    RecycleKey,
    ReleaseKey,
    RestartKey,
    Started,
    StartFailed,
    StartKey,
    StopKey,
    StopRoot,
    Tick,
)
from supervision.kernel.loop import run
from supervision.kernel.machine import Machine
from supervision.kernel.operating import hold_expired, request_for_key
from supervision.kernel.plan import make_plan
from supervision.kernel.recycling import request_recycling
from supervision.kernel.root import begin, stop_root
from supervision.kernel.spec import SupervisorSpec
from supervision.kernel.starting import DECLINED, start_answered
from supervision.kernel.state import Answer, Asked, Child, Phase, PlanStep, TryAgain
from supervision.kernel.stopping import child_gone, kill, kill_supervisor
from supervision.kernel.views import ChildView, view, views


class Kernel:
    """Decides for one tree. Same state, same event, same `now`: same actions.

    Raises SpecError when the tree cannot be (an unknown dependency, a cycle).
    """

    __slots__ = ("_machine",)

    def __init__(
        self, name: str, spec: SupervisorSpec, *, incarnations: dict[str, int] | None = None
    ) -> None:
        """incarnations: numbers already used, per key (a fresh kernel after a reboot carries them on)."""
        self._machine = Machine(name, spec, incarnations or {})

    @property
    def name(self) -> str:
        return self._machine.name

    @property
    def spec(self) -> SupervisorSpec:
        """The specification of the whole tree, as it was last applied."""
        return self._machine.root_spec

    def handle(self, event: Event, *, now: float) -> tuple[list[Action], float | None]:
        """The actions to take, in order, and the next deadline: hand in a Tick then. now: seconds, any monotonic scale."""
        m = self._machine
        m.now = now
        actions: list[Action] = []
        m.actions = actions
        _HANDLERS[type(event)](m, event)
        run(m)
        return actions, m.timers.next()

    def plan(self, new: SupervisorSpec) -> list[PlanStep]:
        """Exactly what `Apply(new)` would do now, in order; see PlanStep and `summary`. Raises SpecError."""
        requirements(self.name, new)
        return make_plan(self._machine, new)

    def children(self) -> Iterator[ChildView]:
        """Every child and supervisor, the root first, then in start order, depth first."""
        return views(self._machine)

    def child(self, key: str) -> ChildView | None:
        return view(self._machine, key)

    def incarnations(self) -> dict[str, int]:
        """The last number used of every key, for a kernel that carries on after a reboot."""
        m = self._machine
        return {
            **m.retired,
            **{key: memory.incarnation for key, memory in m.memories.items() if memory.incarnation},
        }

    def last_incarnation(self, key: str) -> int:
        """The last number used of one key; 0 before its first life."""
        memory = self._machine.memories.get(key)
        return memory.incarnation if memory is not None else self._machine.retired.get(key, 0)

    def after_reboot(self) -> "Kernel":
        """The same tree before its start, for a machine that has booted anew and whose clock began anew: numbers that
        were used, an operator's stops and holds without expiry are remembered, nothing runs."""
        m = self._machine
        fresh = Kernel(self.name, self.spec, incarnations=self.incarnations())
        fresh._machine.retired_floor = m.retired_floor
        for key, memory in m.memories.items():
            kept = fresh._machine.memory_of(key)
            kept.stopped, kept.held = memory.stopped, memory.held and memory.held_until is None
        return fresh

    def dump(self) -> dict[str, Any]:
        """The complete state as JSON, versioned."""
        return dump(self._machine)

    @classmethod
    def load(cls, state: dict[str, Any]) -> "Kernel":
        """The kernel that wrote this state: it is equal, and decides the same from here on."""
        kernel = cls.__new__(cls)
        kernel._machine = load(state)
        return kernel

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Kernel) and self.dump() == other.dump()

    __hash__ = None  # type: ignore[assignment]  # it changes

    def __repr__(self) -> str:
        """One line for each child, indented by depth."""
        lines = [f"<Kernel at {self._machine.now}"]
        lines += [
            f"{'  ' * seen.key.count('/')}{seen.id}#{seen.incarnation} {seen.state}"
            for seen in self.children()
        ]
        return "\n  ".join(lines) + ">"


def _awaited(m: Machine, key: str, incarnation: int) -> Child | None:
    """The child whose start is under way, if this is about that start."""
    child = m.children.get(key)
    if (
        child is None
        or not child.starting
        or child.inner is not None
        or child.memory.incarnation != incarnation
    ):
        return None
    return child


def _answered(m: Machine, key: str, incarnation: int, answer: Answer) -> None:
    child = _awaited(m, key, incarnation)
    if child is not None:
        start_answered(m, child, answer)


def _started(m: Machine, event: Started) -> None:
    _answered(m, event.key, event.incarnation, ["ok", *event.extra])


def _start_failed(m: Machine, event: StartFailed) -> None:
    _answered(m, event.key, event.incarnation, ["failed", event.reason])


def _declined(m: Machine, event: Declined) -> None:
    _answered(m, event.key, event.incarnation, DECLINED)


def _exited(m: Machine, event: Exited) -> None:
    """An exit of another incarnation than the living one is old news, and dropped."""
    child = m.children.get(event.key)
    if child is None or child.memory.incarnation != event.incarnation:
        return
    if child.inner is not None:
        if child.inner.phase != Phase.DEAD:
            kill_supervisor(m, child.inner)
    elif child.alive:
        child_gone(m, child, event.reason)
    elif child.starting:
        start_answered(m, child, ["failed", event.reason])


def _ready(m: Machine, event: Ready) -> None:
    child = m.children.get(event.key)
    if child is None or child.memory.incarnation != event.incarnation or not child.alive:
        return
    if child.state == ChildState.STARTING:
        m.set_state(child, ChildState.RUNNING)


def _tick(m: Machine, event: Tick) -> None:
    for kind, key in m.timers.take_due(m.now if event.until is None else event.until):
        child = m.children.get(key)
        match kind:
            case "hold":
                hold_expired(m, key)
            case "root":
                begin(m)
            case "stop" if child is not None and child.stopping and not child.killed:
                kill(m, child, "timeout")
            case "backoff" if child is not None:
                m.post(child.supervisor, TryAgain(child.id))


def _call(m: Machine, event: Call) -> None:
    request = event.request
    match request:
        case Apply():
            apply(m, event.ref, request.spec)
        case RecycleKey():
            request_recycling(m, event.ref, request)
        case EscalateKey():
            request_escalation(m, event.ref, request)
        case StopKey() | StartKey() | RestartKey() | HoldKey() | ReleaseKey():
            request_for_key(m, event.ref, request)
        case _:
            supervisor = m.supervisors.get(request.supervisor)
            if supervisor is None or supervisor.phase == Phase.DEAD:
                m.reply(event.ref, ["exit", "noproc"])
            else:
                m.post(supervisor, Asked(event.ref, request))


# Any: each takes its own kind of event, which a table cannot say.
_HANDLERS: dict[type, Callable[[Machine, Any], None]] = {
    Begin: lambda m, _: begin(m),
    StopRoot: lambda m, event: stop_root(m, event.reason),
    Started: _started,
    StartFailed: _start_failed,
    Declined: _declined,
    Exited: _exited,
    Ready: _ready,
    Tick: _tick,
    Call: _call,
}
