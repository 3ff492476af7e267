"""Waiting inside a request: for a node's answer, or for an operation to end."""

from django.db import connection


def let_go() -> None:
    """Give the database connection back for as long as a request only waits: a process has a dozen, and many may wait."""
    if not connection.in_atomic_block:
        connection.close()
