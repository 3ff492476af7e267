"""What is remembered of keys, and when it is asked again."""

import pytest

from controlplane.intake.keys import KNOWN_S, MISSES, Door, Doors, TooManyUnknownError
from supervision.runtime.clock import ManualClock


class Store:
    """A database with keys; `during` runs after a look-up has read and before it is heard."""

    def __init__(self) -> None:
        self.keys = {(1, "a"): Door(1, 60), (1, "b"): Door(1, 60), (2, "a"): Door(2, 60)}
        self.asked: list[tuple[int, str]] = []
        self.is_away = False
        self.during: list[tuple[int, str]] = []
        self.clock = ManualClock()
        self.doors = Doors(self.look_up, self.clock.boot)

    def look_up(self, project: int, key: str) -> Door | None:
        self.asked.append((project, key))
        if self.is_away:
            raise OSError("away")
        found = self.keys.get((project, key))
        while self.during:
            self.doors.changed(*self.during.pop())
        return found


def test_an_answer_is_remembered_for_a_while() -> None:
    store = Store()
    for _ in range(3):
        assert store.doors.find(1, "a") == Door(1, 60)
    assert store.asked == [(1, "a")]
    store.clock.jump(KNOWN_S + 1)
    assert store.doors.known(1, "a") is None
    store.doors.find(1, "a")
    assert len(store.asked) == 2


def test_a_key_that_was_changed_is_forgotten_and_no_other() -> None:
    store = Store()
    for pair in store.keys:
        store.doors.find(*pair)
    assert store.doors.find(1, "new") is None
    del store.keys[1, "a"]
    store.keys[1, "new"] = Door(1, 60)
    for key in ("a", "new"):
        store.doors.changed(1, key)
    assert store.doors.find(1, "a") is None
    assert store.doors.find(1, "new") == Door(1, 60)
    assert store.doors.known(1, "b") is not None
    assert store.doors.known(2, "a") is not None


def test_a_project_that_was_changed_is_asked_again_and_is_right_while_the_database_is_away() -> None:
    store = Store()
    for pair in store.keys:
        store.doors.find(*pair)
    store.keys[1, "a"] = Door(1, 120)
    store.doors.changed(1)
    assert (store.doors.known(1, "a"), store.doors.known(1, "b")) == (None, None)
    assert store.doors.known(2, "a") == Door(2, 60)
    store.is_away = True
    assert store.doors.find(1, "a") == Door(1, 60)
    store.is_away = False
    assert store.doors.find(1, "a") == Door(1, 120)


def test_a_revoked_key_is_not_believed_while_the_database_is_away() -> None:
    store = Store()
    store.doors.find(1, "a")
    store.doors.changed(1, "a")
    store.is_away = True
    with pytest.raises(OSError, match="away"):
        store.doors.find(1, "a")


def test_what_may_have_been_missed_is_asked_again_and_costs_nobody_a_miss() -> None:
    store = Store()
    for pair in store.keys:
        store.doors.find(*pair)
    for _ in range(200):  # more than are looked up of what opens nothing
        store.doors.doubt()
        for pair, door in store.keys.items():
            assert store.doors.find(*pair) == door
    store.doors.doubt()
    store.is_away = True
    assert store.doors.find(2, "a") == Door(2, 60)


def test_an_answer_that_is_older_than_the_change_is_not_remembered() -> None:
    store = Store()
    store.during = [(1, "a")]
    assert store.doors.find(1, "a") == Door(1, 60)
    del store.keys[1, "a"]
    assert store.doors.find(1, "a") is None


def test_who_guesses_is_not_looked_up_for_long() -> None:
    store = Store()
    for number in range(int(MISSES)):
        assert store.doors.find(1, f"guess{number}") is None
    with pytest.raises(TooManyUnknownError):
        store.doors.find(1, "one more")
