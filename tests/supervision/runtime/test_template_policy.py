"""How many spares there are, and what follows the end of a template: facts about numbers."""

import pytest

from supervision.runtime.template_policy import After, Verdict, after_end, spares_wanted, to_end, to_fork


def test_instances_share_their_spares_and_declared_children_add_theirs_up() -> None:
    assert spares_wanted({}) == 0
    assert spares_wanted({"t/a@1": 3, "t/a@2": 3, "t/a@10": 3}) == 3
    assert spares_wanted({"t/a@1": 3, "t/b": 2, "u/a@1": 1}) == 6


@pytest.mark.parametrize(
    ("wanted", "waiting", "forming", "asked", "ended"),
    [(0, 0, 0, 0, 0), (3, 0, 0, 1, 0), (3, 2, 0, 1, 0), (3, 2, 1, 0, 0), (3, 3, 0, 0, 0), (1, 3, 0, 0, 2)],
)
def test_spares_are_forked_one_at_a_time_and_never_more_than_wanted(
    wanted: int, waiting: int, forming: int, asked: int, ended: int
) -> None:
    assert to_fork(wanted, waiting=waiting, forming=forming) == asked
    assert to_end(wanted, waiting=waiting) == ended
    assert waiting + forming + asked <= max(wanted, waiting)


def ended(verdict: Verdict, lived_s: float | None = None, failures: int = 0) -> After:
    return after_end(verdict, "ImportError: x", lived_s=lived_s, failures=failures)


def test_a_template_that_was_killed_is_replaced_at_once_and_agents_wait_for_the_next() -> None:
    assert ended("died", lived_s=100, failures=3) == After(0.0)
    assert ended("died", lived_s=0.1) == After(0.0, failures=1)


def test_one_that_dies_again_and_again_is_waited_for_by_nobody_and_tried_less_and_less_often() -> None:
    waits = [ended("died", failures=failures).again_after_s for failures in range(8)]
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60]
    assert ended("died").why_exec == "its template died while it was starting"
    assert ended("died", lived_s=0.25, failures=1).why_exec == "its template died 0.2 s after it was ready"


def test_what_cannot_be_imported_is_tried_again_at_a_later_start() -> None:
    assert ended("failed", failures=2) == After(None, 4.0, "its template failed: ImportError: x", 3)


def test_what_cannot_be_forked_is_looked_at_again_after_a_minute() -> None:
    assert ended("unforkable") == After(None, 60.0, "its modules cannot be forked: ImportError: x")


def test_one_that_we_ended_is_not_missed() -> None:
    assert ended("ended", lived_s=1) == After(None)
