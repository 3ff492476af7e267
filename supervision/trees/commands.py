"""Commands: orders to nodes, from the request to the end. Carried out at most once each, by their id.

A node's courier claims, carries out over the control socket with the command's id, and finishes; one that died in between
is claimed again by its successor, and the node answers for an id it knows how that went.
"""

import uuid
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import Q

from supervision.auditlog import services as auditlog
from supervision.auditlog.actor import Actor
from supervision.fleet.services import database_now
from supervision.journal.columns import storable
from supervision.journal.models import ObservedChild, Stray
from supervision.trees.documents import SYSTEM_TREE
from supervision.trees.exceptions import IllegalTransitionError, NotFoundError
from supervision.trees.models import Command, CommandState, Verb
from supervision.trees.notices import OPERATION, notify, notify_desired

DEADLINE_S: Mapping[str, float] = {
    Verb.RESTART: 60.0,
    Verb.RECYCLE: 60.0,
    Verb.STOP: 60.0,
    Verb.TERMINATE: 60.0,
    Verb.DELETE_CHILD: 60.0,
    Verb.RELOAD: 120.0,
}
DEFAULT_DEADLINE_S = 30.0
"""From the request to done or failed. Ordered stops take their children's shutdown time."""

ALL = {Verb.HOLD_ALL: Verb.HOLD, Verb.RELEASE_ALL: Verb.RELEASE}


def request_command(
    *,
    verb: str,
    key: str = "",
    node_id: str | None = None,
    args: Mapping[str, Any] | None = None,
    actor: Actor,
    reason: str = "",
    deadline_s: float | None = None,
) -> list[Command]:
    """Order `verb` for `key` on every node that has it, or on `node_id` alone: one command for each.

    `hold_all` and `release_all` become one hold or release for the root of each tree (`key` empty: every tree but the
    nodes' own). Raises NotFoundError for a key that no node has, IllegalTransitionError where the verb makes no sense.
    """
    known = Verb(verb)
    with auditlog.audited():
        targets = _targets(known, key, node_id, dict(args or {}))
        now = database_now()
        seconds = deadline_s or DEADLINE_S.get(known, DEFAULT_DEADLINE_S)
        commands = Command.objects.bulk_create(
            Command(
                verb=ALL.get(known, known),
                tree=target_key.partition("/")[0],
                key=target_key,
                node_id=target_node,
                args=dict(args or {}),
                actor_kind=actor.kind,
                actor_id=actor.id[:200],
                actor_name=actor.name[:200],
                reason=reason,
                created_at=now,
                deadline_at=now + timedelta(seconds=seconds),
            )
            for target_node, target_key in targets
        )
        auditlog.record(
            actor=actor,
            action=f"child.{known}",
            target=key,
            tree=key.partition("/")[0],
            reason=reason,
            details={"args": dict(args or {}), "commands": [str(one.id) for one in commands]},
        )
        notify_desired()
    return commands


def _targets(verb: Verb, key: str, node_id: str | None, args: dict[str, Any]) -> list[tuple[str, str]]:
    """(node, key) of each command."""
    if verb in ALL:
        return _roots(key, node_id)
    if verb in (Verb.END_STRAY, Verb.ADOPT_STRAY):
        return [(_node_of_stray(node_id, args), key)]
    rows = ObservedChild.objects.filter(key=key, removed=False)
    if node_id is not None:
        rows = rows.filter(node_id=node_id)
    found = list(rows.values_list("node_id", "is_supervisor"))
    if not found:
        raise NotFoundError(f"no node has {key!r}")
    is_supervisor = found[0][1]
    if verb is Verb.START_CHILD and not is_supervisor:
        raise IllegalTransitionError(f"{key} is no supervisor: it has no children to start")
    if verb in (Verb.SIGNAL, Verb.RELOAD, Verb.RECYCLE) and is_supervisor:
        raise IllegalTransitionError(f"{key} is a supervisor: it has no process of its own")
    return [(node, key) for node, _ in found]


def _roots(key: str, node_id: str | None) -> list[tuple[str, str]]:
    rows = ObservedChild.objects.filter(parent="", is_supervisor=True, removed=False)
    rows = rows.filter(key=key) if key else rows.exclude(tree=SYSTEM_TREE)
    if node_id is not None:
        rows = rows.filter(node_id=node_id)
    found = list(rows.order_by("node_id", "key").values_list("node_id", "key"))
    if not found:
        raise NotFoundError(f"no node has the tree {key!r}" if key else "no node has a tree")
    return found


def _node_of_stray(node_id: str | None, args: dict[str, Any]) -> str:
    strays = Stray.objects.filter(pid=int(args.get("pid") or 0), state=Stray.State.FOUND)
    if node_id is not None:
        strays = strays.filter(node_id=node_id)
    nodes = list(strays.values_list("node_id", flat=True)[:2])
    if not nodes:
        raise NotFoundError(f"there is no stray with pid {args.get('pid')}")
    if len(nodes) > 1:
        raise IllegalTransitionError(f"several nodes have a stray with pid {args.get('pid')}: name the node")
    return str(nodes[0])


def claim_commands(*, node_id: str, claimer: str, limit: int = 50) -> list[Command]:
    """Take what is to be done on the node, oldest first; also what a dead claimer of the node had taken.

    `claimer` names one life of the node's courier. Commands past their deadline are left for `expire_commands`.
    """
    with transaction.atomic():
        now = database_now()
        mine = (
            Command.objects.select_for_update(skip_locked=True)
            .filter(Q(state=CommandState.PENDING) | Q(state=CommandState.CLAIMED) & ~Q(claimed_by=claimer))
            .filter(node_id=node_id, deadline_at__gt=now)
            .order_by("created_at", "id")[:limit]
        )
        commands = list(mine)
        Command.objects.filter(pk__in=[one.pk for one in commands]).update(
            state=CommandState.CLAIMED, claimed_at=now, claimed_by=claimer
        )
        for one in commands:
            one.state, one.claimed_at, one.claimed_by = CommandState.CLAIMED, now, claimer
    return commands


def finish_command(
    *, command_id: uuid.UUID, result: Mapping[str, Any] | None = None, error: Mapping[str, Any] | None = None
) -> bool:
    """The end of a claimed command: done with `result`, or failed with `error` ({code, message}). Whether it was open."""
    state = CommandState.DONE if error is None else CommandState.FAILED
    with transaction.atomic():
        won = (
            Command.objects.filter(
                pk=command_id, state__in=[CommandState.PENDING, CommandState.CLAIMED]
            ).update(
                state=state,
                finished_at=database_now(),
                result=None if result is None else storable(dict(result)),
                error=None if error is None else storable(dict(error)),
            )
            == 1
        )
        if won:
            notify(OPERATION, str(command_id))
    return won


def cancel_command(*, command_id: uuid.UUID, actor: Actor, reason: str = "") -> None:
    """Take back a command that no node took yet. Raises NotFoundError, IllegalTransitionError."""
    with auditlog.audited():
        command = Command.objects.select_for_update().filter(pk=command_id).first()
        if command is None:
            raise NotFoundError(f"there is no command {command_id}")
        if command.state != CommandState.PENDING:
            raise IllegalTransitionError(
                f"the command is {command.state}: only a pending one can be cancelled"
            )
        finish_command(
            command_id=command_id, error={"code": "cancelled", "message": f"cancelled by {actor.name}"}
        )
        auditlog.record(
            actor=actor, action="command.cancel", target=command.key, tree=command.tree, reason=reason,
            details={"command": str(command_id)},
        )  # fmt: skip


_EXPIRE = """
UPDATE supervision_command
SET state = 'expired',
    finished_at = clock_timestamp(),
    error = jsonb_build_object('code', 'deadline', 'message', CASE
        WHEN state = 'pending' THEN 'the node did not take it in time; it may be silent'
        ELSE 'the node took it and did not say how it ended in time' END)
WHERE id IN (
    SELECT id
    FROM supervision_command
    WHERE state IN ('pending', 'claimed')
      AND deadline_at <= clock_timestamp()
    ORDER BY created_at
    LIMIT %s
    FOR UPDATE SKIP LOCKED
)
RETURNING id
"""
"""End what passed its deadline, and say how far it came."""


def expire_commands(*, limit: int = 1000) -> Sequence[uuid.UUID]:
    """End commands past their deadline as `expired`; their ids."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(_EXPIRE, [limit])
            expired = [row[0] for row in cursor.fetchall()]
        for one in expired:
            notify(OPERATION, str(one))
    return expired
