import json

from supervision.kernel.timers import Timers


def test_the_soonest_is_next_and_what_is_cleared_is_forgotten() -> None:
    timers = Timers()
    timers.set("stop", "a", 3)
    timers.set("stop", "b", 1)
    timers.set("hold", "b", 2)
    assert timers.next() == 1
    timers.clear("stop", "b")
    assert timers.next() == 2
    timers.set("hold", "b", 9)
    assert timers.next() == 3
    assert timers.when("hold", "b") == 9


def test_what_is_due_comes_in_order_and_once() -> None:
    timers = Timers()
    for key, at in (("c", 2), ("a", 1), ("b", 1), ("d", 5)):
        timers.set("stop", key, at)
    assert timers.take_due(2) == [("stop", "a"), ("stop", "b"), ("stop", "c")]
    assert timers.take_due(2) == []
    assert timers.next() == 5


def test_ties_keep_their_order_through_json() -> None:
    timers = Timers()
    for key in ("z", "m", "a"):
        timers.set("stop", key, 1)
    timers.set("stop", "z", 1)
    again = Timers.from_json(json.loads(json.dumps(timers.to_json())))
    assert again.take_due(1) == [("stop", "m"), ("stop", "a"), ("stop", "z")]
