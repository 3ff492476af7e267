"""Registrations end with the lives that held them, in the transaction that records the end."""

from agents.registry.services import end_of_lives
from supervision.journal.handlers import Ingested


def end_registrations(ingested: Ingested) -> None:
    """A handler of the journal."""
    ended = [
        (life.key, life.number) for life in ingested.batch.changes.lives.values() if life.ended_at is not None
    ]
    if ended:
        end_of_lives(ingested.node.pk, ended)
