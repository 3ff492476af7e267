import pytest

from supervision.trees.readiness import Member, Readiness, judge

ROOT = Member("shop", "running", "up", is_supervisor=True)


def judged(*members: Member, digest: str = "d", ended: str = "") -> Readiness:
    return judge(digest=digest, wanted_digest="d", ended=ended, members=[ROOT, *members])


def test_is_ready_when_every_child_runs_or_has_completed() -> None:
    assert judged(Member("shop/web", "running", "up"), Member("shop/job", "completed", "up")).is_ready


@pytest.mark.parametrize("state", ["waiting", "starting", "backoff", "stopping", "failed", "lost", "stopped"])
def test_waits_for_what_is_wanted_and_does_not_run(state: str) -> None:
    found = judged(Member("shop/web", state, "up"))
    assert (found.is_ready, found.missing) == (False, f"shop/web is {state}")


def test_does_not_wait_for_what_an_operator_stopped_or_holds() -> None:
    held = Member("shop/c", "held", "up")
    below = Member("shop/group/a", "stopped", "up")
    group = Member("shop/group", "stopped", "down", is_supervisor=True)
    assert judged(Member("shop/web", "stopped", "down"), held, group, below).is_ready


def test_has_not_arrived_while_the_node_has_another_revision() -> None:
    found = judged(Member("shop/web", "running", "up"), digest="old")
    assert (found.arrived, found.is_ready) == (False, False)


@pytest.mark.parametrize("state", ["failed", "backoff"])
def test_has_given_up_when_the_root_has(state: str) -> None:
    root = Member("shop", state, "up", is_supervisor=True, last_exit_reason="shutdown")
    found = judge(digest="d", wanted_digest="d", ended="", members=[root])
    assert found.gave_up == "the root supervisor gave up: shutdown"
    assert judged(ended="shutdown").gave_up


def test_names_a_few_of_many() -> None:
    found = judged(*(Member(f"shop/w{number}", "starting", "up") for number in range(5)))
    assert found.missing == "shop/w0 is starting, shop/w1 is starting, shop/w2 is starting and 2 more"


def test_counts_how_often_supervisors_were_started_again() -> None:
    inner = Member("shop/group", "running", "up", is_supervisor=True, restarts=2)
    assert judged(inner, Member("shop/web", "running", "up", restarts=9)).supervisor_restarts == 2
