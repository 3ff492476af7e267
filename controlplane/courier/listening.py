"""Hearing at once that something changed: PostgreSQL's NOTIFY, as a wake-up and nothing more; hints to programs go on.

On a connection of its own, which may hang or be lost: then everything is found out by asking, a second later.
"""

from collections.abc import Callable
from typing import Any

import psycopg

from controlplane.courier.session import Session
from supervision.programs.hints import PUSH, parse_hint
from supervision.trees.notices import DESIRED

WAIT_S = 5.0
CONNECT_LIMIT_S = 3


Push = Callable[[str, dict[str, Any], str], None]
"""(topic, body, key): tell the programs of this node."""


class Listening:
    """The job `listen`."""

    def __init__(
        self, session: Session, database_url: str, push: Push = lambda topic, body, key: None
    ) -> None:
        self.session = session
        self._push = push
        self._url = database_url

    def step(self) -> float:
        """Connect and listen until that ends; then again after a while. Raises nothing that others would miss."""
        try:
            with psycopg.connect(self._url, autocommit=True, connect_timeout=CONNECT_LIMIT_S) as connection:
                connection.execute(f"LISTEN {DESIRED}")
                connection.execute(f"LISTEN {PUSH}")
                self.session.wake()
                while not self.session.stopping.is_set():
                    for notice in connection.notifies(timeout=WAIT_S, stop_after=1):
                        self._heard(notice)
        except psycopg.Error:
            return 1.0
        return 0.0

    def _heard(self, notice: psycopg.Notify) -> None:
        if notice.channel != PUSH:
            self.session.wake()
            return
        hint = parse_hint(notice.payload, node_id=self.session.node_id)
        if hint is not None:
            self._push(*hint)
