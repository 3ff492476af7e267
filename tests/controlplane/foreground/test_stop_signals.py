"""Being asked to stop."""

import os
import signal
from collections.abc import Iterator

import pytest

from controlplane.foreground.stop_signals import StopAsked, StopSignals


@pytest.fixture
def signals() -> Iterator[StopSignals]:
    before = {number: signal.getsignal(number) for number in StopSignals.NUMBERS}
    made = StopSignals()
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
    assert signals.count == 2
