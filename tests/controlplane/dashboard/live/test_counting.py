"""Processes by state over time: sums of what may be seen, and gaps where nothing was."""

from typing import Any

from controlplane.dashboard.live.counting import POINTS, STEP_S, Counting

T = 1_800_000_000.0


def member(tree: str, state: str, *, supervisor: bool = False) -> dict[str, Any]:
    return {"tree": tree, "state": state, "is_supervisor": supervisor}


def test_counts_are_summed_up_over_the_trees_one_sees() -> None:
    counting = Counting()
    members = [
        member("shop", "running"),
        member("shop", "lost"),
        member("bank", "running"),
        member("shop", "running", supervisor=True),
    ]
    assert counting.look(T, members)
    assert not counting.look(T + STEP_S - 1, members)
    assert counting.look(T + 3 * STEP_S, members[:1])
    everything = counting.history(None)
    assert everything["from"] + (POINTS - 1) * STEP_S == T + 3 * STEP_S
    assert everything["groups"]["running"][-4:] == [2, None, None, 1]
    assert everything["groups"]["failed"][-4:] == [1, None, None, 0]
    assert counting.history(frozenset({"bank"}))["groups"]["running"][-4:] == [1, None, None, None]


def test_only_an_hour_is_kept_and_a_tree_that_is_gone_is_forgotten() -> None:
    counting = Counting()
    counting.look(T, [member("old", "running")])
    for step in range(1, POINTS + 5):
        counting.look(T + step * STEP_S, [member("shop", "running")])
    assert set(counting.history(None)["groups"]["running"]) == {1}
    assert counting.history(frozenset({"old"}))["groups"]["running"] == [None] * POINTS
