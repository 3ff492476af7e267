"""A deadline of our own around every call to the database.

The server's `statement_timeout` ends a statement that is slow, not one whose backend, machine or network stopped: then
nobody answers, and libpq waits for ever. So a thread shuts the connection's socket down at the deadline, and the call that
waits for it fails at once with OperationalError, as with any broken connection.
"""

import contextlib
import os
import socket
import threading
from collections.abc import Iterator

from django.db.backends.base.base import BaseDatabaseWrapper

from supervision.runtime.clock import Clock, SystemClock

STATEMENT_S = 2.0
CONNECT_S = 3
SERVER_SIDE = {
    "statement_timeout": 2000,
    "lock_timeout": 1500,
    "idle_in_transaction_session_timeout": 3000,
}
"""Milliseconds. The last one ends the transaction of a leader that was stopped inside it, so that another can lead."""


def bound_connection(connection: BaseDatabaseWrapper, name: str) -> None:
    """Give a connection that is not open yet its limits: while connecting, on the server, and on a silent network."""
    options = connection.settings_dict["OPTIONS"]
    flags = " ".join(f"-c {setting}={value}" for setting, value in SERVER_SIDE.items())
    options["options"] = f"{options.get('options', '')} {flags}".strip()
    options.setdefault("application_name", name)
    options.setdefault("connect_timeout", CONNECT_S)
    options.setdefault("tcp_user_timeout", int(STATEMENT_S * 2000))
    options.setdefault("keepalives_idle", 5)


class Deadlines:
    """Shuts connections down that are still busy at their deadline. `stop` ends and joins the thread."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._changed = threading.Condition()
        self._due: float | None = None
        self._connection: BaseDatabaseWrapper | None = None
        self._ended = False
        self._thread = threading.Thread(target=self._watch, name="deadlines", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        with self._changed:
            self._ended = True
            self._changed.notify()
        self._thread.join(5)

    @contextlib.contextmanager
    def within(self, connection: BaseDatabaseWrapper, seconds: float) -> Iterator[None]:
        """Everything the block asks the database is answered in `seconds`, or fails. Not to be nested."""
        self._set(connection, self._clock.boot() + seconds)
        try:
            yield
        finally:
            self._set(None, None)

    def _set(self, connection: BaseDatabaseWrapper | None, due: float | None) -> None:
        with self._changed:
            self._connection, self._due = connection, due
            self._changed.notify()

    def _watch(self) -> None:
        with self._changed:
            while not self._ended:
                left = None if self._due is None else self._due - self._clock.boot()
                if left is not None and left <= 0:
                    if self._connection is not None:
                        _shut_down(self._connection)
                    left = 0.2  # it may open another connection meanwhile
                self._changed.wait(left)


def _shut_down(connection: BaseDatabaseWrapper) -> None:
    """End the conversation without touching libpq's state, which belongs to the other thread."""
    raw = connection.connection
    with contextlib.suppress(Exception):  # it is being closed by its own thread, or not open yet
        number = os.dup(raw.pgconn.socket)
        with socket.socket(fileno=number) as copy:
            copy.shutdown(socket.SHUT_RDWR)
