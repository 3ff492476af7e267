"""Whose turn it is when there is not time enough to look at everybody each second."""

import os

import pytest

from supervision.runtime import sampler_turns
from supervision.runtime.clock import SystemClock
from supervision.runtime.sampler_turns import OPEN_BUDGET_S, Slow, Turns


class CostlyLooks(SystemClock):
    """Each look takes half of a second's budget."""

    def __init__(self) -> None:
        super().__init__()
        self.spent = 0.0

    def boot(self) -> float:
        return self.spent


def test_of_many_whose_descriptors_change_each_second_all_are_looked_at(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock, looked = CostlyLooks(), list[int]()

    def look(pid: int) -> frozenset[int]:
        clock.spent += OPEN_BUDGET_S / 2
        looked.append(pid)
        return frozenset()

    monkeypatch.setattr(sampler_turns, "read_sockets", look)
    everybody = [Slow(os.getpid() + number) for number in range(10)]
    turns = Turns(clock)
    for second in range(20):
        for one in everybody:
            one.fds = second
        turns.look(everybody)
        clock.spent += 1.0
    assert {looked[-10:].count(one.pid) for one in everybody} == {1}, "each of them in its turn"
