"""Leases: what has to be down at which moment."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervision.runtime.fencing import MARGIN_S, Fence, Lease, Verdict, judge, newer

TTL_S = 6.0


@pytest.mark.parametrize(
    ("fences", "lease", "now", "expected"),
    [
        pytest.param({}, None, 0, Verdict((), (), None), id="nothing is fenced"),
        pytest.param({"a": Fence(1)}, None, 0, Verdict(("a",), (), None), id="never renewed"),
        pytest.param({"a": Fence(1, down=True)}, None, 0, Verdict((), (), None), id="down already"),
        pytest.param({"a": Fence(1)}, Lease(10, 6, {"a": 1}), 13.9, Verdict((), (), 14), id="fresh"),
        pytest.param({"a": Fence(1)}, Lease(10, 6, {"a": 1}), 14, Verdict(("a",), (), None), id="due"),
        pytest.param({"a": Fence(2)}, Lease(10, 6, {"a": 1}), 11, Verdict(("a",), (), None), id="an old epoch"),
        pytest.param({"a": Fence(1)}, Lease(10, 6, {"a": 2}), 11, Verdict((), (), 14), id="a newer epoch"),
        pytest.param({"a": Fence(1)}, Lease(10, 6, {"b": 1}), 11, Verdict(("a",), (), None), id="not named"),
        pytest.param({"a": Fence(1, down=True)}, Lease(10, 6, {"a": 1}), 11, Verdict((), ("a",), 14), id="back"),
        pytest.param(
            {"a": Fence(1), "b": Fence(3)}, Lease(10, 6, {"a": 1}), 11, Verdict(("b",), (), 14), id="one of two"
        ),
    ],
)  # fmt: skip
def test_what_is_killed_and_what_may_run_again(
    fences: dict[str, Fence], lease: Lease | None, now: float, expected: Verdict
) -> None:
    assert judge(fences, lease, now) == expected


@given(sent=st.floats(0, 1e6), taken=st.floats(0, 100), late=st.floats(0, 100))
def test_no_fenced_tree_runs_when_its_lease_may_be_taken_over(sent: float, taken: float, late: float) -> None:
    """The database counts from when it wrote, which was not before the renewal was sent."""
    written = sent + taken
    now = written + TTL_S + late
    assert judge({"a": Fence(1)}, Lease(sent, TTL_S, {"a": 1}), now).kill == ("a",)
    assert Lease(sent, TTL_S).deadline <= written + TTL_S - MARGIN_S


def test_an_answer_that_was_overtaken_changes_nothing() -> None:
    first, second = Lease(10, TTL_S, {"a": 1}), Lease(11, TTL_S, {"a": 1})
    assert newer(newer(None, second), first) is second
    assert newer(first, second) is second
