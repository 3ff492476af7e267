"""Random kills with -9 of guardian, node and children: nobody runs twice, nothing is lost, nothing is left."""

import random
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
