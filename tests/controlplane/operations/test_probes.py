"""The text and the code of probes."""

import pytest

from controlplane.operations import probes
from controlplane.operations.checks import Outcome

UP = Outcome("db", ok=True, decides=True, detail="")
DOWN = Outcome("db", ok=False, decides=True, detail="no answer for 5 s")
REDIS_UP = Outcome("redis", ok=True, decides=False, detail="")
REDIS_DOWN = Outcome("redis", ok=False, decides=False, detail="ConnectionError")


@pytest.mark.parametrize(
    ("outcomes", "status"),
    [([UP, REDIS_UP], 200), ([UP, REDIS_DOWN], 200), ([DOWN, REDIS_UP], 503), ([DOWN, REDIS_DOWN], 503)],
)
def test_postgresql_decides_and_redis_is_a_warning(outcomes: list[Outcome], status: int) -> None:
    assert probes.ready(outcomes).status == status


def test_without_verbose_nothing_is_told_but_the_result() -> None:
    assert probes.ready([DOWN]).text == "not ready\n"
    assert probes.ready([UP]).text == "ok\n"


def test_verbose_has_a_line_for_each_check_and_ends_with_the_result() -> None:
    assert probes.ready([DOWN, REDIS_DOWN], verbose=True).text.splitlines() == [
        "[-]db failed: no answer for 5 s",
        "[!]redis warning: ConnectionError",
        "readyz check failed",
    ]
    assert probes.ready([UP, REDIS_UP], verbose=True).text.splitlines() == [
        "[+]db ok",
        "[+]redis ok",
        "readyz check passed",
    ]


def test_an_excluded_check_does_not_decide_and_an_unknown_one_is_said() -> None:
    probe = probes.ready([DOWN], exclude=["db", "nonsense"], verbose=True)
    assert probe.status == 200
    assert "[+]db excluded: ok" in probe.text
    assert "warn: no check is called 'nonsense'" in probe.text


def test_a_single_check_answers_for_itself_whether_it_decides_or_not() -> None:
    assert probes.one([UP, REDIS_DOWN], "redis").status == 503
    assert probes.one([UP, REDIS_DOWN], "db").status == 200
    assert probes.one([UP, REDIS_DOWN], "nonsense").status == 404
    assert "ConnectionError" in probes.one([REDIS_DOWN], "redis", verbose=True).text
