"""What must hold for every tree, whatever happens to it.

2,000 examples in all here, 50,000 under the marker `soak`.
"""

import json
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from supervision.kernel import Kernel, actions
from supervision.kernel.actions import Kill, Report, Signal, Start, State
from supervision.kernel.events import Apply, Event, RestartKey, StartKey, StopKey
from supervision.kernel.spec import SupervisorSpec
from tests.supervision.kernel.fleet import Fleet, round_trip_action, round_trip_event
from tests.supervision.kernel.strategies import (
    CALLS,
    EVERYTHING,
    FAULTS,
    OPERATOR,
    OTP,
    Kind,
    Op,
    ops,
    perform,
    trees,
)

PROPERTIES = 8
SHORT = 2_000 // PROPERTIES
LONG = 50_000 // PROPERTIES


def prop(**strategies: st.SearchStrategy[Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """A property: 250 examples, or 6,250 in the soak run. Any: whatever the strategies give."""

    def wrap(check: Callable[..., None]) -> Callable[..., None]:
        def run(examples: int) -> None:
            quiet = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
            settings(max_examples=examples, deadline=None, suppress_health_check=quiet)(
                given(**strategies)(check)
            )()

        lengths = [
            pytest.param(SHORT, id="short"),
            pytest.param(LONG, id="long", marks=[pytest.mark.soak, pytest.mark.timeout(3600)]),
        ]
        run.__name__, run.__doc__ = check.__name__, check.__doc__
        return pytest.mark.parametrize("examples", lengths)(run)

    return wrap


# --- intensity --------------------------------------------------------------------------------------------------------


@prop(spec=trees(), happens=ops(*FAULTS, "exit", "exit", *CALLS, max_size=40))
def test_no_window_holds_more_restarts_than_intensity(spec: SupervisorSpec, happens: list[Op]) -> None:
    """Counted here from the reports alone: in no `period` seconds does one life of a supervisor restart more often."""
    fleet = Fleet.of(spec)
    lives: dict[tuple[str, int], list[float]] = {}

    def watch(fleet: Fleet, event: Event, done: list[actions.Action]) -> None:
        for action in done:
            if isinstance(action, Report) and action.kind == "restart":
                life = (action.supervisor, current[action.supervisor])
                times = lives.setdefault(life, [])
                times.append(fleet.now)
                recent = [at for at in times if at >= fleet.now - action.detail["period"]]
                assert len(recent) <= action.detail["intensity"]
                assert len(recent) == action.detail["restarts"]
            elif isinstance(action, State):
                current[action.key] = action.incarnation

    current = {view.key: view.incarnation for view in fleet.kernel.children()}
    fleet.watch = watch
    for op in happens:
        perform(fleet, op)


# --- order ------------------------------------------------------------------------------------------------------------


@prop(spec=trees(OTP), happens=ops(*FAULTS, *CALLS, max_size=15))
def test_stop_order_is_the_reverse_of_start_order(spec: SupervisorSpec, happens: list[Op]) -> None:
    fleet = Fleet.of(spec)
    for op in happens:
        perform(fleet, op)
    fleet.advance(100)
    fleet.on_signal.clear()
    running = [view.key for view in fleet.kernel.children() if view.key in fleet.processes]
    stopped = [action.key for action in fleet.stop() if isinstance(action, Signal | Kill)]
    assert stopped == running[::-1]
    assert not fleet.processes


@prop(
    spec=trees(Kind(additions=False, together=False, depends=False)),
    happens=ops("exit", "advance", max_size=20),
)
def test_children_that_start_together_start_in_the_order_of_the_specification(
    spec: SupervisorSpec, happens: list[Op]
) -> None:
    """In each event and for each supervisor, the starts of its children follow the specification."""
    fleet = Fleet.of(spec, begin=False)

    def watch(fleet: Fleet, event: Event, done: list[actions.Action]) -> None:
        turns.extend(action.key for action in done if isinstance(action, State) and action.new == "starting")

    fleet.watch = watch
    for op in [("begin", 0, 0), *happens]:
        turns: list[str] = []
        perform(fleet, op)
        place = {view.key: index for index, view in enumerate(fleet.kernel.children())}
        for key in {key.rpartition("/")[0] for key in turns}:
            batches = [place[turn] for turn in turns if turn.rpartition("/")[0] == key and turn in place]
            falls = sum(later <= earlier for earlier, later in pairwise(batches))
            again = sum(turn == key for turn in turns) + sum(1 for _ in _restarts(fleet, key))
            assert falls <= again


def _restarts(fleet: Fleet, key: str) -> list[Report]:
    return [a for a in fleet.log if isinstance(a, Report) and a.kind == "restart" and a.supervisor == key]


# --- one life at a time -----------------------------------------------------------------------------------------------


@prop(
    spec=trees(),
    happens=ops(*EVERYTHING, *["deliver"] * 8, max_size=50),
    revisions=st.lists(trees(), max_size=2),
    late=st.booleans(),
)
def test_a_child_never_runs_twice_and_the_kernel_knows_what_runs(
    spec: SupervisorSpec, happens: list[Op], revisions: list[SupervisorSpec], late: bool
) -> None:
    """Fleet itself refuses a second process and a second use of a number. Answers may come late, and in any order."""
    fleet = Fleet.of(spec, begin=False)
    fleet.late = late
    for op in [("begin", 0, 0), *happens]:
        perform(fleet, op, revisions)
        if not fleet.pending:
            _kernel_and_fleet_agree(fleet)
    while fleet.pending:
        fleet.deliver()
    _kernel_and_fleet_agree(fleet)


def _kernel_and_fleet_agree(fleet: Fleet) -> None:
    # One that becomes a supervisor shows the new specification while its process still stops.
    workers = [
        view
        for view in fleet.kernel.children()
        if view.alive and (view.spec.supervisor is None or view.key in fleet.processes)
    ]
    assert {view.key: view.incarnation for view in workers} == fleet.processes
    _nothing_is_stuck(fleet)


def _nothing_is_stuck(fleet: Fleet) -> None:
    """Everything has been answered, so only a child that ignores its signal can keep a supervisor busy."""
    machine = fleet.kernel._machine
    assert not machine.runnable
    if not any(child.stopping and child.inner is None for child in machine.children.values()):
        busy = [each.key for each in machine.supervisors.values() if each.steps or each.mailbox]
        assert not busy
        assert machine.applying is None


# --- the state is data ------------------------------------------------------------------------------------------------


@prop(spec=trees(), happens=ops(*EVERYTHING, max_size=25), revisions=st.lists(trees(), max_size=2))
def test_a_dump_is_the_kernel(
    spec: SupervisorSpec, happens: list[Op], revisions: list[SupervisorSpec]
) -> None:
    """After every event: what is read back is equal, and decides the next event in the same way."""
    fleet = Fleet.of(spec)
    twin = [Kernel.load(_json(fleet.kernel.dump()))]

    def watch(fleet: Fleet, event: Event, done: list[actions.Action]) -> None:
        again, deadline = twin[0].handle(round_trip_event(event), now=fleet.now)
        assert again == done
        assert deadline == fleet.deadline
        assert [round_trip_action(action) for action in done] == done
        twin[0] = Kernel.load(_json(twin[0].dump()))
        assert twin[0] == fleet.kernel

    fleet.watch = watch
    for op in happens:
        perform(fleet, op, revisions)


@prop(
    spec=trees(),
    happens=ops(*EVERYTHING, max_size=30),
    revisions=st.lists(trees(), max_size=2),
    cut=st.integers(0, 200),
)
def test_replaying_the_events_since_a_dump_rebuilds_the_state(
    spec: SupervisorSpec, happens: list[Op], revisions: list[SupervisorSpec], cut: int
) -> None:
    fleet = Fleet.of(spec)
    for op in happens:
        perform(fleet, op, revisions)
    replayed = Kernel("shop", spec)
    for number, (now, event) in enumerate(fleet.told):
        if number == cut:
            replayed = Kernel.load(_json(replayed.dump()))
        replayed.handle(round_trip_event(event), now=now)
    if fleet.now == replayed._machine.now:
        assert replayed == fleet.kernel
    else:
        assert {**replayed.dump(), "now": 0} == {**fleet.kernel.dump(), "now": 0}


def _json(document: dict[str, Any]) -> dict[str, Any]:
    return json.loads(json.dumps(document))  # type: ignore[no-any-return]  # a dump


# --- an operator's word -----------------------------------------------------------------------------------------------


@prop(
    spec=trees(),
    happens=ops(*EVERYTHING, "stop", "stop", max_size=40),
    revisions=st.lists(trees(), max_size=2),
)
def test_stopped_stays_stopped(
    spec: SupervisorSpec, happens: list[Op], revisions: list[SupervisorSpec]
) -> None:
    """Through restarts, escalation, retries of the root, revisions and dumps, until somebody starts it.

    The key itself from the moment of the request. What is below it from the moment it is down: a supervisor that is
    busy, as in OTP, ends what it is at before it reads that it is to stop.
    """
    fleet = Fleet.of(spec)
    stopped: set[str] = set()
    down: set[str] = set()

    def watch(fleet: Fleet, event: Event, done: list[actions.Action]) -> None:
        match getattr(event, "request", None):
            case StopKey(key):
                stopped.add(key)
            case StartKey(key) | RestartKey(key):
                stopped.discard(key)
        down.intersection_update(stopped)
        for action in done:
            if isinstance(action, Start):
                above = {action.key[:at] for at, letter in enumerate(action.key) if letter == "/"}
                assert action.key not in stopped
                assert not down & above
        states = {view.key: view.state for view in fleet.kernel.children()}
        stopped.intersection_update(states)
        down.update(key for key in stopped if states[key] == "stopped")

    fleet.watch = watch
    for op in happens:
        perform(fleet, op, revisions)
        fleet.reload()


# --- revisions --------------------------------------------------------------------------------------------------------


@prop(
    spec=trees(Kind(depends=False)),
    happens=ops(*FAULTS, *CALLS, *OPERATOR, max_size=12),
    new=trees(Kind(depends=False)),
)
def test_apply_does_what_plan_says(spec: SupervisorSpec, happens: list[Op], new: SupervisorSpec) -> None:
    fleet = Fleet.of(spec)
    for op in happens:
        perform(fleet, op)
    fleet.on_start.clear()
    fleet.on_signal.clear()
    fleet.advance(200)
    steps = [step for step in fleet.kernel.plan(new) if step.do in ("stop", "start")]
    alive = {view.key for view in fleet.kernel.children() if view.alive}
    done = fleet.ask(Apply(new))
    planned = {step.key for step in steps}
    turns = [(_do(action), action.key) for action in done if isinstance(action, State) and _do(action)]
    seen = [turn for turn in turns if turn[1] in planned]
    expected = [(step.do, step.key) for step in steps if step.do == "start" or step.key in alive]
    assert seen == expected
    for action in done:
        if isinstance(action, Start | Signal | Kill):
            assert any(action.key == key or action.key.startswith(f"{key}/") for key in planned)
    assert all(step.do == "keep" for step in fleet.kernel.plan(new))


def _do(action: State) -> str:
    if action.new == "stopping":
        return "stop"
    return "start" if action.new == "starting" else ""
