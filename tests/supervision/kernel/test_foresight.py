"""What the kernel foresees is what it then does, to the action; and asking changes nothing."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from supervision.kernel.actions import Action
from supervision.kernel.backoff import Backoff
from supervision.kernel.events import DeleteChild, HoldKey, ReleaseKey, Request, RestartKey, StartKey, StopKey
from supervision.kernel.foresight import MOST_EVENTS, Ask, Becomes, Crash, Foresight, foresee
from supervision.kernel.spec import FailureAction, OnFailure, Restart, SupervisorSpec
from tests.supervision.kernel.fleet import Fleet
from tests.supervision.kernel.strategies import OTP, trees
from tests.supervision.kernel.trees import inner, supervisor, worker


def decided(foresight: Foresight) -> list[Action]:
    return [action for happening in foresight.happenings for action in happening.actions]


def becomes(foresight: Foresight) -> dict[str, str]:
    return {fate.key: str(fate.becomes) for fate in foresight.fates}


def lives(fleet: Fleet) -> dict[str, tuple[int, bool]]:
    return {view.key: (view.incarnation, view.alive) for view in fleet.kernel.children()}


@settings(max_examples=300, deadline=None)
@given(trees(OTP, root=False), st.data())
def test_an_operators_request_does_exactly_what_was_foreseen(
    spec: SupervisorSpec, data: st.DataObject
) -> None:
    fleet = Fleet.of(spec)
    key = data.draw(st.sampled_from([view.key for view in fleet.kernel.children()]))
    makers: list[Callable[[str], Request]] = [StopKey, RestartKey, StartKey, HoldKey, ReleaseKey]
    request = data.draw(st.sampled_from(makers))(key)
    before, dumped = lives(fleet), fleet.kernel.dump()
    foreseen = foresee(fleet.kernel, Ask((request,)), now=fleet.now)
    assert fleet.kernel.dump() == dumped
    done = fleet.ask(request)
    # the reply names its call, and each of them has its own
    assert [one.to_json() for one in decided(foreseen) if one.tag != "reply"] == [
        one.to_json() for one in done if one.tag != "reply"
    ]
    assert_fates(foreseen, before, lives(fleet))


@settings(max_examples=300, deadline=None)
@given(trees(OTP, root=False), st.data())
def test_crashes_do_exactly_what_was_foreseen(spec: SupervisorSpec, data: st.DataObject) -> None:
    fleet = Fleet.of(spec)
    if not fleet.processes:
        return
    key = data.draw(st.sampled_from(sorted(fleet.processes)))
    times, within = data.draw(st.integers(1, 6)), data.draw(st.floats(0, 20))
    before = lives(fleet)
    foreseen = foresee(fleet.kernel, Crash(key, times, within), now=fleet.now)
    done: list[Action] = []
    crashes = 0
    for number in range(times):
        done += fleet.advance(max(0.0, number * within / times - fleet.now))
        if key not in fleet.processes:
            break
        done += fleet.exit(key)
        crashes += 1
    done += fleet.advance(60)
    assert foreseen.crashes == crashes
    assert [one.to_json() for one in decided(foreseen)] == [one.to_json() for one in done]
    assert_fates(foreseen, before, lives(fleet))


def assert_fates(
    foreseen: Foresight, before: dict[str, tuple[int, bool]], after: dict[str, tuple[int, bool]]
) -> None:
    """Whoever is alive in another life, or not any more, or anew, is named so; nobody else is said to be."""
    expected = {}
    for key in {**before, **after}:
        (was_life, was_alive), (life, is_alive) = before.get(key, (0, False)), after.get(key, (0, False))
        if was_alive and not is_alive:
            expected[key] = Becomes.STOPS
        elif is_alive and not was_alive:
            expected[key] = Becomes.STARTS
        elif is_alive and life > was_life:
            expected[key] = Becomes.RESTARTS
    told = {fate.key: fate.becomes for fate in foreseen.fates}
    assert {key: how for key, how in told.items() if how not in (Becomes.CHANGES, Becomes.GOES)} == expected


SHOP = supervisor(
    worker("db"),
    inner("jobs", worker("mail"), worker("sms"), strategy="one_for_all"),
    worker("web"),
    strategy="rest_for_one",
)


def test_one_crash_too_many_takes_the_supervisor_and_what_was_started_after_it() -> None:
    fleet = Fleet.of(SHOP)
    foreseen = foresee(fleet.kernel, Crash("shop/jobs/mail", 4, 5), now=0.0)
    assert foreseen.gave_up == ("shop/jobs",)
    assert becomes(foreseen) == dict.fromkeys(
        ("shop/jobs/mail", "shop/jobs/sms", "shop/jobs", "shop/web"), "restarts"
    )
    assert {fate.key: fate.lives for fate in foreseen.fates}["shop/jobs/mail"] == 4
    assert foreseen.root == "running"
    assert foresee(fleet.kernel, Crash("shop/jobs/mail", 3, 5), now=0.0).gave_up == ()
    assert foresee(fleet.kernel, Crash("shop/jobs/mail", 4, 60), now=0.0).gave_up == ()


def test_restarts_that_were_used_up_already_count() -> None:
    fleet = Fleet.of(SHOP)
    for _ in range(3):
        fleet.exit("shop/jobs/mail")
    once = Crash("shop/jobs/mail")
    assert foresee(fleet.kernel, once, now=1.0).gave_up == ("shop/jobs",)
    assert foresee(fleet.kernel, once, now=5.5).gave_up == (), "they are past by then"


@pytest.mark.parametrize(
    ("action", "root"), [(FailureAction.RETRY, "backoff"), (FailureAction.STAY_DOWN, "failed")]
)
def test_what_the_root_does_when_it_gives_up_is_said(action: FailureAction, root: str) -> None:
    policy = OnFailure(action, initial=120, cap=240)
    fleet = Fleet.of(supervisor(worker("web"), on_failure=policy))
    foreseen = foresee(fleet.kernel, Crash("shop/web", 4, 5), now=0.0)
    assert (foreseen.gave_up, foreseen.root) == (("shop",), root)
    assert becomes(foreseen) == {"shop/web": "stops", "shop": "stops"}


def test_a_restart_that_waits_leaves_nothing_to_crash() -> None:
    fleet = Fleet.of(supervisor(worker("web", backoff=Backoff(initial=10, factor=1, cap=10, jitter=0))))
    foreseen = foresee(fleet.kernel, Crash("shop/web", 4, 5), now=0.0)
    assert (foreseen.crashes, foreseen.gave_up) == (1, ())
    assert foresee(fleet.kernel, Crash("shop/web", 4, 45), now=0.0).crashes == 4


def test_what_is_under_way_is_done_first_and_is_not_the_deeds_doing() -> None:
    fleet = Fleet.of(supervisor(worker("a"), worker("b"), worker("c")), begin=False)
    fleet.late = True
    fleet.begin()
    fleet.deliver()
    assert fleet.state("shop/b") == "starting"
    foreseen = foresee(fleet.kernel, Ask((StopKey("shop/a"),)), now=0.0)
    assert becomes(foreseen) == {"shop/a": "stops"}


def test_a_request_that_would_be_refused_says_why() -> None:
    fleet = Fleet.of(SHOP)
    foreseen = foresee(fleet.kernel, Ask((StopKey("shop/none"),)), now=0.0)
    assert (foreseen.refused, foreseen.fates) == ("not_found", ())


def test_a_delete_stops_first_and_then_forgets() -> None:
    fleet = Fleet.of(SHOP)
    foreseen = foresee(fleet.kernel, Ask((StopKey("shop/web"), DeleteChild("shop", id="web"))), now=0.0)
    [fate] = foreseen.fates
    assert (fate.key, fate.becomes, fate.after) == ("shop/web", Becomes.STOPS, "")


def test_who_is_not_restarted_is_failed_and_takes_nobody_along() -> None:
    fleet = Fleet.of(supervisor(worker("once", restart=Restart.TEMPORARY), worker("web")))
    [fate] = foresee(fleet.kernel, Crash("shop/once", 3, 5), now=0.0).fates
    assert (fate.key, fate.becomes, fate.after) == ("shop/once", Becomes.STOPS, "failed")


@pytest.mark.parametrize(("times", "within"), [(0, 5), (1001, 5), (4, -1), (4, 86401)])
def test_what_is_no_question_is_refused(times: int, within: float) -> None:
    with pytest.raises(ValueError, match="crashes"):
        Crash("shop/web", times, within)


def test_more_than_can_be_followed_is_cut_and_said() -> None:
    fleet = Fleet.of(
        supervisor(*(worker(f"w{number}") for number in range(60)), strategy="one_for_all", intensity=999)
    )
    foreseen = foresee(fleet.kernel, Crash("shop/w0", 1000, 5), now=0.0)
    assert not foreseen.is_whole
    assert len(foreseen.happenings) <= MOST_EVENTS
    assert foresee(fleet.kernel, Crash("shop/w0", 3, 5), now=0.0).is_whole
