"""How answers become a state."""

import pytest

from supervision.runtime.healthstate import Health, Tally, worst


@pytest.mark.parametrize(
    ("answers", "state"),
    [
        ("", Health.UNKNOWN),
        ("+", Health.HEALTHY),
        ("-", Health.DEGRADED),
        ("+--", Health.DEGRADED),
        ("+---", Health.UNHEALTHY),
        ("+--s", Health.UNRESPONSIVE),
        ("+---+", Health.DEGRADED),
        ("+---++", Health.HEALTHY),
        ("+---+-", Health.DEGRADED),
        ("+-+", Health.DEGRADED),
        ("+-++", Health.HEALTHY),
    ],
)
def test_answers_in_a_row_make_a_state(answers: str, state: Health) -> None:
    tally = Tally(rise=2, fall=3)
    for answer in answers:
        tally.heard(ok=answer == "+", silent=answer == "s")
    assert tally.state is state


def test_the_fall_is_told_once_each_time_it_is_reached() -> None:
    tally = Tally(rise=1, fall=2)
    told = [tally.heard(ok=answer == "+") for answer in "+-----+--"]
    assert told == [False, False, True, False, False, False, False, False, True]


def test_the_worst_of_several_counts() -> None:
    assert worst([]) is Health.UNKNOWN
    assert worst([Health.HEALTHY, Health.DEGRADED, Health.UNKNOWN]) is Health.DEGRADED
    assert worst([Health.UNHEALTHY, Health.UNRESPONSIVE]) is Health.UNRESPONSIVE
