"""Checks that are asked in the background."""

import asyncio
from collections.abc import Callable, Iterator

import pytest

from controlplane.operations.checks import FRESH_S, Check, CheckFailed, Checks
from supervision.runtime.clock import ManualClock
from tests.support.waiting import wait_for


class Store:
    """Answers as told."""

    def __init__(self) -> None:
        self.asked = 0
        self.outcome: Callable[[], str] = lambda: "fine"
        self.hangs = False

    async def ask(self) -> str:
        self.asked += 1
        if self.hangs:
            await asyncio.sleep(60)
        return self.outcome()


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def other() -> Store:
    return Store()


@pytest.fixture
def checks(store: Store, other: Store) -> Iterator[Checks]:
    made = Checks([Check("db", store.ask, decides=True), Check("redis", other.ask, decides=False)])
    yield made
    made.stop()


def says(checks: Checks, name: str) -> tuple[bool, str]:
    [outcome] = [each for each in checks.outcomes() if each.name == name]
    return outcome.ok, outcome.detail


def test_the_first_question_waits_for_the_first_answer(checks: Checks) -> None:
    assert says(checks, "db") == (True, "fine")


def test_it_goes_on_asking_without_being_asked(checks: Checks, store: Store) -> None:
    checks.outcomes()
    wait_for(lambda: store.asked > 2, timeout=10)


def test_a_failure_says_what_is_wrong_and_passes(checks: Checks, store: Store) -> None:
    def fail() -> str:
        raise CheckFailed("no such table")

    store.outcome = fail
    wait_for(lambda: says(checks, "db") == (False, "no such table"), timeout=10)
    store.outcome = lambda: "again"
    wait_for(lambda: says(checks, "db") == (True, "again"), timeout=10)


def test_an_error_of_the_client_shows_its_name_and_no_text_that_may_hold_an_address(
    checks: Checks, store: Store
) -> None:
    def fail() -> str:
        raise ConnectionRefusedError("postgresql://me:secret@host")

    store.outcome = fail
    wait_for(lambda: says(checks, "db") == (False, "ConnectionRefusedError"), timeout=10)


def test_a_store_that_hangs_is_a_failure_and_does_not_make_the_other_old(
    checks: Checks, store: Store
) -> None:
    assert says(checks, "db")[0]
    store.hangs = True
    wait_for(lambda: not says(checks, "db")[0], timeout=10)
    assert says(checks, "redis") == (True, "fine")
    store.hangs = False
    wait_for(lambda: says(checks, "db")[0], timeout=10)


def test_an_answer_that_is_older_than_two_seconds_counts_as_none() -> None:
    clock = ManualClock()
    asked = Store()
    checks = Checks([Check("db", asked.ask, decides=True)], clock=clock)
    try:
        assert says(checks, "db")[0]
        asked.hangs = True
        seen = asked.asked
        wait_for(lambda: asked.asked > seen, timeout=10)
        clock.jump(FRESH_S + 5)
        ok, detail = says(checks, "db")
        assert not ok
        assert "no answer" in detail
    finally:
        checks.stop()


def test_what_is_asked_for_at_once_does_not_wait(store: Store) -> None:
    store.hangs = True
    checks = Checks([Check("db", store.ask, decides=True)])
    try:
        [outcome] = checks.outcomes(wait_s=0)
        assert (outcome.ok, outcome.detail) == (False, "has not answered yet")
    finally:
        checks.stop()


def test_stopping_closes_what_was_open() -> None:
    closed: list[bool] = []

    async def close() -> None:
        closed.append(True)

    checks = Checks([Check("db", Store().ask, decides=True)], close=close)
    checks.outcomes()
    checks.stop()
    assert closed == [True]


def test_failures_in_a_row_are_counted_from_the_first_of_them(checks: Checks, store: Store) -> None:
    assert checks.failing_since("db") is None  # not asked yet
    assert says(checks, "db")[0]
    assert checks.failing_since("db") is None
    began = checks.clock.boot()

    def fail() -> str:
        raise OSError

    store.outcome = fail
    wait_for(lambda: checks.failing_since("db") is not None, timeout=10)
    since = checks.failing_since("db")
    assert since is not None
    assert began <= since <= checks.clock.boot()
    asked = store.asked
    wait_for(lambda: store.asked > asked + 1, timeout=10)
    assert checks.failing_since("db") == since
    store.outcome = lambda: "fine"
    wait_for(lambda: checks.failing_since("db") is None, timeout=10)
