"""From a tree as it is written to what nodes run: rooms above fill in what a document only names, such as agent configs.

The document that a person wrote stays as it is; what it was resolved to, and from which revisions, is kept beside it, so
that every revision of a tree says for ever what ran (a roll-back runs exactly that again).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from supervision.runtime.treedoc import TreeDocument

FOLLOWS = "follows"
REVISION = "revision"


@dataclass(frozen=True, slots=True)
class Resolved:
    """What nodes run, and what it was made from.

    pins  name -> `{"revision": n, "follows": bool}`: what the document names, with the revision that was filled in; one that
          follows moves on with the next revision of it
    """

    tree: TreeDocument
    pins: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


Resolver = Callable[[TreeDocument, Mapping[str, int]], Resolved]
"""Raises InvalidDocumentError for a name that means nothing. The second argument says which revision a name that follows is
to have, where it is not its newest."""

_RESOLVERS: list[Resolver] = []


def resolves(resolver: Resolver) -> Resolver:
    """Register the resolver, once."""
    if resolver not in _RESOLVERS:
        _RESOLVERS.append(resolver)
    return resolver


def resolve(tree: TreeDocument, at: Mapping[str, int] | None = None) -> Resolved:
    """What nodes run of `tree`. Inside a transaction: what was read stays as it is until that ends."""
    pins: dict[str, Mapping[str, Any]] = {}
    for resolver in _RESOLVERS:
        found = resolver(tree, at or {})
        tree = found.tree
        pins |= found.pins
    return Resolved(tree, pins)
