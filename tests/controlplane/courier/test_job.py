"""Jobs go on whatever a store does; what is wrong is said once."""

from pathlib import Path

import pytest
from django.db import OperationalError
from redis.exceptions import ConnectionError as RedisAwayError

from controlplane.courier.job import RETRY_MAX_S, RETRY_S, Job
from controlplane.courier.session import BEAT_LIMIT_S, Session
from controlplane.deadlines import Deadlines
from supervision.fleet.exceptions import StaleEpochError
from supervision.runtime.client import NodeUnreachableError
from supervision.runtime.clock import ManualClock
from supervision.runtime.paths import Paths


class Desk:
    """A session whose words are kept, and a step that does as it is told."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.clock = ManualClock()
        self.session = Session(
            Paths(Path("/x")), "a" * 32, 1, self.said.append, Deadlines(), clock=self.clock
        )
        self.raises: Exception | None = None
        self.job = Job("work", self.session, self.step)

    def step(self) -> float:
        if self.raises is not None:
            raise self.raises
        return 7.0


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.mark.parametrize(
    "away",
    [
        OperationalError("the server is gone\nwith details"),
        RedisAwayError("no"),
        NodeUnreachableError("no"),
        OSError(5, "x"),
    ],
)
def test_who_is_away_is_said_once_and_asked_again(desk: Desk, away: Exception) -> None:
    assert desk.job.once() == 7.0
    desk.raises = away
    waits = [desk.job.once() for _ in range(5)]
    assert waits == [RETRY_S, 2 * RETRY_S, RETRY_MAX_S, RETRY_MAX_S, RETRY_MAX_S]
    assert len(desk.said) == 1
    assert "with details" not in desk.said[0]
    desk.raises = None
    assert desk.job.once() == 7.0
    assert desk.said[1] == "work: works again"
    desk.raises = away
    assert desk.job.once() == RETRY_S


def test_an_epoch_that_is_over_ends_what_was_known_under_it(desk: Desk) -> None:
    session = desk.session
    session.epoch, session.fenced, session.confirmed = 4, {"one": 2}, {"one": 2}
    desk.raises = StaleEpochError()
    desk.job.once()
    known: tuple[object, ...] = (session.epoch, session.fenced, session.confirmed)
    assert known == (None, None, {})
    session.epoch, session.fenced = 5, {"one": 3}
    session.lose_epoch(4)  # heard late
    assert (session.epoch, session.fenced) == (5, {"one": 3})


def test_a_fault_of_ours_is_not_swallowed(desk: Desk) -> None:
    desk.raises = KeyError("x")
    with pytest.raises(KeyError):
        desk.job.once()


def test_a_node_beats_while_it_was_heard_of_lately(desk: Desk) -> None:
    desk.session.beat_at = desk.clock.boot()
    desk.clock.set_wall(0.0)
    desk.clock.jump(BEAT_LIMIT_S - 0.1)
    assert desk.session.beats
    desk.clock.jump(0.2)
    assert not desk.session.beats
