"""Waiting for a service without asking again and again: PostgreSQL says when something in the registry changed.

Each wait has a connection of its own, because a listening one cannot be shared; how many there may be is bounded.
"""

import threading
import time

import psycopg
from django.db import connection

from agents.exceptions import AgentsError
from agents.registry.readiness import Standing
from agents.registry.selectors import service_standing
from agents.registry.services import CHANGED
from supervision.journal.services import OBSERVED

MOST_WAITS = 16
"""At the same time in one process."""
CONNECT_LIMIT_S = 3
_PLACES = threading.BoundedSemaphore(MOST_WAITS)


class TooManyWaitsError(AgentsError):
    """So many requests wait for services already that no other one may."""


def wait_for_service(namespace: str, name: str, *, timeout_s: float) -> Standing:
    """How the service stands once it is ready, or when the time is over. Raises TooManyWaitsError.

    Listens first and looks then, so that nothing falls between. Also what nodes report may make a provider ready.
    """
    found = service_standing(namespace, name)
    if found.ready or timeout_s <= 0:
        return found
    if not _PLACES.acquire(blocking=False):
        raise TooManyWaitsError
    try:
        return _listen(namespace, name, time.monotonic() + timeout_s)  # noqa: TID251  a deadline of this process
    finally:
        _PLACES.release()


def _listen(namespace: str, name: str, until: float) -> Standing:
    parameters = {**connection.get_connection_params(), "connect_timeout": CONNECT_LIMIT_S}
    known = ("host", "port", "user", "password", "dbname", "options", "connect_timeout")
    with psycopg.connect(
        **{key: value for key, value in parameters.items() if key in known}, autocommit=True
    ) as listening:
        for channel in (CHANGED, OBSERVED):
            listening.execute(f"LISTEN {channel}".encode())
        while True:
            found = service_standing(namespace, name)
            left = until - time.monotonic()  # noqa: TID251  as above
            if found.ready or left <= 0:
                return found
            if not connection.in_atomic_block:
                connection.close()  # PostgreSQL has a hundred, and this one only waits
            for _ in listening.notifies(timeout=left, stop_after=1):
                pass
