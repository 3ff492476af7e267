"""Kill and stop each of our own processes under load: nothing acknowledged is lost, no connection refused, journal whole,
and every error that was accepted is stored and counted once."""

import os
import random
import time
from collections.abc import Callable
from functools import partial

import psycopg
import pytest

from tests.support.attacked import GAPS, REVISIONS, STANDS, TARGETS, Platform, attacked, under_load
from tests.support.stores import short_directory
from tests.support.tellers import Tellers, telling
from tests.support.waiting import wait_for
from tests.support.writers import Writers

AGREE_WITHIN_S = 50.0
"""Ten times the figure, which is 5 s after the last fault: `make bench ARGS="--only recovery"` asserts that one."""


IN_TURN = ("web@1", "web@2", "worker", "redis", "postgres", "digester")
"""Killed once more one by one, as a chain of accidents leaves nobody to accept anything: what a report passes through."""


def under_attack(attack: Callable[[Platform, Tellers], None]) -> None:
    with short_directory() as base, attacked(base / "d") as platform:
        with under_load(platform) as writers, telling(platform) as tellers:
            attack(platform, tellers)
        look_at(platform, writers)
        tellers.look()


def look_at(platform: Platform, writers: Writers) -> None:
    wait_for(platform.agrees, timeout=AGREE_WITHIN_S, what=f"observed equals desired: {_stands(platform)}")
    for name, told in writers.told.items():
        stored = [row[0] for row in platform.rows(REVISIONS, name)]
        assert stored == list(range(1, len(stored) + 1)), f"{name}: revisions have no gap"
        assert told.accepted == sorted(set(told.accepted)), f"{name}: told in order, once each"
        assert set(told.accepted) <= set(stored), f"{name}: an acknowledged write was lost"
        assert not told.refused, told.refused
        assert len(told.accepted) > 1, told
    for epoch, count, distinct, least, most in platform.rows(GAPS):
        assert count == distinct, f"stream {epoch}: a record is there twice"
        assert isinstance(most, int)
        assert isinstance(least, int)
        assert count == most - least + 1, f"stream {epoch}: a record is missing"


def _stands(platform: Platform) -> object:
    try:
        return platform.rows(STANDS)
    except psycopg.Error as error:
        return repr(error)


@pytest.mark.timeout(900)
def test_killing_and_stopping_each_of_our_processes_loses_nothing_and_refuses_nobody() -> None:
    def attack(platform: Platform, tellers: Tellers) -> None:
        for target in TARGETS:
            wait_for(partial(platform.kill, target), timeout=60, what=f"{target} is there to be killed")
            time.sleep(0.5)  # not faster than a chain of accidents
        for target in IN_TURN:
            tellers.are_heard(f"before {target} is killed")
            wait_for(partial(platform.kill, target), timeout=60, what=f"{target} is there to be killed")
            tellers.are_heard(f"after {target} was killed")
        for targets in (("web@1", "gateway"), ("postgres",), ("courier",)):
            platform.stop_for(2.0, *targets)

    under_attack(attack)


@pytest.mark.soak
def test_long_kills_and_stops_of_ten_seconds() -> None:
    minutes = float(os.environ.get("OVERSTORY_SOAK_MINUTES", "10"))
    until = time.monotonic() + 60 * minutes
    chance = random.Random(4711)

    def attack(platform: Platform, _tellers: Tellers) -> None:
        for target in TARGETS:
            platform.kill(target)
            time.sleep(2)
            platform.stop_for(10.0, target)
        while time.monotonic() < until:
            target = chance.choice(TARGETS)
            if chance.random() < 0.5:
                platform.kill(target)
            else:
                platform.stop_for(chance.uniform(0.5, 10.0), target)
            time.sleep(chance.uniform(0.2, 5.0))

    under_attack(attack)
