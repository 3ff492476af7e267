"""What would happen: the kernel itself, on a copy of its state, with processes that are only thought of.

Nothing of the rules is written a second time here: a deed is handed to a copy of the kernel as the node would hand it in,
and what the kernel decides is carried out on an imagined world. What is assumed of that world: a start succeeds and is ready
at once, what is asked to stop stops at once and as asked, and nothing else happens meanwhile. Time passes only for crashes,
and for what they leave waiting.
"""

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from supervision.kernel.actions import Action, ChildState, Kill, Reply, Report, Signal, Start, State
from supervision.kernel.events import Call, Event, Exited, Ready, Request, Started, Tick
from supervision.kernel.kernel import Kernel
from supervision.kernel.reasons import Term
from supervision.kernel.views import ChildView

SETTLE_S = 60.0
"""How long after the last crash it is watched: restarts that wait longer are told as waiting."""
MAX_CRASHES = 1000
MOST_EVENTS = 20_000
"""One that a kernel is told takes it some 20 us; past so many it is asked about too much at once."""
ALIVE = frozenset({ChildState.STARTING, ChildState.RUNNING, ChildState.STOPPING})
"""States in which a process (or a supervisor at work) exists."""
_ENDS = {"timeout": "timeout", "brutal_kill": "shutdown"}
"""Kill.cause to exit reason, as the drivers say it."""


@dataclass(frozen=True, slots=True)
class Ask:
    """An operator's request, or several, each when the one before has been answered (a delete is a stop before it)."""

    requests: tuple[Request, ...]


@dataclass(frozen=True, slots=True)
class Crash:
    """A child ends by itself, `times` times within `within` seconds, evenly: the first at once."""

    key: str
    times: int = 1
    within: float = 0.0
    reason: Term = "signal(9)"

    def __post_init__(self) -> None:
        if not 1 <= self.times <= MAX_CRASHES or not 0 <= self.within <= 86400:
            raise ValueError(f"1 to {MAX_CRASHES} crashes, within a day")


Deed = Ask | Crash


@dataclass(frozen=True, slots=True)
class Happening:
    """One thing the kernel is told, and what it decides. at: seconds since the deed."""

    at: float
    event: Event
    actions: tuple[Action, ...]


class Becomes(StrEnum):
    """What becomes of a member."""

    STOPS = "stops"  # it is alive, and is not at the end
    RESTARTS = "restarts"  # it is alive before and after, in another life
    STARTS = "starts"  # it is not alive, and is at the end
    CHANGES = "changes"  # neither: held, released, wanted down, failed for good
    GOES = "goes"  # it is not part of the tree any more, and was not alive


@dataclass(frozen=True, slots=True)
class Fate:
    """before, after: states; "" where it is not there. lives: how often it is started."""

    key: str
    becomes: Becomes
    is_supervisor: bool
    before: str
    after: str
    lives: int


@dataclass(frozen=True, slots=True)
class Foresight:
    """What would happen, in order, and what is different at the end.

    fates    of all members that the deed touches, in the order in which they go down, then in which they come up
    gave_up  supervisors that reach their restart limit, in order, each as often as it does
    crashes  how many of those asked about could happen; the rest had nothing to crash any more
    refused  why a request would be refused, "" where it is not
    root     the root's state at the end
    is_whole False: more would happen than is followed (MOST_EVENTS)
    """

    happenings: tuple[Happening, ...]
    fates: tuple[Fate, ...]
    gave_up: tuple[str, ...]
    crashes: int
    refused: str
    root: str
    is_whole: bool = True


def foresee(kernel: Kernel, deed: Deed, *, now: float) -> Foresight:
    """What `deed` would do to this tree at `now`, on the kernel's clock. The kernel itself is left alone."""
    world = _World(kernel, now)
    before = {view.key: view for view in world.kernel.children()}
    crashes = 0
    match deed:
        case Ask(requests):
            for number, request in enumerate(requests):
                world.tell(Call(f"foresight-{number}", request))
                if world.refused:
                    break
        case Crash():
            crashes = world.crash(deed)
    after = {view.key: view for view in world.kernel.children()}
    root = after[kernel.name]
    return Foresight(
        happenings=tuple(world.told),
        fates=tuple(_fates(before, after, world)),
        gave_up=tuple(report.supervisor for report in world.reports("shutdown")),
        crashes=crashes,
        refused=world.refused,
        root=str(root.state),
        is_whole=not world.is_spent,
    )


class _World:
    """A copy of the kernel, and imagined processes that do what they are asked at once."""

    def __init__(self, kernel: Kernel, now: float) -> None:
        state = kernel.dump()
        self.kernel = Kernel.load(state)
        self.now = max(now, state["now"])
        self.told: list[Happening] = []
        self.refused = ""
        self._began = self.now
        self._deadline: float | None = None
        self._lives = {
            view.key: view.incarnation
            for view in self.kernel.children()
            if view.alive and not view.spec.is_supervisor
        }
        self.tell(Tick())
        while (event := self._under_way()) is not None:
            self.tell(event)
        self.told.clear()
        self.refused = ""

    @property
    def is_spent(self) -> bool:
        return len(self.told) >= MOST_EVENTS

    def _under_way(self) -> Event | None:
        """An answer that the kernel waits for already: it is not the deed's doing."""
        for view in self.kernel.children():
            if view.spec.is_supervisor:
                continue
            if view.state == ChildState.STARTING:
                return (Ready if view.alive else Started)(view.key, view.incarnation)
            if view.state == ChildState.STOPPING and view.alive:
                return Exited(view.key, view.incarnation, "shutdown")
        return None

    def tell(self, event: Event) -> None:
        """Hand in an event, and let everything follow that follows at once."""
        facts: deque[Event] = deque([event])
        while facts and not self.is_spent:
            fact = facts.popleft()
            if isinstance(fact, Exited):
                self._lives.pop(fact.key, None)
            actions, self._deadline = self.kernel.handle(fact, now=self.now)
            self.told.append(Happening(self.now - self._began, fact, tuple(actions)))
            for action in actions:
                facts += self._answers(action)
            if isinstance(fact, Started) and self._is_starting(fact.key):
                facts.append(Ready(fact.key, fact.incarnation))

    def _is_starting(self, key: str) -> bool:
        view = self.kernel.child(key)
        return view is not None and view.alive and view.state == ChildState.STARTING

    def _answers(self, action: Action) -> Iterator[Event]:
        match action:
            case Start(key, incarnation):
                self._lives[key] = incarnation
                yield Started(key, incarnation)
            case Signal(key, incarnation) if self._lives.get(key) == incarnation:
                yield Exited(key, incarnation, "shutdown")
            case Kill(key, incarnation, cause) if self._lives.get(key) == incarnation:
                yield Exited(key, incarnation, _ENDS.get(cause, "killed"))
            case Reply(_, ["error", why, *_]):
                self.refused = str(why)

    def crash(self, crash: Crash) -> int:
        """Have it end each time it is due and alive, or as soon as it is alive again in time; how often that was."""
        until = self._began + crash.within
        for number in range(crash.times):
            self._advance(self._began + number * crash.within / crash.times)
            while not self._lives.get(crash.key) and self._is_due(until):
                self._advance(self._deadline or until)
            if crash.key not in self._lives or self.is_spent:
                break
            self.tell(Exited(crash.key, self._lives[crash.key], crash.reason))
        else:
            number = crash.times
        self._advance(self.now + SETTLE_S)
        return number

    def _is_due(self, until: float) -> bool:
        return self._deadline is not None and self._deadline <= until and not self.is_spent

    def _advance(self, until: float) -> None:
        """Let time pass, ticking at each deadline on the way as a node would."""
        while self._is_due(until):
            self.now = max(self.now, self._deadline or self.now)
            self.tell(Tick())
        self.now = max(self.now, until)

    def reports(self, kind: str) -> Iterator[Report]:
        for happening in self.told:
            for action in happening.actions:
                if isinstance(action, Report) and action.kind == kind:
                    yield action

    def order(self) -> Mapping[str, int]:
        """Key to the place at which it goes down, or else is first mentioned."""
        down: dict[str, int] = {}
        mentioned: dict[str, int] = {}
        place = 0
        for happening in self.told:
            if isinstance(happening.event, Exited):
                place += 1
                down.setdefault(happening.event.key, place)
            for action in happening.actions:
                place += 1
                key = getattr(action, "key", None)
                if key is None:
                    continue
                mentioned.setdefault(key, place)
                if isinstance(action, State) and action.new not in ALIVE:
                    down.setdefault(key, place)
        return {**mentioned, **down}


def _fates(before: Mapping[str, ChildView], after: Mapping[str, ChildView], world: _World) -> list[Fate]:
    order = world.order()
    found = []
    for key in {**before, **after}:
        was, now = before.get(key), after.get(key)
        becomes = _becomes(was, now)
        seen = now or was
        if becomes is None or seen is None:
            continue
        found.append(
            Fate(
                key=key,
                becomes=becomes,
                is_supervisor=seen.spec.is_supervisor,
                before="" if was is None else str(was.state),
                after="" if now is None else str(now.state),
                lives=(now.incarnation if now else 0) - (was.incarnation if was else 0) if now else 0,
            )
        )
    found.sort(key=lambda fate: (fate.becomes == Becomes.STARTS, order.get(fate.key, len(order))))
    return found


def _becomes(was: ChildView | None, now: ChildView | None) -> Becomes | None:
    if was is None:
        return Becomes.STARTS if now is not None and now.alive else None
    if now is None:
        return Becomes.STOPS if was.alive else Becomes.GOES
    if was.alive:
        if not now.alive:
            return Becomes.STOPS
        if now.incarnation > was.incarnation:
            return Becomes.RESTARTS
    elif now.alive:
        return Becomes.STARTS
    told = ("state", "held", "wanted")
    if any(getattr(was, name) != getattr(now, name) for name in told) or now.incarnation > was.incarnation:
        return Becomes.CHANGES
    return None
