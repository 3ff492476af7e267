"""What the fleet leaks together: which names belong together, and which counts are a leak."""

import pytest

from supervision.leaks.shared import Kind, growth_of, pattern_of, verdict

Points = list[tuple[float, float]]


@pytest.mark.parametrize(
    ("name", "pattern"),
    [
        ("session:5f3a91bc:user:17", "session:*:user:*"),
        ("overstory:answer:6d0c9c38-35f3-4f0b-8a55-8d4d5f0f9a11", "overstory:answer:*"),
        ("a1b2c3d4-0000-4000-8000-000000000000.reply.celery.pidbox", "*.reply.celery.pidbox"),
        ("_kombu.binding.mail", "_kombu.binding.mail"),
        ("cart:Zk3JxT9QpLm2Vw8Y", "cart:*"),
        ("unacked_index", "unacked_index"),
    ],
)
def test_names_of_one_kind_have_one_pattern(name: str, pattern: str) -> None:
    assert pattern_of(name) == pattern


def looks(values: list[float], every_s: float = 30.0) -> Points:
    return [(1000.0 + at * every_s, value) for at, value in enumerate(values)]


@pytest.mark.parametrize(
    ("values", "leaks"),
    [
        ([100.0 + 20 * at for at in range(8)], True),
        ([100.0 + 20 * at for at in range(7)], False),
        ([500.0] * 8, False),
        ([100.0] * 4 + [400.0] * 4, False),  # one step
        ([100.0 + 100 * (1 - 0.5**at) for at in range(8)], False),  # it fills
        ([100.0 + 20 * (at % 4) for at in range(40)], False),  # it comes and goes
        ([100.0 + (at // 3) * 5 for at in range(64)], True),  # slowly, by the hour
        ([100.0 + (at // 3) * 5 + 300 * (at % 5 == 0) for at in range(64)], True),  # below bursts
    ],
)
def test_what_grows_steadily_is_a_leak_and_what_fills_steps_or_swings_is_none(
    values: list[float], leaks: bool
) -> None:
    assert (growth_of(Kind.KEYS, looks(values)) is not None) == leaks


def test_a_verdict_names_the_pace_how_many_there_are_and_what_to_do() -> None:
    assert verdict(Kind.KEYS, "cart:* in database 0", rate=0.5, value=1204, since_s=240) == (
        "Keys like cart:* in database 0 without a time to live grow by 30 a minute for 4 min; 1,204 keys. "
        "Give them a time to live, or delete them when what they belong to ends."
    )
    assert verdict(Kind.IDLE, "shop", rate=0.0, value=1, since_s=0).startswith(
        "Transactions of shop sit idle; 1 of them."
    )
