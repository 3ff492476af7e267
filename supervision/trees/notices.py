"""Wake-ups on commit. Hints only: who hears one re-reads the rows, and who misses one finds out within a second."""

from django.db import connection, transaction

DESIRED = "overstory_desired"
"""Something a node should have or do is different: revisions, placements, commands."""
OPERATION = "overstory_operation"
"""A command ended; the payload is its id."""


def notify(channel: str, payload: str = "") -> None:
    """Send on commit of the transaction under way."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_notify(%s, %s)", [channel, payload])


def notify_desired() -> None:
    """At most one for each transaction: PostgreSQL folds equal ones."""
    with transaction.atomic():
        notify(DESIRED)
