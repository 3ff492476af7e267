import time

import psycopg

from controlplane.controller.wakeups import Wakeups
from tests.support.database import TestStores


def test_a_notice_ends_the_wait(stores: TestStores) -> None:
    wakeups = Wakeups(stores.database_url)
    wakeups.wait(0, now=0.0)  # listens from here on
    with psycopg.connect(stores.database_url, autocommit=True) as other:
        other.execute("NOTIFY overstory_desired")
    began = time.monotonic()
    wakeups.wait(20, now=1.0)
    assert time.monotonic() - began < 10
    began = time.monotonic()
    wakeups.wait(0.3, now=2.0)
    assert time.monotonic() - began >= 0.29
    wakeups.close()


def test_wake_ends_the_wait_also_without_a_database() -> None:
    wakeups = Wakeups("postgresql://nobody@127.0.0.1:1/none?connect_timeout=1")
    wakeups.wake()
    began = time.monotonic()
    wakeups.wait(20, now=0.0)
    assert time.monotonic() - began < 10
    wakeups.close()


def test_a_connection_that_ended_is_opened_again(stores: TestStores) -> None:
    wakeups = Wakeups(stores.database_url)
    wakeups.wait(0, now=0.0)
    assert wakeups._connection is not None
    with psycopg.connect(stores.database_url, autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s)", [wakeups._connection.info.backend_pid])
    for _ in range(3):  # its last words, then its end
        wakeups.wait(5 if wakeups._connection else 0, now=1.0)
    assert wakeups._connection is None
    wakeups.wait(0, now=2.0)
    assert wakeups._connection is None
    wakeups.wait(0, now=10.0)
    assert wakeups._connection is not None
    wakeups.close()
