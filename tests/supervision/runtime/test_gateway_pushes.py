"""Pushes with positions: who was away learns what it missed, or that it has to look for itself."""

from supervision.runtime import gateway_pushes
from supervision.runtime.gateway_pushes import KEPT, Pushes


def bodies(pushes: Pushes, topic: str, at: int, life: str = "l") -> list[int] | None:
    found = pushes.since(topic, life, at)
    return None if found is None else [push.body["n"] for push in found]


def test_who_names_its_position_gets_what_came_since() -> None:
    pushes = Pushes("l")
    first = pushes.add("ended", {"n": 1})
    pushes.add("other", {"n": 2})
    pushes.add("ended", {"n": 3})
    assert bodies(pushes, "ended", first.at) == [3]
    assert bodies(pushes, "ended", 0) == [1, 3]
    assert bodies(pushes, "ended", pushes.at) == []
    assert bodies(pushes, "never", 0) == []


def test_another_life_or_a_position_that_is_not_there_has_to_look_for_itself() -> None:
    pushes = Pushes("l")
    pushes.add("ended", {"n": 1})
    assert bodies(pushes, "ended", 0, life="m") is None
    assert bodies(pushes, "ended", 2) is None


def test_so_has_who_is_further_behind_than_what_is_kept() -> None:
    pushes = Pushes("l")
    for number in range(KEPT + 10):
        pushes.add("ended", {"n": number})
    assert bodies(pushes, "ended", 5) is None
    assert bodies(pushes, "ended", 9) is None
    found = bodies(pushes, "ended", 10)
    assert found is not None
    assert (found[0], found[-1], len(found)) == (10, KEPT + 9, KEPT)


def test_a_thousand_topics_are_kept_and_who_asks_for_a_forgotten_one_looks_for_itself() -> None:
    pushes = Pushes("l")
    for number in range(gateway_pushes.MAX_TOPICS + 5):
        pushes.add(f"t{number}", {"n": number})
    assert bodies(pushes, "t0", 0) is None
    assert bodies(pushes, "t900", pushes.at) == []
