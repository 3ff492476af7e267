import pytest

from supervision.kernel import SpecError
from supervision.kernel.backoff import Backoff, capped


def test_each_wait_is_longer_up_to_the_cap() -> None:
    backoff = Backoff(1, factor=2, cap=10)
    assert [backoff.delay(attempt, "shop/api") for attempt in range(1, 7)] == [1, 2, 4, 8, 10, 10]


def test_a_very_late_attempt_waits_the_cap() -> None:
    assert capped(1, 10, 60, 100_000) == 60


def test_jitter_only_shortens_and_is_the_same_each_time() -> None:
    backoff = Backoff(8, factor=1, cap=8, jitter=0.5)
    waits = [backoff.delay(attempt, key) for key in ("a", "b", "c") for attempt in range(1, 50)]
    assert all(4 <= wait <= 8 for wait in waits)
    assert len(set(waits)) > 100
    assert waits == [backoff.delay(attempt, key) for key in ("a", "b", "c") for attempt in range(1, 50)]


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"initial": -1}, "/initial"),
        ({"initial": float("nan")}, "/initial"),
        ({"initial": 1, "factor": 0.5}, "/factor"),
        ({"initial": 5, "cap": 1}, "/cap"),
        ({"initial": 1, "jitter": 1.5}, "/jitter"),
        ({"initial": 1, "reset_after": 0}, "/reset_after"),
        ({"initial": True}, "/initial"),
    ],
)
def test_nonsense_is_refused(fields: dict[str, float], pointer: str) -> None:
    with pytest.raises(SpecError) as caught:
        Backoff(**fields)
    assert caught.value.pointer == pointer
