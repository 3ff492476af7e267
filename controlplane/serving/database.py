"""How many connections to PostgreSQL a web process has, however many requests it answers at once.

Every request under way has a thread of its own, and would have a connection of its own: a hundred browsers that come back
together would take every one that the server has, from the courier and the controller too. So they share a few, each from
its first query to its end (`controlplane.api.waiting` gives one back for as long as a request only waits). Who finds none
waits, `WAIT_S` at most. A server that restarts is waited for too, `GRACE_S` long, so that a restart refuses nobody; one that
is known to be away longer is a 503 at once, and asked for again with every request. One that is stopped, and neither answers
nor closes what is connected, lets go of nobody: so `let_go` cuts off who has waited `GRACE_S` for it.
"""

import logging
import select
import threading
import time
from collections.abc import Callable
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections
from psycopg import Connection, Error
from psycopg.pq import ConnStatus
from psycopg_pool import ConnectionPool, PoolTimeout
from psycopg_pool.base import AttemptWithBackoff

from controlplane.deadlines import cut_off
from supervision.runtime.clock import Clock, SystemClock

MOST = 12
"""Connections of one process. All of an instance together: docs/deployment.md counts them."""
WAIT_S = 10.0
"""For one of them; then 503 with Retry-After."""
GRACE_S = 5.0
"""How long a server that is away is waited for, from when it was first missed."""
AWAY_WAIT_S = 0.3
"""For a server that is away longer than that: what one try to connect takes."""
LOOK_S = 0.5
"""How often is looked for who waits for a server that does not answer."""
MOST_WAITING = 2000
AGAIN_S = 0.1
SLOWER = 1.2
"""How soon a connection that could not be made is tried again, and by what factor later each time."""
POOL: dict[str, Any] = {
    "min_size": 1,
    "max_size": MOST,
    "max_waiting": MOST_WAITING,
    "timeout": WAIT_S,
    "max_idle": 60.0,
    "reconnect_timeout": 3.0,
    "num_workers": 2,
    "name": "web",
}
"""psycopg_pool's settings. Who gives up reconnecting begins again with the next request, and with short waits."""


class Patience:
    """How long a request waits for a connection, by whether the server is there.

    away_since: when it was first missed (boot clock, seconds), whoever missed it; None: it is there. Must not wait.
    """

    def __init__(
        self,
        pool: ConnectionPool[Connection[Any]],
        away_since: Callable[[], float | None],
        clock: Clock | None = None,
    ) -> None:
        self._pool = pool
        self._away_since = away_since
        self._clock = clock or SystemClock()
        self._take, self._give_back = pool.getconn, pool.putconn
        self._lock = threading.Lock()
        self._drained_for: float | None = None
        self._out: dict[Connection[Any], float] = {}

    def getconn(self) -> Connection[Any]:
        """A connection; PoolTimeout, which is an OperationalError."""
        connection = self._connection()
        with self._lock:
            self._out[connection] = self._clock.boot()
        return connection

    def putconn(self, connection: Connection[Any]) -> None:
        """Give it back, broken or not."""
        with self._lock:
            self._out.pop(connection, None)
        self._give_back(connection)

    def let_go(self) -> None:
        """Cut off the connections that have been in use since before the server was missed, GRACE_S ago or longer."""
        away_s = self._away_for()
        if away_s is None or away_s < GRACE_S:
            return
        before = self._clock.boot() - GRACE_S
        with self._lock:
            for connection in [one for one, taken in self._out.items() if taken <= before]:
                cut_off(connection)
                del self._out[connection]

    def _connection(self) -> Connection[Any]:
        away_s = self._away_for()
        first_s = GRACE_S if away_s is None else max(AWAY_WAIT_S, GRACE_S - away_s)
        try:
            return self._live(first_s)
        except PoolTimeout:
            if self._away_for() is not None:
                raise
        return self._live(WAIT_S - first_s)  # the server is there, and busy

    def _live(self, wait_s: float) -> Connection[Any]:
        """One whose server has not closed it. PoolTimeout."""
        until = self._clock.boot() + wait_s
        while is_closed(connection := self._take(max(0.0, until - self._clock.boot()))):
            connection.close()
            self._give_back(connection)
        return connection

    def _away_for(self) -> float | None:
        """Seconds since the server was first missed; None: it is there."""
        since = self._away_since()
        if since is None:
            return None
        with self._lock:
            is_new, self._drained_for = self._drained_for != since, since
        if is_new:
            # What lies ready is dead; each would be found out by a request of its own, with a wait after each.
            self._pool.drain()
        return self._clock.boot() - since


def is_closed(connection: Connection[Any]) -> bool:
    """Whether its server has ended it, by what has arrived: nobody is asked, which would cost each request a round trip."""
    arrived = select.poll()
    try:
        arrived.register(connection.fileno(), select.POLLIN)
        if not arrived.poll(0):
            return False
        connection.pgconn.consume_input()
    except Error:
        return True
    return connection.pgconn.status != ConnStatus.OK


def share_connections(away_since: Callable[[], float | None]) -> None:
    """Before the first query of this process. away_since: as `Patience` asks it."""
    settings = connections[DEFAULT_DB_ALIAS].settings_dict
    settings["CONN_HEALTH_CHECKS"] = False  # `is_closed` sees that without asking the server
    settings["CONN_MAX_AGE"] = 0  # the pool keeps them; a thread that kept one would keep it from the others
    settings["OPTIONS"]["pool"] = POOL
    settings["OPTIONS"].setdefault("application_name", "overstory web")
    settings["OPTIONS"].setdefault("connect_timeout", 5)
    # The library doubles its waits from a second on: a server that is back after a third of a second was seen by who had
    # waited since before only 8 s later.
    AttemptWithBackoff.INITIAL_DELAY = AGAIN_S
    AttemptWithBackoff.DELAY_BACKOFF = SLOWER
    logging.getLogger("psycopg.pool").setLevel(
        logging.ERROR
    )  # who needs a connection says that there is none
    pool: ConnectionPool[Connection[Any]] = getattr(connections[DEFAULT_DB_ALIAS], "pool")  # noqa: B009 PostgreSQL's has one
    patience = Patience(pool, away_since)
    # Django makes the pool by itself, and asks it by these names.
    pool.getconn = patience.getconn  # type: ignore[method-assign,assignment]
    pool.putconn = patience.putconn  # type: ignore[method-assign,assignment]
    # Needed until the process ends, so nothing stops it. What it calls raises nothing.
    threading.Thread(
        target=_keep_letting_go, args=(patience,), name="hung", daemon=True
    ).start()  # audit: ignore[SUP101, SUP102] as said


def _keep_letting_go(patience: Patience) -> None:  # audit: ignore[SUP810] let_go raises nothing
    while True:
        time.sleep(LOOK_S)
        patience.let_go()
