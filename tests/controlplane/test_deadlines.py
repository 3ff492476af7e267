"""Deadlines: a server process that is stopped costs its deadline and not the courier."""

import os
import signal

import pytest
from django.db import OperationalError, connection

from controlplane.deadlines import Deadlines
from supervision.runtime.clock import SystemClock

CLOCK = SystemClock()


@pytest.mark.django_db(transaction=True)
def test_a_stopped_backend_is_given_up_and_another_one_taken() -> None:
    deadlines = Deadlines(CLOCK)
    deadlines.start()
    with connection.cursor() as cursor, deadlines.within(30):
        cursor.execute("SELECT pg_backend_pid()")
        backend = cursor.fetchone()[0]
    os.kill(backend, signal.SIGSTOP)  # audit: ignore[SUP303] our own connection's backend, still open
    began = CLOCK.boot()
    try:
        with pytest.raises(OperationalError), deadlines.within(0.5), connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        assert 0.4 < CLOCK.boot() - began < 10
    finally:
        os.kill(backend, signal.SIGCONT)  # audit: ignore[SUP303] as above: stopped, so it is there
        connection.close()
    with connection.cursor() as cursor, deadlines.within(30):
        cursor.execute("SELECT 1")
        assert cursor.fetchone() == (1,)


@pytest.mark.django_db(transaction=True)
def test_what_ends_in_time_keeps_its_connection() -> None:
    deadlines = Deadlines(CLOCK)
    deadlines.start()
    for _ in range(3):
        with deadlines.within(0.2), connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(0.4)")  # longer than any of these deadlines, and nobody's
