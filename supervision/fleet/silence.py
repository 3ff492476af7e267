"""Nodes that do not renew: suspect when their lease is over, down when others may take over from them."""

from dataclasses import dataclass

from django.db import connection

from supervision.fleet.leases import TAKE_OVER_AFTER_S


@dataclass(frozen=True, slots=True)
class Silent:
    """A node whose state changed because it is silent."""

    node_id: str
    name: str
    state: str


_SUSPECT = """
UPDATE supervision_node
SET state = 'suspect'
WHERE state IN ('up', 'drained')
  AND (lease_until IS NULL OR lease_until <= clock_timestamp())
RETURNING id, name, state
"""
"""A lease that is over: nothing is done yet but saying so."""

_DOWN = """
UPDATE supervision_node
SET state = 'down',
    epoch = epoch + 1
WHERE state = 'suspect'
  AND (lease_until IS NULL OR lease_until + make_interval(secs => %s) <= clock_timestamp())
RETURNING id, name, state
"""
"""The end of the node's epoch and of its right to renew are one write: a renewal came before, and the row does not match
any more, or comes after, and is refused. So a node never renews a lease under which it was taken over from."""


def mark_silent_nodes() -> list[Silent]:
    """Mark what is silent by the database's clock; what changed."""
    with connection.cursor() as cursor:
        cursor.execute(_SUSPECT)
        rows = cursor.fetchall()
        cursor.execute(_DOWN, [TAKE_OVER_AFTER_S])
        rows += cursor.fetchall()
    return [Silent(*row) for row in rows]
