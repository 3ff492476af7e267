"""The poll loop: callbacks, timers on a clock moved by hand, signals, and descriptors whose number is used again."""

import os
import signal
from collections.abc import Iterator

import pytest

from supervision.runtime.clock import ManualClock
from supervision.runtime.loop import Loop

NOW = 0.0


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def loop(clock: ManualClock) -> Iterator[Loop]:
    made = Loop(clock)
    yield made
    made.close()


def ready_fd() -> int:
    """A descriptor that is readable at once."""
    return os.eventfd(1)


def test_a_callback_runs_as_long_as_its_descriptor_is_ready(loop: Loop) -> None:
    fd = ready_fd()
    seen: list[str] = []
    loop.watch(fd, lambda: seen.append("x"))
    loop.run_once(at_most=NOW)
    loop.run_once(at_most=NOW)
    assert seen == ["x", "x"]
    loop.unwatch(fd)
    loop.unwatch(fd)
    loop.run_once(at_most=NOW)
    assert seen == ["x", "x"]
    os.close(fd)


def test_watching_again_replaces_the_callback(loop: Loop) -> None:
    fd = ready_fd()
    seen: list[str] = []
    loop.watch(fd, lambda: seen.append("old"))
    loop.watch(fd, lambda: seen.append("new"))
    loop.run_once(at_most=NOW)
    assert seen == ["new"]
    os.close(fd)


def test_what_was_seen_on_a_closed_descriptor_is_not_told_to_whoever_got_its_number(loop: Loop) -> None:
    """A dead client's socket becomes the pidfd of a new child in the same round: the child must not be taken for dead."""
    first, second = ready_fd(), ready_fd()
    seen: list[str] = []

    def close_the_other(mine: int, other: int) -> None:
        loop.unwatch(mine)
        os.close(mine)
        loop.unwatch(other)
        os.close(other)
        reused = os.eventfd(0), os.eventfd(0)  # audit: ignore[SUP906] closed below, as first and second
        assert reused == (min(first, second), max(first, second))
        for fd in (first, second):
            loop.watch(fd, lambda: seen.append("taken for ready"))

    loop.watch(first, lambda: close_the_other(first, second))
    loop.watch(second, lambda: close_the_other(second, first))
    loop.run_once(at_most=NOW)
    assert seen == []
    os.eventfd_write(second, 1)
    loop.run_once(at_most=NOW)
    assert seen == ["taken for ready"]
    for fd in (first, second):
        loop.unwatch(fd)
        os.close(fd)


def test_timers_run_in_the_order_of_their_time_and_then_of_their_making(
    loop: Loop, clock: ManualClock
) -> None:
    seen: list[str] = []
    loop.call_later(2, lambda: seen.append("late"))
    loop.call_later(1, lambda: seen.append("first"))
    loop.call_later(1, lambda: seen.append("second"))
    cancelled = loop.call_later(1, lambda: seen.append("cancelled"))
    cancelled.cancel()
    loop.run_once(at_most=NOW)
    assert seen == []
    clock.jump(1)
    loop.run_once()
    assert seen == ["first", "second"]
    clock.jump(10)
    loop.run_once()
    assert seen == ["first", "second", "late"]


def test_a_timer_may_cancel_another_that_is_due(loop: Loop, clock: ManualClock) -> None:
    seen: list[str] = []
    loop.call_later(1, lambda: other.cancel())
    other = loop.call_later(1, lambda: seen.append("cancelled"))
    clock.jump(2)
    loop.run_once()
    assert seen == []


def test_what_is_called_soon_runs_at_the_end_of_the_round_and_what_it_adds_in_the_next(loop: Loop) -> None:
    seen: list[str] = []

    def first() -> None:
        seen.append("first")
        loop.call_soon(lambda: seen.append("second"))

    loop.call_soon(first)
    loop.run_once()  # does not wait: something is to be done
    assert seen == ["first"]
    loop.run_once()
    assert seen == ["first", "second"]


def test_a_signal_is_delivered_inside_the_loop_once_however_often_it_came(loop: Loop) -> None:
    seen: list[int] = []
    before = signal.getsignal(signal.SIGUSR1)
    loop.on_signal(signal.SIGUSR1, callback=seen.append)
    try:
        os.kill(os.getpid(), signal.SIGUSR1)
        os.kill(os.getpid(), signal.SIGUSR1)
        assert seen == []
        loop.run_once(at_most=30)
        assert seen == [signal.SIGUSR1]
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_nothing_of_the_round_runs_after_a_stop(loop: Loop) -> None:
    seen: list[str] = []
    loop.call_soon(loop.stop)
    loop.call_soon(lambda: seen.append("of the same round"))
    loop.run()
    assert seen == []
