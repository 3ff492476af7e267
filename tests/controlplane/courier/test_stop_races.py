"""A stop that races a crash and an apply, through the store and its courier: what was stopped stays stopped."""

import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection

from supervision.trees.commands import request_command
from supervision.trees.models import Command, CommandState, Tree
from supervision.trees.services import apply_tree
from tests.controlplane.courier.joined import ANN, WAIT_S, Joined, joined
from tests.support.database import TestStores
from tests.support.engine import child, tree
from tests.support.waiting import wait_for

pytestmark = pytest.mark.django_db(transaction=True)
APART_S = 0.03
"""The three begin within so long of each other, in any order: a crash, an apply and a stop take some milliseconds each."""
KEY = "race/a"


@pytest.fixture
def engine(stores: TestStores) -> Iterator[Joined]:
    with joined(stores) as host:
        yield host


def document(number: int) -> dict[str, Any]:
    """Each revision restarts the child, if it is not stopped."""
    changed = child("a", process={"environment": {"REVISION": str(number)}})
    return tree("race", changed, child("b"), intensity=1_000_000)


class Race:
    """Rounds on one node. `seed` repeats the choices, not their timing."""

    def __init__(self, engine: Joined, seed: int) -> None:
        self.engine, self.seed = engine, seed
        self.chance = random.Random(seed)
        self.crashes = 0

    def begin(self) -> None:
        self.engine.apply(document(0))
        self.engine.wait_state(KEY, "running")
        wait_for(lambda: Tree.objects.filter(name="race", placements__isnull=False).exists(), timeout=WAIT_S)

    def round(self, number: int) -> None:
        pid = self.engine.wait_state(KEY, "running")["pid"]
        stop = self._at_once(lambda: self._crash(pid), lambda: self._apply(number), self._stop)
        wait_for(lambda: self._has_ended(stop), timeout=WAIT_S, what=f"the stop of round {number} ends")
        wait_for(
            lambda: self._revision() == number + 1, timeout=WAIT_S, what=f"revision {number + 1} is there"
        )
        view = self.engine.child(KEY)
        words = f"round {number}, seed {self.seed}: {view}"
        assert (view["state"], view["pid"], view["wanted"]) == ("stopped", None, "down"), words
        assert self.engine.child("race/b")["state"] == "running", words
        lives = view["incarnation"]
        self._order("start")
        again = self.engine.wait_state(KEY, "running")
        assert again["incarnation"] == lives + 1, f"it ran in between; {words}"

    def _at_once(self, *deeds: Callable[[], Any]) -> Command:
        gate = threading.Barrier(len(deeds))

        def run(deed: Callable[[], Any], wait_s: float) -> Any:
            gate.wait(30)
            time.sleep(wait_s)  # as chance has it
            try:
                return deed()
            finally:
                connection.close()

        with ThreadPoolExecutor(len(deeds)) as pool:
            begun = [pool.submit(run, deed, self.chance.uniform(0, APART_S)) for deed in deeds]
            command: Command = [each.result() for each in begun][-1]
        return command

    def _crash(self, pid: int) -> None:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            return  # the stop or the apply was faster
        self.crashes += 1

    def _apply(self, number: int) -> None:
        apply_tree(document=document(number), message="", actor=ANN)

    def _stop(self) -> Command:
        return self._order("stop")

    def _order(self, verb: str) -> Command:
        [command] = request_command(verb=verb, key=KEY, actor=ANN)
        return command

    def _has_ended(self, command: Command) -> bool:
        command.refresh_from_db(fields=["state", "error"])
        assert command.state in (CommandState.PENDING, CommandState.CLAIMED, CommandState.DONE), command.error
        return command.state == CommandState.DONE

    def _revision(self) -> int:
        [found] = [one for one in self.engine.call("trees")["trees"] if one["name"] == "race"]
        return int(found["revision"])


def race(engine: Joined, rounds: int) -> None:
    made = Race(engine, seed=random.randrange(1 << 32))
    made.begin()
    for number in range(1, rounds + 1):
        made.round(number)
    assert made.crashes > rounds / 4, "crashes are part of it"


def test_stopped_stays_stopped_whatever_crashes_and_is_applied_meanwhile(engine: Joined) -> None:
    race(engine, 25)


@pytest.mark.soak
def test_stopped_stays_stopped_a_thousand_times(engine: Joined) -> None:
    race(engine, 1000)
