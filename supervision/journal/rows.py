"""From a recovered tree to the rows that pages read: the kernel's view of each member joined with its process."""

from collections.abc import Iterator
from typing import Any

from supervision.journal.facts import Row
from supervision.kernel import ChildView
from supervision.kernel.events import StartChild
from supervision.kernel.recycling import is_stand_in
from supervision.runtime.observed import term_words
from supervision.runtime.recovery import RecoveredProcess, RecoveredTree

MAX_COMMAND = 64
"""Words of a command that a row shows."""
MAX_REASON = 400


def member_rows(
    tree: RecoveredTree, processes: dict[str, RecoveredProcess], *, offset: float
) -> Iterator[Row]:
    """A row for each member, in start order, parents first. `offset`: wall clock minus boot clock of the node."""
    for position, view in enumerate(tree.kernel.children()):
        yield {**member_row(tree, view, processes.get(view.key), offset=offset), "position": position}


def member_row(
    tree: RecoveredTree, view: ChildView, process: RecoveredProcess | None, *, offset: float
) -> Row:
    """The row of one member, without its position."""
    last = tree.last_exit.get(view.key) or {}
    row: Row = {
        "tree": tree.name,
        "key": view.key,
        "parent": view.supervisor or "",
        "child_id": view.id,
        "is_supervisor": view.spec.is_supervisor,
        "state": str(view.state),
        "wanted": "up" if view.wanted else "down",
        "incarnation": view.incarnation,
        "since": tree.since.get(view.key, view.since + offset if view.since else None),
        "restarts": view.restarts,
        "restart": str(view.spec.restart),
        "last_exit_reason": term_words(last["reason"])[:MAX_REASON] if last else "",
        "last_exit_at": last.get("at"),
        "last_exit_incarnation": last.get("incarnation"),
        "held": view.held,
        "held_until": _wall(view.held_until, offset),
        "backoff_until": _wall(view.backoff_until, offset),
        "waiting_for": list(view.waiting_for),
        "dynamic": view.dynamic,
        "ready": view.state == "running",
    }
    return row | (_of_supervisor(view) if view.spec.is_supervisor else _of_child(view, process))


def _wall(boot: float | None, offset: float) -> float | None:
    return None if boot is None else boot + offset


_NO_SUPERVISOR = {"strategy": "", "intensity": None, "period": None, "window_used": None, "stop": ""}


def _of_supervisor(view: ChildView) -> Row:
    spec = view.spec.supervisor
    row: Row = {"kind": "supervisor", "pid": None, "stage": "", "command": [], **_NO_SUPERVISOR}
    if spec is not None:
        row |= {
            "strategy": str(spec.strategy),
            "intensity": spec.intensity,
            "period": spec.period,
            "stop": str(spec.stop),
            "window_used": view.window_used,
        }
    return row


def _of_child(view: ChildView, process: RecoveredProcess | None) -> Row:
    body: dict[str, Any] = dict(view.spec.body)
    kind = str(body.get("kind", "process"))
    command = body.get(kind, {}).get("command", [])
    lives = process is not None and process.incarnation == view.incarnation and view.alive
    return {
        "kind": kind,
        "pid": process.pid if lives and process is not None else None,
        "stage": process.role if lives and process is not None else "",
        "command": [str(word) for word in command[:MAX_COMMAND]],
        **_NO_SUPERVISOR,
    }


def start_request(tree: RecoveredTree, key: str) -> list[Any] | None:
    """The `start_child` that makes this dynamic child again elsewhere, as JSON; None when it is gone already, or
    only stands in for another one."""
    view = tree.kernel.child(key)
    above = tree.kernel.child(view.supervisor) if view is not None and view.supervisor is not None else None
    spec = above.spec.supervisor if above is not None else None
    if view is None or above is None or spec is None or is_stand_in(key):
        return None
    if not spec.is_simple:
        return StartChild(above.key, child=view.spec).to_json()
    return StartChild(above.key, instance=view.id).to_json()


def tree_row(tree: RecoveredTree, dynamic: list[list[Any]]) -> Row:
    """`dynamic`: requests for its dynamic children, in start order."""
    root = tree.kernel.child(tree.name)
    return {
        "name": tree.name,
        "revision": tree.revision,
        "digest": tree.digest,
        "message": tree.message,
        "applied_at": tree.applied_at or None,
        "state": str(root.state) if root is not None else "stopped",
        "ended": "" if tree.ended is None else term_words(tree.ended)[:MAX_REASON],
        "dynamic": dynamic,
    }
