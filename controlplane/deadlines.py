"""A deadline on our side for whatever a thread does with the database.

A stopped server process answers nothing and keeps the connection open, so statement_timeout does not help, and a driver
waits for ever. The one thread here shuts down the socket of a connection whose time is over: the thread that waits on it
gets an error and goes on with another connection.
"""

import contextlib
import heapq
import itertools
import os
import socket
import threading
from collections.abc import Iterator
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from supervision.runtime.clock import Clock, SystemClock


class Deadlines:
    """One thread for all; start it once with `start`. It ends with the process."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._wake = threading.Condition()
        self._due: list[tuple[float, int]] = []
        self._waiting: dict[int, BaseDatabaseWrapper] = {}
        self._numbers = itertools.count()

    def start(self) -> None:
        # Needed until the process ends, so nothing stops it. What it calls raises nothing.
        threading.Thread(
            target=self._watch, name="deadlines", daemon=True
        ).start()  # audit: ignore[SUP101, SUP102] as said

    @contextlib.contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """The calling thread's database connection is cut off when this takes longer than `seconds`."""
        number = next(self._numbers)
        wrapper = connections[DEFAULT_DB_ALIAS]  # this thread's own
        with self._wake:
            self._waiting[number] = wrapper
            heapq.heappush(self._due, (self._clock.boot() + seconds, number))
            self._wake.notify()
        try:
            yield
        finally:
            with self._wake:
                del self._waiting[number]

    def _watch(self) -> None:  # audit: ignore[SUP810] cut_off raises nothing, and nothing else could
        with self._wake:
            while True:
                self._wake.wait(self._left())
                now = self._clock.boot()
                while self._due and self._due[0][0] <= now:
                    wrapper = self._waiting.get(heapq.heappop(self._due)[1])
                    if wrapper is not None:
                        cut_off(wrapper.connection)

    def _left(self) -> float | None:
        while self._due and self._due[0][1] not in self._waiting:
            heapq.heappop(self._due)
        return max(0.0, self._due[0][0] - self._clock.boot()) if self._due else None


def cut_off(connection: Any) -> None:
    """Shut the socket of psycopg's connection down, whoever waits on it. Any: None where it is not connected yet."""
    try:
        with socket.socket(fileno=os.dup(connection.fileno())) as sock:
            sock.shutdown(socket.SHUT_RDWR)
    except Exception:  # noqa: BLE001, S110  not connected yet, or closed by its own thread just now: there is nothing to cut
        pass
