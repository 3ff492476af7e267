"""What was done on the host itself, through its control socket: it becomes revisions and audit entries.

A handler of the ingest: it sees each record once, in the transaction that stores it, so that break-glass is reconciled and
audited exactly once. What cannot become a revision is audited as such; it must not hold the journal up.
"""

from collections.abc import Callable, Mapping
from typing import Any

from supervision.auditlog import services as auditlog
from supervision.auditlog.actor import Actor
from supervision.fleet.models import Node
from supervision.journal.facts import Record
from supervision.journal.handlers import Ingested
from supervision.trees import services as trees
from supervision.trees.documents import SYSTEM_TREE
from supervision.trees.exceptions import TreesError

OF_TREES = frozenset({"apply", "delete"})
"""Their `tree` records say what became of them; the commands themselves only when they were refused."""
OF_NODES = frozenset({"shutdown", "reexec"})


def record_what_was_done_locally(ingested: Ingested) -> None:
    """See the module's docstring."""
    for record in ingested.records:
        take = _TAKE.get(record["k"])
        if take is not None:
            take(ingested.node, record)


def _tree(node: Node, record: Record) -> None:
    name = str(record.get("tree"))
    if record.get("origin", "local") != "local" or name == SYSTEM_TREE:
        return
    actor = _actor(node, record)
    if record.get("what") == "applied":
        try:
            with auditlog.audited():
                trees.record_local_apply(
                    node=node,
                    document=record["document"],
                    message=str(record.get("message", "")),
                    actor=actor,
                    base_digest=record.get("base"),
                )
        except TreesError as error:
            _audit(node, record, action="tree.apply_local", target=name, outcome="failed", why=str(error))
    elif record.get("what") == "removing":
        trees.record_local_delete(node=node, name=name, actor=actor)


def _command(node: Node, record: Record) -> None:
    """A command of the store has its entry since it was asked for."""
    if record.get("id") is not None or record.get("origin") == "store":
        return
    op = str(record.get("op", "?"))
    if record.get("what") == "refused":
        _audit(
            node,
            record,
            action=_action(op),
            target=_target(record),
            outcome="refused",
            why=str((record.get("error") or {}).get("message", "")),
        )
    elif record.get("what") is None and op not in OF_TREES:
        _audit(node, record, action=_action(op), target=_target(record))


def _audit(
    node: Node, record: Mapping[str, Any], *, action: str, target: str, outcome: str = "ok", why: str = ""
) -> None:
    details = {"node": node.pk, "seq": record["seq"], "args": record.get("args") or {}}
    auditlog.record(
        actor=_actor(node, record),
        action=action,
        target=target,
        tree=target.partition("/")[0],
        outcome=outcome,
        details=details | ({"why": why} if why else {}),
    )


def _action(op: str) -> str:
    if op in OF_TREES:
        return f"tree.{op}_local"
    return f"node.{op}" if op in OF_NODES else f"child.{op}"


def _target(record: Mapping[str, Any]) -> str:
    args = record.get("args") or {}
    return str(args.get("key") or args.get("supervisor") or args.get("tree") or record.get("tree") or "")


def _actor(node: Node, record: Mapping[str, Any]) -> Actor:
    uid = record.get("uid")
    return Actor.local(uid if isinstance(uid, int) else -1, node.name)


_TAKE: Mapping[str, Callable[[Node, Record], None]] = {"tree": _tree, "command": _command}
