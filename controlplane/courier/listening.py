"""Hearing at once that something changed: PostgreSQL's NOTIFY, as a wake-up and nothing more.

On a connection of its own, which may hang or be lost: then everything is found out by asking, a second later.
"""

import psycopg

from controlplane.courier.session import Session
from supervision.trees.notices import DESIRED

WAIT_S = 5.0
CONNECT_LIMIT_S = 3


class Listening:
    """The job `listen`."""

    def __init__(self, session: Session, database_url: str) -> None:
        self.session = session
        self._url = database_url

    def step(self) -> float:
        """Connect and listen until that ends; then again after a while. Raises nothing that others would miss."""
        try:
            with psycopg.connect(self._url, autocommit=True, connect_timeout=CONNECT_LIMIT_S) as connection:
                connection.execute(f"LISTEN {DESIRED}")
                self.session.wake()
                while not self.session.stopping.is_set():
                    for _ in connection.notifies(timeout=WAIT_S, stop_after=1):
                        self.session.wake()
        except psycopg.Error:
            return 1.0
        return 0.0
