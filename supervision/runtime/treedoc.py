"""Tree documents: what a tree file says, checked whole and made into the kernel's specification.

A document comes from anywhere (a file, the control socket, the database, the disk after a crash) and is read by the same
strict tables each time. Its normal form, with every default filled in, reads as itself.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from supervision.kernel.backoff import Backoff
from supervision.kernel.checks import SpecError
from supervision.kernel.spec import (
    AutoShutdown,
    ChildSpec,
    ChildType,
    FailureAction,
    OnFailure,
    Restart,
    Shutdown,
    StopOrder,
    Strategy,
    SupervisorSpec,
)
from supervision.runtime import celeryworkerdoc
from supervision.runtime.delivered import DELIVERED, taken_out
from supervision.runtime.fielddoc import DocumentError, DocumentErrors, Report, collect, held
from supervision.runtime.sha256 import sha256_hex
from supervision.runtime.treedependencies import Dependencies
from supervision.runtime.treefields import KINDS, MAX_CHILDREN, TREE
from supervision.runtime.treewalk import Declared, declared

_NO_CODES: frozenset[int] = frozenset()
"""One for all: each empty set made anew is 200 bytes."""

__all__ = ["Declared", "DocumentError", "DocumentErrors", "TreeDocument", "parse_tree"]


@dataclass(frozen=True)
class TreeDocument:
    """A valid tree. What is derived of it is made once: an apply asks for it several times.

    document  the normal form, JSON; not to be changed
    spec      what the kernel runs; a worker's body is `{"kind": KIND, KIND: {what differs from the defaults}}`
    """

    name: str
    spec: SupervisorSpec
    document: dict[str, Any]

    @cached_property
    def sparse(self) -> dict[str, Any]:
        """The document without what equals its default; not to be changed."""
        made: dict[str, Any] = TREE.sparse(self.document)
        return made

    @property
    def for_people(self) -> dict[str, Any]:
        """The same with units, for files that people read."""
        made: dict[str, Any] = TREE.sparse(self.document, human=True)
        return made

    @cached_property
    def digest(self) -> str:
        """Hex SHA-256 of what the document says. It has no defaults in it: a release that adds a field changes no digest."""
        canonical = json.dumps(self.sparse, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return sha256_hex(canonical.encode())

    def declared(self) -> Iterator[Declared]:
        """Every child, in start order, a supervisor before its children."""
        return declared(self.document)

    def pointer_of(self, key: str) -> str:
        """Where the child with this key (`tree/web/api@2`) is declared; the root's for the tree itself or no such key."""
        path = "/".join(part.partition("@")[0] for part in key.split("/")[1:])
        return next((each.pointer for each in self.declared() if each.path == path), "/supervisor")


def parse_tree(document: object, *, base: str | None = None) -> TreeDocument:
    """Read a document. Raises DocumentErrors with every fault. base: directory at which relative paths begin."""
    normal = collect(lambda report: _read(document, report), base)
    try:
        return TreeDocument(normal["tree"], _Specs(normal).root(), normal)
    except SpecError as error:  # the kernel knows better than the tables
        raise DocumentErrors([DocumentError(error.pointer, error.message)]) from error


def _read(document: object, report: Report) -> dict[str, Any]:
    normal: dict[str, Any] = TREE.read(document, "", report)
    if isinstance(normal, dict):
        every = list(declared(normal))
        _check_count(every, report)
        Dependencies(every).check(report)
    return normal


def _check_count(children: Iterable[Declared], report: Report) -> None:
    count = 0
    for each in children:
        instances = held(each.child, "instances")
        count += 1 if instances is None else instances
        if count > MAX_CHILDREN:
            report.add(each.pointer, f"a tree has at most {MAX_CHILDREN} children, instances counted")
            return


class _Specs:
    """Makes the kernel's specification of a valid normal form."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = document
        self._environment: Mapping[str, Any] = document["environment"]

    @cached_property
    def _dependencies(self) -> Dependencies:
        """Asked for only where a child has some."""
        return Dependencies(declared(self._document))

    def root(self) -> SupervisorSpec:
        failure = self._document["on_failure"]
        on_failure = OnFailure(
            FailureAction(failure["action"]),
            float(failure["initial"]),
            float(failure["factor"]),
            float(failure["cap"]),
        )
        return self._supervisor(self._document["supervisor"], "", on_failure)

    def _supervisor(
        self, section: Mapping[str, Any], path: str, on_failure: OnFailure | None = None
    ) -> SupervisorSpec:
        children = [spec for child in section["children"] for spec in self._child(child, path)]
        return SupervisorSpec(
            intensity=section["intensity"],
            period=float(section["period"]),
            strategy=Strategy(section["strategy"]),
            auto_shutdown=AutoShutdown(section["auto_shutdown"]),
            children=tuple(children),
            stop=StopOrder(section["stop"]),
            max_children=section.get("max_children"),
            on_failure=on_failure,
        )

    def _child(self, child: Mapping[str, Any], above: str) -> list[ChildSpec]:
        """The specification of each instance; they share what they can, also in memory."""
        path = above + child["id"]
        shutdown = child["shutdown"]
        common: dict[str, Any] = {
            "restart": Restart(child["restart"]),
            "shutdown": Shutdown(shutdown) if isinstance(shutdown, str) else float(shutdown),
            "significant": child["significant"],
            "depends_on": self._dependencies.of(path) if child["depends_on"] else (),
            "backoff": _backoff(child.get("backoff")),
        }
        if "supervisor" in child:
            inner = self._supervisor(child["supervisor"], f"{path}/")
            return [ChildSpec(child["id"], type=ChildType.SUPERVISOR, supervisor=inner, **common)]
        common["success_exit_codes"] = frozenset(child["success_exit_codes"]) or _NO_CODES
        common["body"] = self._body(child)
        common["readiness"] = _announces(child)
        instances = child.get("instances")
        if instances is None and "scale" in child[child["kind"]]:
            instances = child[child["kind"]]["scale"]["min"]  # until the control plane says how many
        tried = self._tried(child, common)
        if instances is None:
            return [ChildSpec(child["id"], **tried.get(None, common))]
        return [
            ChildSpec(f"{child['id']}@{number}", **tried.get(number, common))
            for number in range(1, instances + 1)
        ]

    def _tried(self, child: Mapping[str, Any], common: Mapping[str, Any]) -> dict[int | None, dict[str, Any]]:
        """What the instance of a canary has instead, by its number. Its end is a verdict: it counts in no intensity, and
        takes nobody along; a significant one has to count as it always does."""
        canary = child.get("canary")
        if canary is None:
            return {}
        tried = {**common, "body": self._body({**child, "agent": canary["agent"]})}
        if not child["significant"]:
            tried["restart"] = Restart.TEMPORARY
        return {canary.get("instance"): tried}

    def _body(self, child: Mapping[str, Any]) -> dict[str, Any]:
        kind = child["kind"]
        section = KINDS[kind].sparse(child[kind])
        body: dict[str, Any] = {"kind": kind, kind: section}
        if kind == "agent" and (delivered := taken_out(section)):
            body[DELIVERED] = delivered
        if kind == celeryworkerdoc.KIND:
            for name in celeryworkerdoc.OF_THE_POOL:  # a worker lives on when they change
                section.pop(name, None)
            soft = celeryworkerdoc.soft_shutdown_s(child["shutdown"])
            section |= {"soft_shutdown": soft} if soft is not None and "soft_shutdown" not in section else {}
        if self._environment and "environment" in KINDS[kind].by_name:
            if section.get("environment_files"):
                body["tree_environment"] = dict(self._environment)  # files stand between the two
            else:
                section["environment"] = {**self._environment, **section.get("environment", {})}
        return body


def _backoff(section: Mapping[str, Any] | None) -> Backoff | None:
    return None if section is None else Backoff(**{name: float(value) for name, value in section.items()})


def _announces(child: Mapping[str, Any]) -> bool:
    """Whether it is ready only when it, or a probe, says so."""
    kind = child["kind"]
    if kind == "process":
        return "readiness" in child[kind] or bool(child[kind]["pre_start"])
    return True
