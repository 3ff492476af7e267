"""A tree's agents with their configs filled in: what nodes run of a document that only names configs.

What the tree writes beside `config` wins; `arguments`, `environment` and `metadata` are merged name by name, everything else
as a whole. A value that equals the default counts as not written, in the tree as in the config.
"""

import copy
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from django.db import connection

from agents.configs.document import POLICY, ConfigDocument
from agents.configs.models import AgentConfig, AgentConfigRevision
from supervision.runtime.treedoc import DocumentErrors, TreeDocument, parse_tree
from supervision.runtime.treewalk import Declared
from supervision.trees.exceptions import Fault, InvalidDocumentError
from supervision.trees.resolving import FOLLOWS, REVISION, Resolved

MERGED = ("arguments", "environment", "metadata")
DEFAULT_NAMESPACE = "default"
_BESIDE = ("kind", *POLICY)
"""Fields of a config that are none of the `agent` section."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A config as it would be: revision `number` of `ref` says `document`."""

    ref: str
    number: int
    document: ConfigDocument


@dataclass(frozen=True, slots=True)
class _Use:
    """One child that names a config; `revision` None: the tree follows it."""

    declared: Declared
    ref: str
    revision: int | None


def full_name(name: str) -> str:
    """`namespace/name` of what a tree may write without its namespace."""
    return name if "/" in name else f"{DEFAULT_NAMESPACE}/{name}"


def fill_in(tree: TreeDocument, at: Mapping[str, int], candidate: Candidate | None = None) -> Resolved:
    """The resolver of trees. Holds what it read until the transaction ends. Raises InvalidDocumentError.

    `candidate` is taken for the newest revision of its config, whatever is stored.
    """
    uses = [
        _use(each) for each in tree.declared() if each.kind == "agent" and "config" in each.child["agent"]
    ]
    if not uses:
        return Resolved(tree)
    heads = _heads({use.ref for use in uses})
    if candidate is not None:
        heads[candidate.ref] = candidate.number
    wanted = [(use, _revision_of(use, at, heads)) for use in uses]
    faults = [_missing(use, heads) for use, number in wanted if number is None]
    if faults:
        raise InvalidDocumentError(faults)
    found = _documents({(use.ref, number) for use, number in wanted if number is not None}, candidate)
    unknown = [
        Fault(f"{use.declared.pointer}/agent/revision", f"{use.ref} has no revision {number}")
        for use, number in wanted
        if (use.ref, number) not in found
    ]
    if unknown:
        raise InvalidDocumentError(unknown)
    document = copy.deepcopy(tree.sparse)
    pins: dict[str, dict[str, Any]] = {}
    for use, number in wanted:
        assert number is not None  # a missing one was refused above  # noqa: S101
        _merge(child_at(document, use.declared.pointer), use.ref, number, found[use.ref, number])
        follows = use.revision is None or pins.get(use.ref, {}).get(FOLLOWS, False)
        if use.revision is None or use.ref not in pins:
            pins[use.ref] = {REVISION: number, FOLLOWS: follows}
    return Resolved(_parsed(document, wanted), pins)


def _use(each: Declared) -> _Use:
    section = each.child["agent"]
    return _Use(each, full_name(section["config"]), section.get("revision"))


def _revision_of(use: _Use, at: Mapping[str, int], heads: Mapping[str, int]) -> int | None:
    if use.ref not in heads:
        return None
    return use.revision if use.revision is not None else at.get(use.ref, heads[use.ref])


def _missing(use: _Use, heads: Mapping[str, int]) -> Fault:
    return Fault(f"{use.declared.pointer}/agent/config", f"there is no agent config {use.ref}")


_HEADS = """
SELECT c.namespace || '/' || c.name, r.number
FROM agents_agentconfig c
JOIN agents_agentconfigrevision r ON r.id = c.head_id
WHERE c.namespace || '/' || c.name = ANY(%s)
ORDER BY c.id
FOR SHARE OF c
"""
"""The newest revision of each, held against changes: whoever makes a new one waits until this tree's revision is stored,
and then finds it among those that follow."""


def _heads(refs: Iterable[str]) -> dict[str, int]:
    with connection.cursor() as cursor:
        cursor.execute(_HEADS, [sorted(refs)])
        return dict(cursor.fetchall())


def _documents(
    wanted: Iterable[tuple[str, int]], candidate: Candidate | None
) -> dict[tuple[str, int], dict[str, Any]]:
    found = {} if candidate is None else {(candidate.ref, candidate.number): candidate.document.sparse}
    names = sorted({ref.partition("/") for ref, _number in wanted if (ref, _number) not in found})
    rows = AgentConfigRevision.objects.filter(
        config__namespace__in={name[0] for name in names},
        config__name__in={name[2] for name in names},
        number__in={number for _ref, number in wanted},
    ).values_list("config__namespace", "config__name", "number", "document")
    for namespace, name, number, document in rows:
        found.setdefault((f"{namespace}/{name}", number), document)
    return found


def child_at(document: dict[str, Any], pointer: str) -> dict[str, Any]:
    """The child that a pointer leads to."""
    here: Any = document
    for part in pointer.split("/")[1:]:
        here = here[int(part)] if isinstance(here, list) else here[part]
    child: dict[str, Any] = here
    return child


def _merge(child: dict[str, Any], ref: str, number: int, config: Mapping[str, Any]) -> None:
    """The child as written takes what the config says and it does not."""
    written = child["agent"]
    merged = {name: value for name, value in config.items() if name not in _BESIDE}
    if "entry_point" in written or "command" in written:
        merged.pop("entry_point", None)
        merged.pop("command", None)
    for name in MERGED:
        if name in written and name in merged:
            merged[name] = {**merged[name], **written[name]}
    own = {name: value for name, value in written.items() if name not in merged or name not in MERGED}
    child["agent"] = {"namespace": ref.partition("/")[0], **merged, **own, "config": ref, "revision": number}
    for name in POLICY:
        if name in config:
            child.setdefault(name, config[name])


def _parsed(document: dict[str, Any], uses: Iterable[tuple[_Use, int | None]]) -> TreeDocument:
    try:
        return parse_tree(document, base="/")
    except DocumentErrors as errors:
        raise InvalidDocumentError(
            [_blamed(Fault(error.pointer, error.message), uses) for error in errors.errors]
        ) from errors


def _blamed(fault: Fault, uses: Iterable[tuple[_Use, int | None]]) -> Fault:
    """What is wrong only together with a config says with which."""
    for use, number in uses:
        if fault.pointer.startswith(use.declared.pointer):
            return replace(fault, detail=f"with {use.ref} revision {number}: {fault.detail}")
    return fault


def config_row(ref: str) -> AgentConfig | None:
    """The config that a tree calls so."""
    namespace, _, name = full_name(ref).partition("/")
    return AgentConfig.objects.filter(namespace=namespace, name=name).select_related("head").first()
