"""Hints, and requests that wait for a state; the clock is moved by hand."""

from collections.abc import Iterator
from typing import Any

import pytest

from supervision.runtime.clock import ManualClock
from supervision.runtime.loop import Loop
from supervision.runtime.watching import HINT_EVERY_S, Watching
from tests.supervision.runtime.asking import ask, disconnect, sent


class Desk:
    def __init__(self) -> None:
        self.clock = ManualClock()
        self.loop = Loop(self.clock)
        self.sequence = 7
        self.watching = Watching(self.loop, lambda: self.sequence)
        self.state: Any = None

    def later(self, seconds: float = HINT_EVERY_S) -> None:
        self.clock.jump(seconds)
        self.loop.run_once(at_most=0)

    def change(self) -> None:
        self.sequence += 1
        self.watching.changed()

    def wait(self, **how: Any) -> Any:
        request = ask("wait")
        self.watching.wait(
            request, lambda: self.state, **{"timeout_s": 30.0, "otherwise": "not in time", **how}
        )
        return request

    def timers(self) -> int:
        return sum(not timer.cancelled for _, _, timer in self.loop._timers)


@pytest.fixture
def desk() -> Iterator[Desk]:
    made = Desk()
    yield made
    made.loop.close()


def test_a_watcher_hears_where_things_stand_and_then_of_changes(desk: Desk) -> None:
    request = ask("watch")
    desk.watching.watch(request)
    assert sent(request) == [{"event": {"seq": 7}}]
    desk.change()
    desk.later()
    assert sent(request)[1:] == [{"event": {"seq": 8}}]


def test_many_changes_are_one_hint(desk: Desk) -> None:
    request = ask("watch")
    desk.watching.watch(request)
    for _ in range(1000):
        desk.change()
    desk.later()
    desk.later()
    assert sent(request)[1:] == [{"event": {"seq": 1007}}]


def test_the_last_change_is_never_left_unsaid(desk: Desk) -> None:
    request = ask("watch")
    desk.watching.watch(request)
    desk.change()
    desk.later(HINT_EVERY_S / 2)
    desk.change()
    desk.later(HINT_EVERY_S)
    assert sent(request)[-1] == {"event": {"seq": 9}}


def test_nobody_who_watches_costs_no_timer(desk: Desk) -> None:
    desk.change()
    assert desk.timers() == 0
    request = ask("watch")
    desk.watching.watch(request)
    disconnect(request)
    desk.change()
    assert desk.timers() == 0
    assert len(sent(request)) == 1


def test_a_wait_is_answered_at_once_when_it_is_so_already(desk: Desk) -> None:
    desk.state = {"state": "running"}
    assert sent(desk.wait()) == [{"ok": True, "result": {"state": "running"}}]
    assert desk.timers() == 0


def test_a_wait_is_answered_when_it_becomes_so(desk: Desk) -> None:
    request = desk.wait()
    desk.change()
    desk.later()
    assert sent(request) == []
    desk.state = 1
    desk.change()
    desk.later()
    assert sent(request) == [{"ok": True, "result": 1}]
    assert desk.timers() == 0
    desk.change()
    desk.later(100)
    assert len(sent(request)) == 1


def test_a_wait_ends_with_words_when_its_time_is_over(desk: Desk) -> None:
    request = desk.wait(timeout_s=5.0)
    desk.later(4.9)
    assert sent(request) == []
    desk.later(0.2)
    assert sent(request) == [{"ok": False, "error": {"code": "unavailable", "message": "not in time"}}]
    desk.state = 1
    desk.change()
    desk.later()
    assert len(sent(request)) == 1


def test_a_wait_whose_client_went_away_is_forgotten(desk: Desk) -> None:
    request = desk.wait(timeout_s=1e6)
    disconnect(request)
    assert desk.timers() == 0
    desk.state = 1
    desk.change()
    desk.later()
    assert sent(request) == []


def test_several_wait_for_the_same(desk: Desk) -> None:
    requests = [desk.wait() for _ in range(3)]
    desk.state = 1
    desk.change()
    desk.later()
    assert all(sent(request) for request in requests)
