"""What is computed from what a hundred viewers met; and, in a soak, that an hour of them lets no memory grow."""

import os
from pathlib import Path

import pytest

from bench.entry import Options
from bench.page_cost import frame_times
from bench.viewers import HEAP_LIMIT_MB, Seen, watch

MAIN, OTHER = {"pid": 1, "tid": 10}, {"pid": 1, "tid": 11}


def test_a_frames_time_is_what_the_main_thread_works_until_the_next_one_arrives() -> None:
    name = {"name": "thread_name", "args": {"name": "CrRendererMain"}}
    frames = [{**MAIN, "name": "WebSocketReceive", "ts": ts} for ts in (1000, 5000, 9000)]
    tasks = [
        {**MAIN, "name": "RunTask", "ph": "X", "ts": 900, "dur": 1600, "tdur": 1500},  # the frame's own
        {**MAIN, "name": "RunTask", "ph": "X", "ts": 3000, "dur": 900, "tdur": 500},  # and what it draws
        {**OTHER, "name": "RunTask", "ph": "X", "ts": 3000, "dur": 900},
        {**MAIN, "name": "RunTask", "ph": "X", "ts": 6000, "dur": 250},
        {**MAIN, "name": "Paint", "ph": "X", "ts": 6000, "dur": 250},
    ]
    assert frame_times([{**MAIN, **name}, *frames, *tasks]) == [2.0, 0.25]


def test_memory_that_rises_at_first_and_then_stays_does_not_grow() -> None:
    seen = Seen(memory=[(float(n), min(n, 5) * 10.0, float(n)) for n in range(20)])
    assert seen.growth_mb(1) == pytest.approx(0)
    assert seen.growth_mb(2) == pytest.approx(9)


@pytest.mark.soak
def test_memory_stays_what_it_is_while_a_hundred_look_at_ten_thousand(tmp_path: Path) -> None:
    minutes = float(os.environ.get("OVERSTORY_SOAK_MINUTES", "60"))
    options = Options(quick=False, tools=tmp_path / "tools", work=tmp_path)
    seen = watch(options, seconds=60 * minutes)
    assert seen.growth_mb(1) < HEAP_LIMIT_MB, "the web processes"
    assert seen.growth_mb(2) < HEAP_LIMIT_MB, "the page"
