"""How long a request waits for a connection: by a clock moved by hand, and with a real pool."""

import socket
from typing import Any

import pytest
from psycopg_pool import ConnectionPool, PoolTimeout

from controlplane.serving.database import AWAY_WAIT_S, GRACE_S, WAIT_S, Patience, is_closed
from supervision.runtime.clock import ManualClock
from tests.support.database import TestStores
from tests.support.waiting import wait_for


class Asked(ConnectionPool[Any]):
    """Has no connection, and remembers how long each was waited for."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__(open=False, min_size=0, max_size=1)
        self.clock = clock
        self.waits: list[float] = []
        self.drains = 0

    def getconn(self, timeout: float | None = None) -> Any:
        assert timeout is not None
        self.waits.append(round(timeout, 6))
        self.clock.jump(timeout)
        raise PoolTimeout

    def drain(self) -> None:
        self.drains += 1


class World:
    def __init__(self) -> None:
        self.clock = ManualClock(wall=1_800_000_000.0)
        self.pool = Asked(self.clock)
        self.away_since: float | None = None
        self.patience = Patience(self.pool, lambda: self.away_since, self.clock)

    def lose(self) -> None:
        self.away_since = self.clock.boot()

    def waits(self) -> list[float]:
        """Of one request that finds no connection."""
        self.pool.waits.clear()
        with pytest.raises(PoolTimeout):
            self.patience.getconn()
        return self.pool.waits


def test_a_busy_server_is_waited_for_as_long_as_it_takes() -> None:
    assert sum(World().waits()) == WAIT_S


def test_a_server_that_restarts_has_its_grace_and_one_that_stays_away_is_given_up_at_once() -> None:
    world = World()
    world.lose()
    assert world.waits() == [GRACE_S]
    assert world.waits() == [AWAY_WAIT_S]
    world.clock.jump(100)
    assert world.waits() == [AWAY_WAIT_S]


def test_one_that_goes_away_while_it_is_waited_for_is_waited_for_no_longer() -> None:
    world = World()
    asked = iter([None, world.clock.boot()])
    world.patience = Patience(world.pool, lambda: next(asked), world.clock)
    assert world.waits() == [GRACE_S]


def test_each_outage_has_a_grace_of_its_own_and_lets_go_once_of_what_lies_ready() -> None:
    world = World()
    for number in (1, 2):
        world.lose()
        assert world.waits() == [GRACE_S]
        assert world.waits() == [AWAY_WAIT_S]
        world.away_since = None
        assert sum(world.waits()) == WAIT_S
        assert world.pool.drains == number


def test_one_that_others_have_missed_for_long_has_no_grace_left_for_the_first_who_asks() -> None:
    world = World()
    world.lose()
    world.clock.jump(GRACE_S - 1)
    assert world.waits() == [1.0]
    assert world.waits() == [AWAY_WAIT_S]
    assert world.pool.drains == 1


def test_who_waits_for_a_server_that_does_not_answer_is_let_go_after_its_grace() -> None:
    world, (ours, theirs), (early, other) = World(), socket.socketpair(), socket.socketpair()
    with ours, theirs, early, other:
        pool: Any = world.pool
        connections = iter([ours, early])
        pool.getconn = lambda timeout: next(connections)
        given: list[Any] = []
        pool.putconn = given.append
        patience: Any = Patience(pool, lambda: world.away_since, world.clock)
        assert patience.getconn() is ours
        ours.settimeout(10)
        theirs.setblocking(False)
        world.lose()
        world.clock.jump(GRACE_S - 0.1)
        patience.let_go()
        with pytest.raises(BlockingIOError):
            theirs.recv(1)  # not yet
        assert patience.getconn() is early
        world.clock.jump(0.1)
        patience.let_go()
        assert theirs.recv(1) == b""
        assert ours.recv(1) == b"", "who waits on it hears of it"
        patience.putconn(ours)
        patience.putconn(early)
        assert given == [ours, early]


def test_a_connection_that_its_server_ended_is_not_given_to_anybody(stores: TestStores) -> None:
    with ConnectionPool[Any](stores.database_url, min_size=1, max_size=2) as pool:
        patience = Patience(pool, lambda: None)
        first, second = patience.getconn(), patience.getconn()
        assert not is_closed(first)
        pid = first.info.backend_pid
        patience.putconn(first)
        second.execute("SELECT pg_terminate_backend(%s)", (pid,))
        second.commit()
        wait_for(lambda: is_closed(first), timeout=10)
        third = patience.getconn()
        assert third is not first
        assert third.execute("SELECT 1").fetchone() == (1,)
        for each in (second, third):
            patience.putconn(each)
