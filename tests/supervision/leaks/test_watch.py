"""Floods: found within a minute, under the right name, once; and what only looks alike is let be."""

import random
from collections.abc import Callable, Iterator

import pytest

from supervision.leaks.resources import MEASURED, explains, resource_of
from supervision.leaks.watch import Course, Growing, NodeWatch, Outcome
from supervision.leaks.words import Action, Limit, action_of, pace, seconds_left, span, verdict

MIB = 1 << 20
T = 1_700_000_000.0
Shape = Callable[[int], dict[str, float]]


def frames(
    shape: Shape, seconds: int, *, since: int = 0, incarnation: int = 1
) -> Iterator[dict[str, object]]:
    for second in range(since, since + seconds):
        values = shape(second)
        gauges = {name: values.pop(name) for name in list(values) if name not in MEASURED}
        yield {
            "at": T + second + 0.4,
            "key": ["t/a"],
            "incarnation": [incarnation],
            "gauges": [gauges or None],
            **{name: [value] for name, value in values.items()},
        }


def watched(shape: Shape, seconds: int) -> tuple[NodeWatch, list[Growing]]:
    watch, told = NodeWatch(), []
    for frame in frames(shape, seconds):
        told += [one for one in watch.take(frame) if one not in told]
    return watch, told


BASE = {"rss": 20.0 * MIB, "fds": 5.0, "threads": 1.0, "children": 0.0, "zombies": 0.0, "sockets": 0.0}


@pytest.mark.parametrize(
    ("grows", "resource"),
    [
        ({"rss": MIB}, "rss"),
        ({"fds": 5}, "fds"),
        ({"sockets": 5, "fds": 5}, "sockets"),
        ({"threads": 2, "rss": 60_000}, "threads"),
        ({"children": 1, "fds": 3, "rss": 2 * MIB, "threads": 1}, "children"),
        ({"zombies": 1}, "zombies"),
        ({"asyncio_tasks": 5, "rss": MIB / 8}, "tasks"),
        ({"queue_length.mails": 50, "rss": MIB}, "queue"),
        ({"timers": 5}, "timers"),
        ({"connections": 5, "sockets": 5, "fds": 5}, "conns"),
        ({"disk": MIB}, "disk"),
    ],
)
def test_each_kind_is_found_within_a_minute_under_its_own_name(
    grows: dict[str, float], resource: str
) -> None:
    def shape(second: int) -> dict[str, float]:
        return {**BASE, **{name: BASE.get(name, 0) + each * second for name, each in grows.items()}}

    watch, told = watched(shape, 60)
    assert [one.resource for one in told] == [resource]
    assert list(watch.open()) == told
    rate = grows.get(resource) or next(each for name, each in grows.items() if resource_of(name) == resource)
    assert told[0].line.rate == pytest.approx(rate)
    assert told[0].since <= T + 10
    if len(grows) > 1:
        assert set(told[0].brings) <= {"rss", "fds", "threads", "sockets", "conns", "timers"}


def test_two_leaks_that_do_not_explain_one_another_are_two_findings() -> None:
    _, told = watched(lambda s: {**BASE, "rss": BASE["rss"] + 2 * MIB * s, "fds": 5.0 + 5 * s}, 60)
    assert {one.resource for one in told} == {"rss", "fds"}


def test_a_pool_that_fills_up_is_no_leak_and_what_goes_on_when_it_is_full_is() -> None:
    def shape(second: int) -> dict[str, float]:
        children = min(second // 9, 4)
        return {
            **BASE,
            "children": float(children),
            "fds": 5.0 + 3 * min(second, 45) + 5 * max(0, second - 100),
        }

    assert watched(shape, 100)[1] == []
    assert [one.resource for one in watched(shape, 150)[1]] == ["fds"]


def test_processes_that_began_a_while_ago_may_still_open_what_their_work_needs() -> None:
    def shape(second: int) -> dict[str, float]:
        """Fourteen at once, as backends of a store; a minute later each opens its first files, one after the other."""
        return {
            **BASE,
            "children": 14.0 if second >= 5 else 0.0,
            "fds": 8.0 + (280 if second >= 5 else 0) + 2 * max(0, min(second, 110) - 60),
        }

    assert watched(shape, 240)[1] == []
    assert [one.resource for one in watched(lambda s: {**shape(5), "fds": 300.0 + 8 * s}, 60)[1]] == ["fds"]


def test_what_is_counted_now_and_then_is_found_by_what_it_brings_in_a_young_life() -> None:
    def shape(second: int) -> dict[str, float]:
        """Sockets are looked at in turn: each five or ten seconds, and not evenly."""
        seen = max(at for at in (0, 3, 11, 14, 19, 28, 31, 39, 43, 48, 57, 62) if at <= second)
        return {**BASE, "fds": 5.0 + 5 * second, "sockets": 5.0 * seen}

    found = watched(shape, 60)[1]
    assert [one.resource for one in found] == ["sockets"]


def test_a_job_gives_back_what_it_took_and_is_judged_only_when_it_goes_on() -> None:
    def shape(second: int) -> dict[str, float]:
        return {**BASE, "rss": BASE["rss"] + MIB * second}

    def told(seconds: int) -> list[str]:
        watch = NodeWatch()
        return [
            one.resource for frame in frames(shape, seconds) for one in watch.take({**frame, "job": [True]})
        ]

    assert told(290) == []
    assert set(told(310)) == {"rss"}


@pytest.mark.parametrize(("since", "expected"), [(0, []), (400, ["rss"])])
def test_what_rises_unevenly_is_let_be_while_a_life_is_young(since: int, expected: list[str]) -> None:
    """Imports on a busy machine: steady from afar, in unequal pieces, and slower towards the end."""
    pieces = [0, 6, 9, 15, 17, 25, 28, 30, 34, 36, 37, 38]

    def shape(second: int) -> dict[str, float]:
        place = min(max(0, second - since) // 5, len(pieces) - 1)
        return {**BASE, "rss": BASE["rss"] + pieces[place] * MIB}

    found: list[str] = []
    for one in watched(shape, since + 70)[1]:
        if one.resource not in found:
            found.append(one.resource)
    assert found == expected


def quiet(_second: int) -> dict[str, float]:
    return {**BASE, "rss": BASE["rss"] + random.Random(_second).randrange(4 * MIB)}


def steps(second: int) -> dict[str, float]:
    return {**BASE, "rss": BASE["rss"] + 40 * MIB * (second // 30)}


def slowing(second: int) -> dict[str, float]:
    return {**BASE, "rss": BASE["rss"] + 100 * MIB * (1 - 0.93**second)}


def saw(second: int) -> dict[str, float]:
    return {**BASE, "rss": BASE["rss"] + 2 * MIB * (second % 20), "fds": 5.0 + 5 * (second % 20)}


def slow(second: int) -> dict[str, float]:
    return {**BASE, "rss": BASE["rss"] + MIB * second / 8}


@pytest.mark.parametrize("shape", [quiet, steps, slowing, saw, slow])
def test_what_only_looks_alike_is_let_be(shape: Shape) -> None:
    assert watched(shape, 600)[1] == []


def test_a_flood_that_comes_to_rest_is_over_and_found_again_when_it_goes_on() -> None:
    watch = NodeWatch()

    def shape(second: int) -> dict[str, float]:
        return {**BASE, "fds": 5.0 + 5 * min(second, 60) + 5 * max(0, second - 300)}

    told = [one for frame in frames(shape, 280) for one in watch.take(frame)]
    assert told[-1].outcome is Outcome.LEVEL
    assert list(watch.open()) == []
    again = [one for frame in frames(shape, 120, since=280) for one in watch.take(frame)]
    assert again[-1].outcome is None
    assert again[-1].since >= T + 295


def test_another_life_begins_with_nothing_and_ends_what_was_found() -> None:
    watch = NodeWatch()
    grow: Shape = lambda s: {**BASE, "fds": 5.0 + 5 * s}  # noqa: E731
    [one] = {one.resource: one for frame in frames(grow, 60) for one in watch.take(frame)}.values()
    told = [each for frame in frames(grow, 20, incarnation=2) for each in watch.take(frame)]
    assert told == [one]
    assert one.outcome is Outcome.LIFE_ENDED


def test_a_child_that_misses_from_some_frames_is_not_gone() -> None:
    watch = NodeWatch()
    grow: Shape = lambda s: {**BASE, "fds": 5.0 + 5 * s}  # noqa: E731
    for frame in frames(grow, 60):
        watch.take(frame)
    empty: dict[str, list[object]] = {"key": [], "incarnation": []}
    assert watch.take({"at": T + 61, **empty}) == []
    assert watch.take({"at": T + 63, **empty}) == []
    assert [one.resource for one in watch.open()] == ["fds"]
    [over] = watch.take({"at": T + 67, **empty})
    assert over.outcome is Outcome.LIFE_ENDED


def test_a_leak_of_hours_is_found_by_the_minutes_and_stays() -> None:
    watch = NodeWatch()
    life = watch.life("t/a", 1, 0)
    found: list[Growing] = []
    for minute in range(8 * 60):
        grown = max(0, minute - 180) / 4
        found += life.feed_minute(T + 60 * minute, {"fds": 40 + grown // 1}, 0.0)
    assert found
    assert found[0].resource == "fds"
    assert found[0].course is Course.BEGAN
    assert action_of(found[0], None) is Action.RECYCLE
    assert "standing still" in verdict(found[0], None)


def test_a_slow_leak_of_sockets_is_not_told_as_one_of_descriptors_too() -> None:
    life = NodeWatch().life("t/a", 1, 0)
    found = {
        one.resource
        for minute in range(8 * 60)
        for one in life.feed_minute(
            T + 60 * minute,
            {"fds": 40 + max(0, minute - 180) // 4, "sockets": 20 + max(0, minute - 180) // 4},
            0.0,
        )
    }
    assert found == {"sockets"}


def test_what_may_be_explained_has_a_bound() -> None:
    assert explains("threads", 2.0, "rss", 100_000.0)
    assert not explains("threads", 2.0, "rss", 3.0 * MIB)
    assert not explains("zombies", 2.0, "rss", 1.0)
    assert resource_of("celery.held") is None
    assert resource_of("queue_length.mails") == "queue"


def test_words_say_pace_limit_and_what_to_do() -> None:
    [one] = watched(lambda s: {**BASE, "rss": BASE["rss"] + MIB * s}, 60)[1]
    limit = Limit(512.0 * MIB, "its memory limit")
    left = seconds_left(one, limit)
    assert left is not None
    assert 400 < left < 500
    words = verdict(one, limit)
    assert words.startswith("Memory grows by 1.0 MiB a second")
    assert "its memory limit (512 MiB) in 7 min" in words
    assert action_of(one, left) is Action.RECYCLE
    assert action_of(one, 100.0) is Action.RESTART
    assert action_of(one, None) is Action.WATCH
    assert (pace("fds", 0.05), pace("rss", 10_000.0), pace("fds", 0.001)) == (
        "3.0 a minute",
        "586 KiB a minute",
        "3.6 an hour",
    )
    assert [span(s) for s in (40, 420, 12_000, 300_000)] == ["40 s", "7 min", "3 h 20 min", "3 d"]
