"""A tree with simulated processes: does what the kernel says, and tells it what happened.

Starts are answered and signals obeyed at once, unless a test says otherwise. It also watches for what must never be: a
child that runs twice, a number that is used twice.
"""

import json
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from supervision.kernel import Kernel
from supervision.kernel.actions import Action, Kill, Reply, Report, Signal, Start, State, action_from_json
from supervision.kernel.events import (
    Begin,
    Call,
    Declined,
    Event,
    Exited,
    Ready,
    Request,
    Started,
    StartFailed,
    StopRoot,
    Tick,
    event_from_json,
)
from supervision.kernel.reasons import Term
from supervision.kernel.spec import SupervisorSpec

OBEYS = "obeys"
STUBBORN = "stubborn"


@dataclass
class Fleet:
    """on_start: coming start results by key, "ok", "declined" or a reason for the failure. on_signal: OBEYS, STUBBORN or
    the reason to exit with. late: answers wait in `pending` until `deliver` hands one in, in any order."""

    kernel: Kernel
    now: float = 0.0
    late: bool = False
    pending: list[Event] = field(default_factory=list)
    on_start: dict[str, list[Term]] = field(default_factory=dict)
    on_signal: dict[str, Term] = field(default_factory=dict)
    processes: dict[str, int] = field(default_factory=dict)
    last: dict[str, int] = field(default_factory=dict)
    log: list[Action] = field(default_factory=list)
    told: list[tuple[float, Event]] = field(default_factory=list)
    deadline: float | None = None
    watch: Callable[["Fleet", Event, list[Action]], None] | None = None

    @classmethod
    def of(cls, spec: SupervisorSpec, name: str = "shop", *, begin: bool = True) -> "Fleet":
        fleet = cls(Kernel(name, spec))
        if begin:
            fleet.tell(Begin())
        return fleet

    # --- telling the kernel ------------------------------------------------------------------------------------------

    def tell(self, event: Event) -> list[Action]:
        """Hand in an event and let everything settle that follows at once; returns all actions."""
        seen: list[Action] = []
        facts: deque[Event] = deque([event])
        while facts:
            fact = facts.popleft()
            self.told.append((self.now, fact))
            actions, self.deadline = self.kernel.handle(fact, now=self.now)
            for action in actions:
                answer = self._do(action)
                if answer is not None:
                    (self.pending if self.late else facts).append(answer)
            seen += actions
            if self.watch is not None:
                self.watch(self, fact, actions)
        self.log += seen
        return seen

    def begin(self) -> list[Action]:
        return self.tell(Begin())

    def deliver(self, number: int = 0) -> list[Action]:
        """Hand in one answer that is late."""
        return self.tell(self.pending.pop(number % len(self.pending))) if self.pending else []

    def stop(self, reason: Term = "shutdown") -> list[Action]:
        return self.tell(StopRoot(reason))

    def exit(self, key: str, reason: Term = "signal(9)") -> list[Action]:
        """The process at the key ends by itself."""
        return self.tell(Exited(key, self.processes.pop(key), reason))

    def ready(self, key: str) -> list[Action]:
        return self.tell(Ready(key, self.processes[key]))

    def ask(self, request: Request) -> list[Action]:
        return self.tell(Call("r", request))

    def reply_to(self, request: Request) -> Term:
        """The reply to a call, None if there is none yet."""
        return next((action.value for action in self.ask(request) if isinstance(action, Reply)), None)

    def advance(self, seconds: float) -> list[Action]:
        """Let time pass, ticking at each deadline on the way as a node would."""
        end, seen = self.now + seconds, []
        while self.deadline is not None and self.deadline <= end:
            self.now = max(self.now, self.deadline)
            seen += self.tell(Tick())
        self.now = end
        return seen

    def reload(self) -> None:
        """Write the kernel as JSON and go on with what is read back."""
        self.kernel = Kernel.load(json.loads(json.dumps(self.kernel.dump())))

    # --- being the processes -------------------------------------------------------------------------------------------

    def _do(self, action: Action) -> Event | None:
        match action:
            case Start(key, incarnation):
                return self._start(key, incarnation)
            case Signal(key, incarnation) | Kill(key, incarnation) if self.processes.get(key) != incarnation:
                assert self.late, f"{action} is for a process that does not run"
            case Signal(key, incarnation):
                return self._obey(key, incarnation)
            case Kill(key, incarnation, cause):
                del self.processes[key]
                return Exited(
                    key, incarnation, {"timeout": "timeout", "brutal_kill": "shutdown"}.get(cause, "killed")
                )
        return None

    def _start(self, key: str, incarnation: int) -> Event | None:
        assert key not in self.processes, f"{key} would run twice"
        assert incarnation > self.last.get(key, 0), f"{key}#{incarnation} was used before"
        self.last[key] = incarnation
        coming = self.on_start.get(key)
        result = coming.pop(0) if coming else "ok"
        if result == "declined":
            return Declined(key, incarnation)
        if result != "ok":
            return StartFailed(key, incarnation, result)
        self.processes[key] = incarnation
        return Started(key, incarnation)

    def _obey(self, key: str, incarnation: int) -> Event | None:
        manner = self.on_signal.get(key, OBEYS)
        if manner == STUBBORN:
            return None
        del self.processes[key]
        return Exited(key, incarnation, "shutdown" if manner == OBEYS else manner)

    # --- looking -------------------------------------------------------------------------------------------------------

    def state(self, key: str) -> str:
        view = self.kernel.child(key)
        assert view is not None, f"there is no {key}"
        return view.state

    def states(self) -> dict[str, str]:
        """State by key, without the tree's name."""
        return {view.key.partition("/")[2]: view.state for view in self.kernel.children() if "/" in view.key}


def started(actions: list[Action]) -> list[str]:
    return [action.key for action in actions if isinstance(action, Start)]


def signalled(actions: list[Action]) -> list[str]:
    return [action.key for action in actions if isinstance(action, Signal)]


def killed(actions: list[Action]) -> list[str]:
    return [action.key for action in actions if isinstance(action, Kill)]


def reports(actions: list[Action], kind: str) -> list[Report]:
    return [action for action in actions if isinstance(action, Report) and action.kind == kind]


def changes(actions: list[Action], key: str) -> list[str]:
    """The states a key went through."""
    return [action.new for action in actions if isinstance(action, State) and action.key == key]


def round_trip_event(event: Event) -> Event:
    return event_from_json(json.loads(json.dumps(event.to_json())))  # type: ignore[no-any-return]  # a reader of many kinds


def round_trip_action(action: Action) -> Action:
    return action_from_json(json.loads(json.dumps(action.to_json())))  # type: ignore[no-any-return]  # a reader of many kinds
