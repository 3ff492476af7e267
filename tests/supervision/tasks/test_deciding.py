"""What becomes of a supervised task: a table of cases, and properties."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervision.kernel.backoff import Backoff
from supervision.tasks.deciding import BUDGET_FREE, History, Policy, Restart, after_attempt
from supervision.tasks.states import Outcome, RunState

NOW = 1000.0


def decide(policy: Policy, outcome: Outcome, history: History = History(), *, revoked: bool = False) -> str:  # noqa: B008
    return str(after_attempt(policy, outcome, history, task_id="t", now=NOW, revoked=revoked).state)


@pytest.mark.parametrize(
    ("restart", "outcome", "state"),
    [
        (Restart.TEMPORARY, Outcome.DONE, "done"),
        (Restart.TEMPORARY, Outcome.FAILED, "failed"),
        (Restart.TEMPORARY, Outcome.LOST, "failed"),
        (Restart.TRANSIENT, Outcome.DONE, "done"),
        (Restart.TRANSIENT, Outcome.FAILED, "retrying"),
        (Restart.TRANSIENT, Outcome.LOST, "retrying"),
        (Restart.PERMANENT, Outcome.DONE, "retrying"),
        (Restart.PERMANENT, Outcome.FAILED, "retrying"),
        (Restart.PERMANENT, Outcome.REVOKED, "revoked"),
    ],
)
def test_the_restart_type_says_what_follows_as_in_otp(restart: Restart, outcome: Outcome, state: str) -> None:
    assert decide(Policy(restart=restart), outcome) == state


def test_the_restart_past_the_intensity_parks_the_task() -> None:
    policy = Policy(intensity=3, period=5.0)
    assert decide(policy, Outcome.FAILED, History(restarts=(996, 997))) == "retrying"
    assert decide(policy, Outcome.FAILED, History(restarts=(996, 997, 998))) == "parked"
    assert decide(policy, Outcome.FAILED, History(restarts=(990, 997, 998))) == "retrying"


def test_a_task_that_kills_its_workers_is_parked_at_its_bound() -> None:
    policy = Policy(max_lost=3)
    assert [decide(policy, Outcome.LOST, History(lost=lost)) for lost in (1, 2, 3)] == [
        "retrying",
        "retrying",
        "parked",
    ]


def test_a_lost_attempt_is_run_again_at_once_and_counts_against_no_intensity() -> None:
    verdict = after_attempt(
        Policy(intensity=0), Outcome.LOST, History(lost=1, restarts=(999.0,)), task_id="t", now=NOW
    )
    assert (verdict.state, verdict.delay_s) == (RunState.RETRYING, 0.0)


def test_a_revoked_task_is_not_run_again_but_what_was_done_is_done() -> None:
    assert decide(Policy(), Outcome.FAILED, revoked=True) == "revoked"
    assert decide(Policy(), Outcome.LOST, revoked=True) == "revoked"
    assert decide(Policy(), Outcome.DONE, revoked=True) == "done"
    assert decide(Policy(restart=Restart.PERMANENT), Outcome.DONE, revoked=True) == "revoked"


def test_a_spent_budget_parks() -> None:
    policy = Policy(budget=0.2, intensity=1000)
    assert decide(policy, Outcome.FAILED, History(starts=10, restarted=BUDGET_FREE - 1)) == "retrying"
    assert decide(policy, Outcome.FAILED, History(starts=100, restarted=19)) == "retrying"
    assert decide(policy, Outcome.FAILED, History(starts=100, restarted=20)) == "parked"


@given(
    attempt=st.integers(1, 60),
    initial=st.floats(0, 10),
    cap=st.floats(10, 100),
    jitter=st.floats(0, 1),
    task_id=st.text(max_size=20),
)
def test_a_wait_stays_between_nothing_and_the_cap(
    attempt: int, initial: float, cap: float, jitter: float, task_id: str
) -> None:
    policy = Policy(backoff=Backoff(initial=initial, cap=cap, jitter=jitter), intensity=1000)
    verdict = after_attempt(policy, Outcome.FAILED, History(attempts=attempt), task_id=task_id, now=NOW)
    assert 0 <= verdict.delay_s <= cap


@given(
    outcomes=st.lists(st.sampled_from([Outcome.FAILED, Outcome.LOST]), max_size=200),
    intensity=st.integers(0, 5),
    max_lost=st.integers(1, 5),
)
def test_no_task_runs_for_ever(outcomes: list[Outcome], intensity: int, max_lost: int) -> None:
    """However it ends, within one period it is run again `intensity` times and after `max_lost - 1` losses at most."""
    policy = Policy(intensity=intensity, max_lost=max_lost)
    lost, restarts = 0, 0
    for outcome in outcomes:
        lost += outcome == Outcome.LOST
        verdict = after_attempt(
            policy, outcome, History(restarts=(NOW,) * restarts, lost=lost), task_id="t", now=NOW
        )
        if verdict.state != RunState.RETRYING:
            break
        restarts += outcome == Outcome.FAILED
    assert restarts <= intensity
    assert lost <= max_lost


@pytest.mark.parametrize(
    "spec", [{"restart": "sometimes"}, {"intensity": -1}, {"period": 0}, {"max_lost": 0}, {"budget": 2}]
)
def test_a_policy_that_cannot_be_meant_is_refused(spec: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r".+"):
        Policy.from_json(spec)
