"""Garbage is collected in quiet moments only."""

import gc
import weakref
from collections.abc import Iterator

import pytest

from supervision.runtime.clock import ManualClock
from supervision.runtime.collector import EVERYTHING_EVERY_S, GREW_BYTES, YOUNG, Collector
from supervision.runtime.linux import resident_bytes


class Knot:
    """A cycle, which only the collector frees."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def collector(clock: ManualClock) -> Iterator[Collector]:
    made = Collector(clock)
    made.begin()
    yield made
    made.end()
    assert gc.isenabled()
    assert gc.get_freeze_count() == 0


def knots(count: int) -> "weakref.ref[Knot]":
    held = [Knot() for _ in range(count)]
    return weakref.ref(held[0])


def test_nothing_is_collected_by_itself(collector: Collector) -> None:
    seen = knots(10 * YOUNG)
    assert seen() is not None


def test_a_look_collects_the_young_when_they_are_many(collector: Collector) -> None:
    gc.collect()
    few = knots(1)
    collector.look()
    assert few() is not None
    many = knots(YOUNG + 1)
    collector.look()
    assert many() is None


def test_what_grew_old_goes_at_a_long_interval(collector: Collector, clock: ManualClock) -> None:
    held = [Knot() for _ in range(YOUNG + 1)]
    collector.look()
    seen = weakref.ref(held[0])
    held.clear()
    collector.look()
    assert seen() is not None
    clock.jump(EVERYTHING_EVERY_S)
    collector.look()
    assert seen() is None


def test_what_a_large_answer_leaves_behind_goes_back(collector: Collector) -> None:
    """Freed memory below a piece that lives on stays with the process until somebody gives it back."""
    gc.collect()
    collector.look()
    before = resident_bytes()
    pieces = [bytes(60_000) for _ in range(20 * GREW_BYTES // 60_000)]
    last = pieces[-1]
    grown = resident_bytes()
    assert grown > before + 15 * GREW_BYTES
    pieces.clear()
    collector.look()
    assert resident_bytes() < grown - 10 * GREW_BYTES
    assert len(last) == 60_000
