"""What ended on other nodes, for the programs of this one: pushed as hints, within a second or two of being on record.

A program that missed one (its gateway was replaced, this courier was) is told to look for itself, and looks in the rows.
"""

from collections.abc import Callable
from typing import Any

from controlplane.courier.session import Session
from supervision.programs import selectors
from supervision.programs.selectors import FleetMark

EVERY_S = 1.0
READ_LIMIT_S = 4.0
TOPIC = "ended"

Push = Callable[[str, dict[str, Any], str], None]


class Ends:
    """The job `ends`."""

    def __init__(self, session: Session, push: Push) -> None:
        self.session = session
        self._push = push
        self._mark: FleetMark | None = None

    def step(self) -> float:
        """Look at the nodes that changed since the last look; the first only says where we begin."""
        session = self.session
        if session.epoch is None:
            return EVERY_S
        with session.deadlines.within(READ_LIMIT_S):
            lost, lives, mark = selectors.ended_elsewhere(session.node_id, self._mark)
        self._mark = mark
        for node in lost:
            self._push(TOPIC, {"node": node, "lost": True}, "")
        for node, key, incarnation in lives:
            self._push(TOPIC, {"node": node, "key": key, "incarnation": incarnation}, "")
        return EVERY_S
