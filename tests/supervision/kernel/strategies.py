"""Hypothesis strategies: random trees, and random things that happen to them."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from hypothesis import strategies as st

from supervision.kernel import SpecError
from supervision.kernel.backoff import Backoff
from supervision.kernel.dependencies import requirements
from supervision.kernel.events import (
    Apply,
    CountChildren,
    DeleteChild,
    HoldKey,
    RecycleKey,
    ReleaseKey,
    RestartChild,
    RestartKey,
    StartChild,
    StartKey,
    StopKey,
    TerminateChild,
    WhichChildren,
)
from supervision.kernel.spec import (
    AutoShutdown,
    ChildSpec,
    ChildType,
    OnFailure,
    Restart,
    Shutdown,
    StopOrder,
    Strategy,
    SupervisorSpec,
)
from tests.supervision.kernel.fleet import STUBBORN, Fleet

NAMES = ("a", "b", "c", "d")
REASONS = ("normal", "shutdown", ["shutdown", "done"], "exit(1)", "exit(3)", "signal(9)", "lost", "boom")


@dataclass(frozen=True)
class Kind:
    """What a random tree may hold."""

    additions: bool = True
    together: bool = True
    depends: bool = True
    depth: int = 3


ALL = Kind()
OTP = Kind(additions=False, together=False, depends=False)


# Made once: each draw that makes its strategy again takes as long for that as for the draw.
ONE_IN_THREE, ONE_IN_FOUR, ONE_IN_SIX = (st.integers(0, most) for most in (2, 3, 5))
"""One in so many is 0."""
BOOLEANS = st.booleans()
INITIALS = st.sampled_from((0.5, 1.0))
STRATEGIES = st.sampled_from([*Strategy][:3])
AUTO_SHUTDOWNS = st.sampled_from([*AutoShutdown])
ORDERS_OF_NAMES = st.permutations(NAMES)
COUNTS = st.sampled_from((2, 3, 3, 4, 1, 0))
INTENSITIES = st.sampled_from((0, 1, 2, 3, 5, 20))
PERIODS = st.sampled_from((1, 5, 10))
STOP_ORDERS = st.sampled_from([*StopOrder])
MOST_CHILDREN = st.none() | st.integers(0, 6)
RESTARTS = st.sampled_from([*Restart])
BACKOFFS = st.none() | st.builds(Backoff, st.sampled_from((0.5, 2.0)), jitter=st.sampled_from((0.0, 0.5)))
SUCCESS_EXIT_CODES = st.sampled_from((frozenset[int](), frozenset({3})))
SHUTDOWNS = st.sampled_from((5.0, 0.5)) | st.just(Shutdown.BRUTAL_KILL)
VERSIONS = st.integers(0, 1)


@st.composite
def trees(draw: st.DrawFn, kind: Kind = ALL, *, root: bool = True) -> SupervisorSpec:
    """A valid tree."""
    spec = draw(_supervisors(kind, kind.depth))
    if root and kind.additions and draw(ONE_IN_FOUR):
        spec = replace(spec, on_failure=OnFailure(initial=draw(INITIALS)))
    if kind.depends:
        spec = draw(_with_dependencies(spec))
    return spec


@st.composite
def _supervisors(draw: st.DrawFn, kind: Kind, depth: int) -> SupervisorSpec:
    simple = kind.together and draw(ONE_IN_SIX) == 0
    strategy = Strategy.SIMPLE_ONE_FOR_ONE if simple else draw(STRATEGIES)
    auto = draw(AUTO_SHUTDOWNS) if not simple and draw(BOOLEANS) else AutoShutdown.NEVER
    names = ["t"] if simple else draw(ORDERS_OF_NAMES)[: draw(COUNTS)]
    return SupervisorSpec(
        intensity=draw(INTENSITIES),
        period=draw(PERIODS),
        strategy=strategy,
        auto_shutdown=auto,
        children=tuple(draw(_children(kind, depth, name, auto)) for name in names),
        stop=draw(STOP_ORDERS) if kind.additions and kind.together else StopOrder.ORDERED,
        max_children=draw(MOST_CHILDREN) if kind.additions else None,
    )


@st.composite
def _children(draw: st.DrawFn, kind: Kind, depth: int, name: str, auto: AutoShutdown) -> ChildSpec:
    restart = draw(RESTARTS)
    fields: dict[str, Any] = {"restart": restart}
    if auto != AutoShutdown.NEVER and restart != Restart.PERMANENT:
        fields["significant"] = draw(BOOLEANS)
    if kind.additions:
        fields["backoff"] = draw(BACKOFFS)
        fields["success_exit_codes"] = draw(SUCCESS_EXIT_CODES)
    if depth > 1 and draw(ONE_IN_THREE) == 0:
        inner = draw(_supervisors(kind, depth - 1))
        return ChildSpec(name, type=ChildType.SUPERVISOR, supervisor=inner, **fields)
    shutdown = draw(SHUTDOWNS)
    readiness = kind.depends and draw(BOOLEANS)
    return ChildSpec(name, shutdown=shutdown, readiness=readiness, body={"v": draw(VERSIONS)}, **fields)


@st.composite
def _with_dependencies(draw: st.DrawFn, spec: SupervisorSpec) -> SupervisorSpec:
    """The tree with some dependencies among siblings, where they make no cycle."""
    children = [*spec.children]
    for index, child in enumerate(children):
        if child.supervisor is not None:
            child = replace(child, supervisor=draw(_with_dependencies(child.supervisor)))
        others = [other.id for other in children if other.id != child.id]
        if others and not spec.is_simple and draw(ONE_IN_FOUR) == 0:
            child = replace(child, depends_on=(draw(st.sampled_from(others)),))
        children[index] = child
    attempt = replace(spec, children=tuple(children))
    try:
        requirements("t", attempt)
    except SpecError:
        return spec
    return attempt


# --- what happens --------------------------------------------------------------------------------------------------------

Op = tuple[str, int, int]


def ops(*names: str, max_size: int = 30) -> st.SearchStrategy[list[Op]]:
    """At least half of max_size: little happens to a tree in a short list."""
    op = st.tuples(st.sampled_from(names), st.integers(0, 60), st.integers(0, 20))
    return st.lists(op, min_size=max_size // 2, max_size=max_size)


def perform(fleet: Fleet, op: Op, revisions: list[SupervisorSpec] | None = None) -> None:
    """Do one operation; the numbers choose among what there is."""
    name, first, second = op
    _OPS[name](fleet, first, second) if name != "apply" else _apply(fleet, first, revisions or [])


def _pick(items: list[Any], number: int) -> Any:
    """Any: an item."""
    return items[number % len(items)]


def _keys(fleet: Fleet) -> list[str]:
    return [view.key for view in fleet.kernel.children()]


def _supervisor_keys(fleet: Fleet) -> list[str]:
    return [view.key for view in fleet.kernel.children() if view.spec.supervisor is not None]


def _exit(fleet: Fleet, first: int, second: int) -> None:
    if fleet.processes:
        fleet.exit(_pick(sorted(fleet.processes), first), _pick([*REASONS], second))


def _ready(fleet: Fleet, first: int, second: int) -> None:
    if fleet.processes:
        fleet.ready(_pick(sorted(fleet.processes), first))


def _fail_starts(fleet: Fleet, first: int, second: int) -> None:
    results = [["no"], ["no", "no"], ["declined"], ["ok", "no"], ["no"] * 6]
    fleet.on_start[_pick(_keys(fleet), first)] = [*_pick(results, second)]


def _signal_manner(fleet: Fleet, first: int, second: int) -> None:
    fleet.on_signal[_pick(_keys(fleet), first)] = _pick(
        ["obeys", "obeys", STUBBORN, "exit(0)", "normal"], second
    )


def _advance(fleet: Fleet, first: int, second: int) -> None:
    fleet.advance(_pick([0.0, 0.25, 1.0, 2.0, 5.0, 6.0, 70.0], first))


def _start_child(fleet: Fleet, first: int, second: int) -> None:
    key = _pick(_supervisor_keys(fleet), first)
    view = fleet.kernel.child(key)
    assert view is not None
    assert view.spec.supervisor is not None
    if view.spec.supervisor.is_simple:
        fleet.ask(StartChild(key, instance=f"i{second % 4}"))
    else:
        fleet.ask(StartChild(key, ChildSpec(f"n{second % 3}", restart=_pick([*Restart], second))))


def _call(fleet: Fleet, first: int, second: int) -> None:
    key = _pick(_keys(fleet), first)
    above, _, child_id = key.rpartition("/")
    above = above or key
    fleet.ask(
        _pick(
            [
                TerminateChild(above, child_id),
                TerminateChild(above, process=key),
                RestartChild(above, child_id),
                DeleteChild(above, child_id),
                WhichChildren(above),
                CountChildren(above),
            ],
            second,
        )
    )


def _operate(request: type[Any]) -> Callable[[Fleet, int, int], None]:
    """Any: one of the operator's requests."""

    def operate(fleet: Fleet, first: int, second: int) -> None:
        fleet.ask(request(_pick(_keys(fleet), first)))

    return operate


def _recycle(fleet: Fleet, first: int, second: int) -> None:
    key = _pick(_keys(fleet), first)
    if key is not None:
        fleet.ask(RecycleKey(key, "it leaks", stand_in=second % 3 > 0))


def _hold(fleet: Fleet, first: int, second: int) -> None:
    until = None if second % 3 == 0 else fleet.now + second
    fleet.ask(HoldKey(_pick(_keys(fleet), first), until))


def _apply(fleet: Fleet, first: int, revisions: list[SupervisorSpec]) -> None:
    if revisions:
        fleet.ask(Apply(_pick(revisions, first)))


_OPS: dict[str, Callable[[Fleet, int, int], object]] = {
    "exit": _exit,
    "ready": _ready,
    "fail_starts": _fail_starts,
    "signal_manner": _signal_manner,
    "advance": _advance,
    "start_child": _start_child,
    "call": _call,
    "stop": _operate(StopKey),
    "start": _operate(StartKey),
    "restart": _operate(RestartKey),
    "recycle": _recycle,
    "release": _operate(ReleaseKey),
    "hold": _hold,
    "deliver": lambda fleet, first, second: fleet.deliver(first),
    "stop_tree": lambda fleet, first, second: fleet.stop(),
    "begin": lambda fleet, first, second: fleet.begin(),
}
FAULTS = ("exit", "exit", "exit", "ready", "fail_starts", "signal_manner", "advance", "advance")
CALLS = ("start_child", "call", "call")
OPERATOR = ("stop", "start", "restart", "recycle", "recycle", "hold", "release")
EVERYTHING = (*FAULTS, *FAULTS, *CALLS, *OPERATOR, "apply", "stop_tree", "begin", "begin", "begin")
