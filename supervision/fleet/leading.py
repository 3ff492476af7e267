"""Writing as a leader: each transaction of one names its term, so that one that was stopped and resumed cannot write."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from supervision.auditlog import services as auditlog
from supervision.fleet.exceptions import FleetError
from supervision.fleet.services import still_leads

CONTROLLER = "controller"
LEADER_TTL_S = 5.0
"""A leader that says nothing for so long is replaced; its supervisor has started it again well before, as a rule."""


class NotLeadingError(FleetError):
    """Another one leads by now: nothing was written."""


@dataclass(frozen=True, slots=True)
class Leader:
    """Who writes: a holder in its term."""

    name: str
    holder: str
    term: int


@contextlib.contextmanager
def led(leader: Leader) -> Iterator[None]:
    """One transaction of the leader's. Raises NotLeadingError before anything is done.

    The row of the leadership is locked until the end, so nobody takes over in between; a session that sits idle in it is
    ended by the server (`idle_in_transaction_session_timeout`), and the transaction with it.
    """
    with auditlog.audited():
        if not still_leads(name=leader.name, holder=leader.holder, term=leader.term):
            raise NotLeadingError(f"{leader.holder} does not lead in term {leader.term} any more")
        yield
