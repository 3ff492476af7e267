"""Being asked to stop."""

import os
import signal
from collections.abc import Iterator

import pytest

from controlplane.foreground.stop_signals import SAME_S, StopAsked, StopSignals
from supervision.runtime.clock import ManualClock


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def signals(clock: ManualClock) -> Iterator[StopSignals]:
    before = {number: signal.getsignal(number) for number in StopSignals.NUMBERS}
    made = StopSignals(clock)
    made.install()
    yield made
    for number, handler in before.items():
        signal.signal(number, handler)


def send_to_self(number: signal.Signals) -> None:
    os.kill(os.getpid(), number)


def send_twice() -> None:
    try:
        send_to_self(signal.SIGINT)
    finally:
        send_to_self(signal.SIGINT)


@pytest.mark.parametrize("number", StopSignals.NUMBERS)
def test_a_signal_interrupts_a_wait(signals: StopSignals, number: signal.Signals) -> None:
    with pytest.raises(StopAsked) as caught, signals.interrupting():
        send_to_self(number)
    assert caught.value.name == number.name


def test_outside_it_is_counted_and_raised_at_the_next_wait(signals: StopSignals) -> None:
    os.kill(os.getpid(), signal.SIGTERM)
    assert signals.count == 1
    reached = False
    with pytest.raises(StopAsked), signals.interrupting():
        reached = True
    assert not reached


def test_only_the_first_one_raises_so_that_cleaning_up_is_not_cut_in_half(signals: StopSignals) -> None:
    with pytest.raises(StopAsked), signals.interrupting():
        send_twice()
    assert signals.count == 1


def test_signals_that_come_together_are_one_request_and_a_later_one_is_another(
    signals: StopSignals, clock: ManualClock
) -> None:
    send_to_self(signal.SIGHUP)
    clock.jump(SAME_S / 2)
    send_to_self(signal.SIGHUP)
    assert signals.count == 1
    clock.jump(SAME_S)
    send_to_self(signal.SIGINT)
    assert (signals.count, signals.last) == (2, "SIGINT")
