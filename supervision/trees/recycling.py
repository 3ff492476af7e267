"""Recycling: a fresh life for a child that has not failed, ordered from anywhere.

The one entry for whoever finds that a child has to go (a worker that has done its share, a leak, an operator). The node's
kernel carries it out (supervision/kernel/recycling.py): a Celery worker drains only when another one that stands in for it
is ready; any other child is restarted by its supervisor. One at a time for each supervisor, with its reason in the journal,
and never counted as a failure.
"""

from supervision.auditlog.actor import Actor
from supervision.trees.commands import request_command
from supervision.trees.models import Command, Verb

MAX_REASON = 300


def recycle_child(
    *,
    key: str,
    actor: Actor,
    reason: str,
    node_id: str | None = None,
    incarnation: int | None = None,
    stand_in: bool | None = None,
) -> list[Command]:
    """Order it on every node that has `key`, or on `node_id` alone; one command each.

    incarnation  the life that is to end: a command that comes late does nothing to the next one
    stand_in     whether another child of the same specification is added first; None: for Celery workers

    A command fails (`conflict`) while another child of the same supervisor is being recycled: ask again later. Raises
    NotFoundError for a key that no node has, IllegalTransitionError for a supervisor.
    """
    args: dict[str, object] = {}
    if incarnation is not None:
        args["incarnation"] = incarnation
    if stand_in is not None:
        args["stand_in"] = stand_in
    return request_command(
        verb=Verb.RECYCLE, key=key, node_id=node_id, args=args, actor=actor, reason=reason[:MAX_REASON]
    )
