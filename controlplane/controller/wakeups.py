"""Waiting for the next tick: at most a second, less when something was applied or asked for meanwhile."""

import contextlib
import os
from collections.abc import Sequence
from multiprocessing.connection import wait as wait_ready

import psycopg

from supervision.trees.notices import DESIRED

CHANNELS = (DESIRED,)
"""Not what is observed: a busy fleet says that all the time, and the second is soon enough for it."""
CONNECT_S = 3
AGAIN_S = 5.0
"""A listening connection that failed is opened again after so long; until then the second counts."""


class Wakeups:
    """NOTIFY and `wake` (from a signal handler) end a wait early. Hints only: the tick reads everything anew."""

    def __init__(self, url: str, channels: Sequence[str] = CHANNELS) -> None:
        self._url, self._channels = url, channels
        self._connection: psycopg.Connection[tuple[object, ...]] | None = None
        self._not_before = 0.0
        self._reader, self._writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)

    def wake(self) -> None:
        """Also from a signal handler."""
        with contextlib.suppress(BlockingIOError):
            os.write(self._writer, b"w")

    def close(self) -> None:
        self._drop()
        os.close(self._reader)
        os.close(self._writer)

    def wait(self, seconds: float, now: float) -> None:
        """Return after `seconds`, or as soon as there may be something to do. `now`: boot seconds."""
        self._listen(now)
        ready = wait_ready([self._reader, *self._sockets()], seconds)
        if self._reader in ready:
            with contextlib.suppress(BlockingIOError):
                os.read(self._reader, 4096)
        if self._connection is not None and len(ready) > (self._reader in ready):
            self._drain(now)

    def _sockets(self) -> list[int]:
        return [] if self._connection is None else [self._connection.fileno()]

    def _listen(self, now: float) -> None:
        if self._connection is not None or now < self._not_before:
            return
        self._not_before = now + AGAIN_S
        try:
            connection = psycopg.connect(self._url, autocommit=True, connect_timeout=CONNECT_S)
        except psycopg.Error:
            return
        self._connection = connection
        try:
            for channel in self._channels:
                connection.execute(f"LISTEN {channel}".encode())
        except psycopg.Error:
            self._drop()

    def _drain(self, now: float) -> None:
        """Read what has come, without waiting; a connection that ended is dropped."""
        connection = self._connection
        if connection is None:
            return
        try:
            connection.pgconn.consume_input()
            while connection.pgconn.notifies() is not None:
                pass
        except psycopg.Error:
            self._not_before = now + AGAIN_S
            self._drop()

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(psycopg.Error):
                connection.close()
