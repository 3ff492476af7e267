"""A call to the database fails at its deadline, whatever happened to who should answer it."""

import os
import signal
import time

import pytest
from django.db import DatabaseError, connections

from controlplane.controller.deadlines import Deadlines

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_stopped_backend_fails_the_call_at_its_deadline() -> None:
    connection = connections["default"]
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        backend = int(cursor.fetchone()[0])
    deadlines = Deadlines()
    os.kill(backend, signal.SIGSTOP)
    try:
        began = time.monotonic()
        with pytest.raises(DatabaseError), deadlines.within(connection, 0.5), connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        assert 0.4 < time.monotonic() - began < 10
    finally:
        os.kill(backend, signal.SIGCONT)
        deadlines.stop()
        connection.close()
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        assert cursor.fetchone() == (1,)


def test_a_call_that_is_answered_in_time_is_left_alone() -> None:
    connection = connections["default"]
    deadlines = Deadlines()
    try:
        for _ in range(20):
            with deadlines.within(connection, 5), connection.cursor() as cursor:
                cursor.execute("SELECT 1")
                assert cursor.fetchone() == (1,)
    finally:
        deadlines.stop()


def test_the_thread_ends_with_stop() -> None:
    deadlines = Deadlines()
    deadlines.stop()
    assert not deadlines._thread.is_alive()
