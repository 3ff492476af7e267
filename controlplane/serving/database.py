"""How many connections to PostgreSQL a web process has, however many requests it answers at once.

Every request under way has a thread of its own, and would have a connection of its own: a hundred browsers that come back
together would take every one that the server has, from the courier and the controller too. So they share a few, each from
its first query to its end (`controlplane.api.waiting` gives one back for as long as a request only waits). Who finds none
waits; a server that restarts meanwhile is waited for too, and one that stays away becomes a 503.
"""

import logging
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections
from psycopg_pool.base import AttemptWithBackoff

MOST = 12
"""Connections of one process. All of an instance together: docs/deployment.md counts them."""
WAIT_S = 10.0
"""For one of them; then 503 with Retry-After."""
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
    "reconnect_timeout": WAIT_S,
    "num_workers": 2,
    "name": "web",
}
"""psycopg_pool's settings."""


def share_connections() -> None:
    """Before the first query of this process."""
    settings = connections[DEFAULT_DB_ALIAS].settings_dict
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
