"""What a restart costs does not depend on how many children there are. Counted in calls, which no neighbour disturbs."""

import sys
from types import FrameType

import pytest

from supervision.kernel.events import Exited, StartChild, Started
from supervision.kernel.spec import Strategy, SupervisorSpec
from tests.supervision.kernel.fleet import Fleet
from tests.supervision.kernel.trees import inner, supervisor, worker


def _calls_of_a_restart(fleet: Fleet, key: str) -> tuple[int, int]:
    """Python calls that one restart takes, and the deepest it goes."""
    calls = depth = deepest = 0

    def profile(frame: FrameType, event: str, argument: object) -> None:
        nonlocal calls, depth, deepest
        if event == "call":
            calls, depth = calls + 1, depth + 1
            deepest = max(deepest, depth)
        elif event == "return":
            depth -= 1

    incarnation = fleet.processes[key]
    sys.setprofile(profile)
    try:
        fleet.kernel.handle(Exited(key, incarnation, "signal(9)"), now=1.0)
        fleet.kernel.handle(Started(key, incarnation + 1), now=1.0)
    finally:
        sys.setprofile(None)
    return calls, deepest


def _nested(fan: int) -> SupervisorSpec:
    groups = (inner(f"g{at}", *(worker(f"w{number}") for number in range(fan))) for at in range(fan))
    return supervisor(*groups)


def test_one_for_one() -> None:
    assert _calls_of_a_restart(Fleet.of(_nested(3)), "shop/g1/w1") == _calls_of_a_restart(
        Fleet.of(_nested(60)), "shop/g1/w1"
    )


def test_simple_one_for_one() -> None:
    costs = []
    for count in (10, 2000):
        fleet = Fleet.of(supervisor(worker("t"), strategy=Strategy.SIMPLE_ONE_FOR_ONE))
        for number in range(count):
            fleet.ask(StartChild("shop", instance=str(number)))
        costs.append(_calls_of_a_restart(fleet, "shop/5"))
    assert costs[0] == costs[1]


@pytest.mark.parametrize("count", [10, 3000])
def test_a_group_restart_and_a_stop_go_no_deeper_with_more_children(count: int) -> None:
    """Far below Python's limit of 1,000, with three times as many children."""
    children = [worker(str(number)) for number in range(count)]
    fleet = Fleet.of(supervisor(*children, strategy=Strategy.ONE_FOR_ALL))
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(250)
    try:
        fleet.exit("shop/5")
        fleet.stop()
    finally:
        sys.setrecursionlimit(limit)
    assert not fleet.processes


def test_a_thousand_restarts_that_fail_at_once_go_no_deeper() -> None:
    fleet = Fleet.of(supervisor(worker("a"), intensity=5000))
    fleet.on_start["shop/a"] = ["no"] * 3000
    fleet.exit("shop/a")
    assert fleet.processes == {"shop/a": 3002}
