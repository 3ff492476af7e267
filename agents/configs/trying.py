"""A tree in which one agent tries another revision of its config, and everything else stays as it is."""

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from agents.configs.resolving import child_at, full_name
from supervision.journal.models import ObservedChild
from supervision.runtime.treedoc import TreeDocument
from supervision.runtime.treewalk import Declared
from supervision.trees.documents import read_document, stored
from supervision.trees.models import TreeRevision
from supervision.trees.resolving import REVISION, Resolved, resolve
from supervision.trees.selectors import plan_between
from supervision.trees.trials import Watch


@dataclass(frozen=True, slots=True)
class Tried:
    """What nodes run while it is tried, and what is watched."""

    resolved: Resolved
    watch: Watch


def tried(head: TreeRevision, ref: str, number: int, node_id: str) -> Tried | None:
    """Revision `number` of `ref` for one agent of the tree that runs on the node; None where no agent can try it.

    Raises InvalidDocumentError. Agents that a `simple_one_for_one` supervisor makes of a template cannot differ from it.
    """
    written = stored(head.document)
    kept = {name: int(pin[REVISION]) for name, pin in head.pins.items()}
    base, after = resolve(written, kept), resolve(written, {**kept, ref: number})
    places = list(_places(written, base.tree, ref))
    if not places:
        return None
    lives = _lives(node_id, [place.key for place in places])
    place = next((one for one in places if one.key in lives), places[0])
    document = copy.deepcopy(base.tree.sparse)
    section = child_at(after.tree.sparse, place.declared.pointer)["agent"]
    canary: dict[str, Any] = {"agent": section}
    if place.instance is not None:
        canary["instance"] = place.instance
    child_at(document, place.declared.pointer)["canary"] = canary
    tree = read_document(document)
    needs_life = any(
        step.key == place.key and step.do in ("start", "stop", "restart")
        for step in plan_between(base.tree.document, tree)
    )
    watch = Watch(
        place.key,
        after=lives.get(place.key, 0) if needs_life else None,
        may_end=place.declared.child["restart"] != "permanent",
    )
    return Tried(Resolved(tree, base.pins), watch)


def templates_of(head: TreeRevision, ref: str) -> tuple[list[str], bool]:
    """Keys of the supervisors that make agents of a template which follows the config; and whether others follow it too."""
    above: list[str] = []
    others = False
    for each in stored(head.document).declared():
        agent: Mapping[str, Any] = each.child.get("agent") or {}
        if not _follows(agent, ref):
            continue
        if each.template:
            above.append(f"{head.tree.name}/{each.above}".rstrip("/"))
        else:
            others = True
    return above, others


def _follows(agent: Mapping[str, Any], ref: str) -> bool:
    return "config" in agent and "revision" not in agent and full_name(agent["config"]) == ref


@dataclass(frozen=True, slots=True)
class _Place:
    """One agent that could try it."""

    key: str
    declared: Declared
    instance: int | None


def _places(written: TreeDocument, runs: TreeDocument, ref: str) -> Iterator[_Place]:
    """Agents whose tree follows the config, in start order."""
    found = {each.path: each for each in runs.declared()}
    for each in written.declared():
        agent: Mapping[str, Any] = each.child.get("agent") or {}
        if each.template or not _follows(agent, ref):
            continue
        declared = found[each.path]
        instances = declared.child.get("instances")
        for number in [None] if instances is None else range(1, instances + 1):
            name = each.path if number is None else f"{each.path}@{number}"
            yield _Place(f"{runs.name}/{name}", declared, number)


def _lives(node_id: str, keys: list[str]) -> dict[str, int]:
    """Incarnations of those that nobody stopped or holds."""
    rows = ObservedChild.objects.filter(node_id=node_id, key__in=keys, removed=False, wanted="up", held=False)
    return dict(rows.values_list("key", "incarnation"))
