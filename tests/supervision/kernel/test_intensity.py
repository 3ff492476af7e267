"""OTP: more than `intensity` restarts within `period` seconds end the supervisor."""

import pytest

from supervision.kernel.intensity import Window, within


def test_a_restart_exactly_period_old_counts() -> None:
    assert within([0.0, 1.0, 5.0], now=5.0, period=5) == [0.0, 1.0, 5.0]
    assert within([0.0, 1.0, 5.0], now=5.001, period=5) == [1.0, 5.0]


@pytest.mark.parametrize(
    ("intensity", "times", "allowed"),
    [
        (0, [0.0], [False]),
        (1, [0.0, 0.0], [True, False]),
        (1, [0.0, 5.0], [True, False]),
        (1, [0.0, 5.1, 10.3], [True, True, True]),
        (3, [0, 1, 2, 3], [True, True, True, False]),
        (3, [0, 1, 2, 7, 8, 9], [True] * 6),
    ],
)
def test_one_too_many_is_told(intensity: int, times: list[float], allowed: list[bool]) -> None:
    window = Window()
    assert [window.add(at, intensity, 5) for at in times] == allowed


def test_what_no_longer_counts_is_forgotten() -> None:
    window = Window()
    for at in range(1000):
        window.add(float(at), 1000, 5)
    assert len(window.restarts) == 6
    assert window.used(1003.0, 5) == 2
