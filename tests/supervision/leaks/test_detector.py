"""What the detector calls a leak, and what it does not: one made-up course each."""

import math
import random
from collections.abc import Callable

import pytest

from supervision.leaks.detector import COUNTS, Finding, LeakDetector
from supervision.leaks.judging import Course

HOUR = 60
"""Samples, one a minute."""


def _run(
    column: str, course: Callable[[int], float], *, hours: int = 8, load: Callable[[int], float] | None = None
) -> list[Finding]:
    detector = LeakDetector()
    found: list[Finding] = []
    done = 0.0
    for minute in range(hours * HOUR):
        done += load(minute) if load else 100.0
        found += detector.feed({"t": minute * 60.0, "ops": done, column: course(minute)})
    return found


def _after(start: int, course: Callable[[int], float], before: float = 0.0) -> Callable[[int], float]:
    return lambda minute: before + (course(minute - start) if minute >= start else 0.0)


def test_descriptors_that_begin_to_rise_after_quiet_hours_are_found_within_two() -> None:
    found = _run("fds", _after(3 * HOUR, lambda minute: minute // 15, before=8))
    assert found[0].course is Course.BEGAN
    assert found[0].quiet_s is not None
    assert 3 * 3600 < found[0].at < 5 * 3600
    assert found[0].rate.low <= 4.0 <= found[0].rate.high * 1.1


def test_a_leak_from_the_first_minute_is_found_when_a_pool_would_have_filled() -> None:
    found = _run("conns", lambda minute: minute // 12)
    assert found[0].course is Course.GOES_ON
    assert 4 * 3600 <= found[0].at < 5 * 3600


def test_one_connection_an_hour_is_found() -> None:
    assert _run("conns", _after(2 * HOUR, lambda minute: minute // HOUR), hours=12)


def test_memory_that_rises_steadily_is_found() -> None:
    found = _run("uss", _after(2 * HOUR, lambda minute: minute * 30.0, before=60_000))
    assert {each.resource for each in found} == {"rss"}
    assert found[0].at < 4 * 3600


def test_a_leak_that_follows_the_load_is_found_although_it_stands_still_at_night() -> None:
    def load(minute: int) -> float:
        return 200.0 if (minute // 90) % 2 else 5.0

    done = [0.0]
    for minute in range(8 * HOUR):
        done.append(done[-1] + load(minute))
    found = _run("tasks", _after(2 * HOUR, lambda minute: done[minute + 2 * HOUR] // 400), load=load)
    assert found


def _noise(seed: int, size: float) -> Callable[[int], float]:
    values = random.Random(seed)
    return lambda minute: values.random() * size


def _imports() -> Callable[[int], float]:
    at = {40: 9_000.0, 95: 400.0, 130: 5_000.0, 215: 14_000.0, 310: 3_000.0, 400: 700.0}
    return lambda minute: 50_000 + sum(size for when, size in at.items() if minute >= when)


CLEAN: dict[str, tuple[str, Callable[[int], float]]] = {
    "a flat line with noise": ("uss", lambda minute: 60_000 + _noise(minute, 300)(minute)),
    "a pool that grows to its bound": ("threads", lambda minute: 4 + min(minute // 8, 20)),
    "a pool that grows to its bound for three hours": ("fds", lambda minute: 8 + min(minute // 5, 36)),
    "a cache that fills": ("uss", lambda minute: 30_000 + 24_000 * (1 - math.exp(-minute / 70))),
    "a cache with a bound": ("blocks", lambda minute: 100_000 + min(minute, 150) * 900.0),
    "a curve of the day": ("blocks", lambda minute: 100_000 + 40_000 * (1 - math.cos(minute / 35))),
    "a sawtooth of the collector": ("blocks", lambda minute: 120_000 + (minute % 100) * 400.0),
    "a log that is rotated": (
        "disk",
        lambda minute: minute * 1.0 if minute < 300 else 200 + (minute - 300) % 100,
    ),
    "a janitor that cleans up": ("disk", lambda minute: (minute % 95) * 4.0),
    "a backlog that drains": ("queue", lambda minute: max(0, 900 - 9 * (minute % 150))),
    "a queue that wanders": ("queue", lambda minute: 15 + 12 * math.sin(minute / 40)),
    "one step": ("uss", lambda minute: 40_000 + (20_000 if minute > 200 else 0)),
    "bursts of tasks": ("tasks", lambda minute: 30.0 if minute % 70 < 20 else 0.0),
    "children that come and go": ("children", lambda minute: minute % 3),
}


@pytest.mark.parametrize("name", CLEAN)
def test_what_is_no_leak_is_not_called_one(name: str) -> None:
    assert _run(*CLEAN[name], hours=10) == []


def test_imports_now_and_then_are_no_leak() -> None:
    assert _run("uss", _imports()) == []


def test_a_new_generation_begins_anew() -> None:
    detector = LeakDetector()
    found: list[Finding] = []
    for minute in range(10 * HOUR):
        generation = minute // (2 * HOUR)
        since = minute % (2 * HOUR)
        found += detector.feed({"t": minute * 60.0, "ops": 0, "gen": generation, "fds": 4 + since // 20})
    assert found == []


@pytest.mark.parametrize("column", COUNTS)
def test_every_count_is_judged_under_its_own_name(column: str) -> None:
    assert _run(column, _after(2 * HOUR, lambda minute: minute // 10))[0].resource == column


def test_a_column_that_is_not_there_is_not_judged() -> None:
    assert LeakDetector().feed({"t": 0.0}) == []


def test_the_band_of_a_steady_rate_holds_it() -> None:
    found = _run(
        "uss", _after(2 * HOUR, lambda minute: minute * 50.0 + _noise(minute, 20)(minute), before=60_000)
    )
    rate = found[-1].rate
    assert rate.low <= 3000 <= rate.high
    assert rate.high - rate.low < 600
