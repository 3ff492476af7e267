"""What is foreseen, in sentences."""

import pytest

from supervision.explain.deeds import DEEDS, deed_of, usual_crashes
from supervision.explain.foreseeing import Foretold, fate_words, foretell
from supervision.kernel.backoff import Backoff
from supervision.kernel.spec import FailureAction, OnFailure
from tests.supervision.kernel.fleet import Fleet
from tests.supervision.kernel.trees import inner, supervisor, worker

SHOP = supervisor(
    worker("db"),
    inner("jobs", worker("mail"), worker("sms"), strategy="one_for_all"),
    worker("web"),
    strategy="rest_for_one",
)


def told(do: str, key: str, fleet: Fleet | None = None) -> Foretold:
    fleet = fleet or Fleet.of(SHOP)
    return foretell(fleet.kernel, deed_of(do, fleet.kernel, key, now=1.0), now=1.0)


def test_without_numbers_it_is_one_crash_more_than_is_allowed() -> None:
    fleet = Fleet.of(SHOP)
    assert usual_crashes(fleet.kernel, "shop/jobs/mail") == (4, 5.0)
    assert told("crash", "shop/jobs/mail").foresight.gave_up == ("shop/jobs",)


def test_it_tells_who_restarts_whom_in_which_order_and_who_gives_up() -> None:
    said = [(one.at, one.text) for one in told("crash", "shop/jobs/mail").sentences]
    assert said[:4] == [
        (0.0, "shop/jobs/mail crashes, 1 of 4."),
        (
            0.0,
            "shop/jobs restarts shop/jobs/mail and with it shop/jobs/sms (one_for_all): restart 1 of 3 in 5s.",
        ),
        (0.0, "Stopped: shop/jobs/sms."),
        (0.0, "Started, in this order: shop/jobs/mail, shop/jobs/sms."),
    ]
    assert [text for at, text in said if at == 3.75] == [
        "shop/jobs/mail crashes, 4 of 4.",
        "shop/jobs gives up: 4 restarts in 5s, 3 are allowed. "
        "It stops what is left of it and ends; shop decides what follows.",
        "Stopped: shop/jobs/sms.",
        "shop restarts shop/jobs and with it shop/web (rest_for_one): restart 1 of 3 in 5s.",
        "Stopped: shop/web.",
        "Started, in this order: shop/jobs/mail, shop/jobs/sms, shop/web.",
    ]
    assert told("crash", "shop/jobs/mail").summary == (
        "3 processes restart. shop/jobs gives up. The root stays up, or is up again at the end."
    )


def test_what_the_root_does_is_said() -> None:
    fleet = Fleet.of(supervisor(worker("web"), on_failure=OnFailure(FailureAction.STAY_DOWN)))
    answer = told("crash", "shop/web", fleet)
    assert answer.summary == "1 process goes down. shop gives up. The root goes down and stays down."
    assert "It is the root: the whole tree goes down." in answer.sentences[-2].text
    assert answer.sentences[-1].text.startswith("The tree stays down until somebody starts it")


def test_a_restart_that_waits_is_told_with_its_time() -> None:
    fleet = Fleet.of(supervisor(worker("web", backoff=Backoff(initial=10, factor=1, cap=10, jitter=0))))
    answer = told("signal", "shop/web", fleet)
    assert answer.sentences[1].text == "shop/web waits 10s before it is started again (failure 1 in a row)."


@pytest.mark.parametrize(
    ("do", "key", "summary"),
    [
        ("stop", "shop/jobs", "2 processes go down."),
        ("terminate", "shop/web", "1 process goes down."),
        ("restart", "shop/jobs", "2 processes restart."),
        ("recycle", "shop/web", "1 process restarts."),
        ("recycle", "shop/jobs", "It would be refused: a supervisor is not recycled: its children are."),
        ("hold", "shop/web", "Nothing goes down and nothing starts."),
        ("release", "shop/web", "Nothing goes down and nothing starts."),
        ("start", "shop/web", "Nothing goes down and nothing starts."),
        ("signal", "shop/jobs/sms", "2 processes restart. No supervisor gives up."),
        ("delete_child", "shop/web", "1 process goes down."),
        ("crash", "shop/jobs", "Nothing happens: no process of it runs, so nothing can crash."),
    ],
)
def test_each_action_is_summed_up(do: str, key: str, summary: str) -> None:
    assert do in DEEDS
    assert told(do, key).summary == summary


def test_fates_are_in_words() -> None:
    fates = {fate.key: fate_words(fate) for fate in told("crash", "shop/jobs/mail").foresight.fates}
    assert fates == {
        "shop/jobs/mail": "restarts 4 times",
        "shop/jobs/sms": "restarts 4 times",
        "shop/jobs": "restarts",
        "shop/web": "restarts",
    }
    [held] = told("hold", "shop/web").foresight.fates
    assert fate_words(held) == "stays running"


def test_a_loop_is_cut_and_says_so() -> None:
    fleet = Fleet.of(supervisor(worker("web"), intensity=99, period=5))
    answer = told("crash", "shop/web", fleet)
    assert (len(answer.sentences), answer.more) == (60, 100 + 99 * 2 + 1 - 60)


def test_what_is_no_deed_is_refused() -> None:
    with pytest.raises(ValueError, match="one of crash"):
        deed_of("dance", Fleet.of(SHOP).kernel, "shop/web", now=0.0)
