"""All connections of a process, asked in one go; the clock is moved by hand."""

import asyncio
import json
from typing import Any

import pytest

from controlplane.access.policy import Held, Principal, Role
from controlplane.dashboard.live.hub import Hub
from controlplane.dashboard.live.pacing import BROKEN, Line, Pacer
from controlplane.dashboard.live.session import Close, Session
from supervision.runtime.clock import ManualClock
from tests.controlplane.dashboard.live.rows import member, node

pytestmark = pytest.mark.asyncio

WITHIN_S = 10.0


class Crowd:
    """A hub with one child, and connections that look at it."""

    def __init__(self, *names: str) -> None:
        self.clock = ManualClock(wall=1_800_000_000.0)
        self.hub = Hub(self.clock)
        with self.hub.batch() as now:
            self.hub.fleet.set_nodes([node("n1")], now=now)
        self.change(restarts=0)
        self.pacer = Pacer(self.hub)
        self.lines = [self.join(name) for name in names]

    def join(self, name: str) -> Line:
        line = Line(Session(self.hub, Principal(1, name, (Held(Role.ADMIN),)), now=self.clock.boot()))
        sub = json.dumps({"op": "sub", "topics": {"procs": {"cols": ["key", "restarts"]}}})
        line.session.receive(sub, now=self.clock.boot())
        self.pacer.lines.add(line)
        return line

    def change(self, **columns: Any) -> None:
        with self.hub.batch() as now:
            self.hub.fleet.set_members([member("shop/web", **{"pid": 1, **columns})], now=now)

    def round(self, after: float = 0.0) -> float:
        self.clock.jump(after)
        return self.pacer.round()


async def rows_of(line: Line) -> list[str]:
    """What it has to send of `procs`; then it is free again."""
    outputs = await asyncio.wait_for(line.take(), WITHIN_S)
    line.is_free()
    return [output for output in outputs if isinstance(output, str) and '"procs"' in output]


async def test_who_came_at_different_moments_gets_the_very_same_frame_from_the_next_one_on() -> None:
    crowd = Crowd("ada")
    [ada] = crowd.lines
    crowd.round()
    await rows_of(ada)
    crowd.change(restarts=1)
    grace = crowd.join("grace")  # her snapshot has it, ada's does not
    crowd.round()
    await rows_of(grace)
    crowd.round(after=0.3)
    await rows_of(ada)
    crowd.change(restarts=2)
    crowd.round(after=0.3)
    [one], [other] = await rows_of(ada), await rows_of(grace)
    assert one is other
    assert json.loads(one)["u"] == [["n1:shop/web", 0b10, 2]]


async def test_a_connection_that_is_still_sending_is_passed_over_and_then_gets_one_frame_of_all_of_it() -> (
    None
):
    crowd = Crowd("slow")
    [slow] = crowd.lines
    crowd.round()
    outputs = await asyncio.wait_for(slow.take(), WITHIN_S)
    assert any('"snap"' in str(output) for output in outputs)
    for number in (1, 2):
        crowd.change(restarts=number)
        crowd.round(after=0.3)
    assert slow.is_free(), "it was passed over, so it has to be asked again"
    crowd.round()
    [frame] = await rows_of(slow)
    assert json.loads(frame)["u"] == [["n1:shop/web", 0b10, 2]]
    assert not slow.is_free()


async def test_a_connection_that_breaks_is_closed_and_takes_no_other_with_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    crowd = Crowd("broken", "whole")
    broken, whole = crowd.lines

    def breaks(*, now: float) -> object:
        raise RuntimeError("a bug")

    monkeypatch.setattr(broken.session, "due", breaks)
    crowd.round()
    assert await asyncio.wait_for(broken.take(), WITHIN_S) == [Close(BROKEN)]
    assert len(await rows_of(whole)) == 1


async def test_it_runs_a_round_as_soon_as_something_changed() -> None:
    crowd = Crowd("ada")
    [ada] = crowd.lines
    running = asyncio.create_task(crowd.pacer.run())
    try:
        await rows_of(ada)
        crowd.clock.jump(0.3)
        crowd.change(restarts=1)
        assert len(await rows_of(ada)) == 1
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    crowd.change(restarts=2)  # nobody listens any more
