"""Random kills with -9 of guardian, node and children: nobody runs twice, nothing is lost, nothing is left."""

import os
import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.brood import Brood
from tests.support.chaos import Chaos
from tests.support.engine import Engine


@pytest.fixture
def brood(tmp_path: Path) -> Brood:
    return Brood(tmp_path / "brood")


@pytest.fixture
def chaos(brood: Brood) -> Iterator[Chaos]:
    with Engine() as engine:
        yield Chaos(engine, brood, seed=random.randrange(1 << 32))
    assert brood.census() == []


def test_children_nodes_and_guardians_are_killed_at_random_and_every_promise_holds(chaos: Chaos) -> None:
    chaos.begin()
    for _ in range(3):
        chaos.round(node=2, guardian=1, children=35)
        chaos.settle()
    assert chaos.killed == {"node": 6, "guardian": 3, "child": 105}


def test_guardian_and_node_die_together_and_the_next_start_goes_on_from_there(chaos: Chaos) -> None:
    chaos.lost_allowed = True  # of those that died while nobody was there
    chaos.begin()
    for _ in range(4):
        chaos.kill_both(children=8)
        chaos.engine.start()
        chaos.settle()


@pytest.mark.soak
def test_at_least_300_nodes_100_guardians_and_5000_children_are_killed_and_every_promise_holds(
    chaos: Chaos,
) -> None:
    end = time.monotonic() + 60 * float(os.environ.get("OVERSTORY_SOAK_MINUTES", "0"))
    chaos.begin()
    while not (enough(chaos) and time.monotonic() >= end):
        chaos.round(node=2, guardian=1, children=35)
        chaos.settle()
    print(f"seed {chaos.seed}: killed {dict(chaos.killed)}; {chaos.audit.restarts} restarts")


def enough(chaos: Chaos) -> bool:
    killed = chaos.killed
    return killed["node"] >= 300 and killed["guardian"] >= 100 and killed["child"] >= 5000


@pytest.mark.soak
def test_guardian_and_node_die_together_a_hundred_times(chaos: Chaos) -> None:
    chaos.lost_allowed = True
    chaos.begin()
    for _ in range(100):
        chaos.kill_both(children=8)
        chaos.engine.start()
        chaos.settle()
