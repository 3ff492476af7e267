"""The control plane away: programs go on, and everything that they said arrives later, once and in order."""

import signal
from collections.abc import Iterator

import pytest

from supervision.runtime.clock import SystemClock
from tests.controlplane.courier.joined import WAIT_S
from tests.controlplane.courier.test_store_failures import Host
from tests.support.engine import child, tree
from tests.support.own_stores import OwnStores, own_stores
from tests.support.talker import Talker, talker_argv
from tests.support.waiting import wait_for

CLOCK = SystemClock()
CURSOR = "SELECT events, unhandled, failed, lost FROM supervision_programcursor WHERE node_id = %s"


@pytest.fixture(scope="module")
def own() -> Iterator[OwnStores]:
    with own_stores() as stores:
        yield stores


def stay_away(own: OwnStores, seconds: float) -> None:
    host = Host(own)
    with host:
        host.wait_joined()
        path = host.data_dir / "talker"
        host.apply(tree("t", child("a", talker_argv(path))))
        talker = Talker(path)
        talker.wait()
        sent = 0

        def taken() -> tuple[int, ...]:
            rows = own.query(CURSOR, host.node_id())
            return tuple(rows[0]) if rows else (0, 0, 0, 0)

        def say() -> None:
            nonlocal sent
            talker.ask(
                f"[channel.event('away.said', {{'n': n}}) for n in range({sent}, {sent + 50})] and None"
            )
            sent += 50

        say()
        wait_for(lambda: taken()[0] == sent, timeout=WAIT_S, every=0.1, what=host.log()[-2000:])
        own.signal("postgres", signal.SIGSTOP)
        try:
            until = CLOCK.boot() + seconds
            while CLOCK.boot() < until:
                say()
                assert talker.ask("channel.flush(5)"), "the node keeps what it is told"
                asked = CLOCK.boot()
                with pytest.raises(AssertionError, match="Unavailable"):
                    talker.ask("channel.ask('program.self')")
                assert CLOCK.boot() - asked < 8.0  # five seconds, and a busy machine
        finally:
            own.signal("postgres", signal.SIGCONT)
        say()
        wait_for(lambda: taken()[0] >= sent, timeout=WAIT_S, every=0.1, what=host.log()[-2000:])
        assert taken() == (sent, sent, 0, 0)


def test_what_was_said_while_the_store_was_away_arrives_later_once(own: OwnStores) -> None:
    stay_away(own, 5.0)


@pytest.mark.soak
def test_what_was_said_in_a_minute_without_a_store_arrives_later_once(own: OwnStores) -> None:
    stay_away(own, 60.0)
