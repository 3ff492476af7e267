"""What a node should do about its trees: pure comparison of what is placed on it with what it has."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

REMOVING = "removing"


@dataclass(frozen=True, slots=True)
class Wanted:
    """A tree that is placed on the node, or was until now (`state` removing)."""

    name: str
    revision: int
    digest: str
    epoch: int
    fence: bool
    state: str


@dataclass(frozen=True, slots=True)
class Present:
    """A tree as the node has it. `origin`: "store", or "local" for one that only this node knows yet."""

    name: str
    revision: int
    digest: str
    origin: str
    epoch: int
    fence: bool
    removing: bool

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> "Present":
        """From the control socket's `trees`."""
        return cls(**{name: body[name] for name in cls.__slots__})


@dataclass(frozen=True, slots=True)
class Apply:
    """Make it this revision; `known`: the one that is there, None when the tree is new here."""

    tree: str
    known: int | None


@dataclass(frozen=True, slots=True)
class Delete:
    """Stop it and forget it."""

    tree: str
    known: int


@dataclass(frozen=True, slots=True)
class Gone:
    """It is placed here to be removed, and nothing of it is left: the placement ends."""

    tree: str
    epoch: int


Step = Apply | Delete | Gone


def reconcile(wanted: Iterable[Wanted], present: Iterable[Present]) -> list[Step]:
    """What is to be done, removals first: they make room. Nothing for a tree that is on its way out, whatever is wanted;
    nothing for one that only this node knows: it becomes a revision, and then it is placed here."""
    here = {tree.name: tree for tree in present}
    steps: list[Step] = []
    placed = set()
    for one in wanted:
        placed.add(one.name)
        there = here.get(one.name)
        if there is not None and there.removing:
            continue
        if one.state == REMOVING:
            steps.append(Gone(one.name, one.epoch) if there is None else Delete(one.name, there.revision))
        elif there is None:
            steps.append(Apply(one.name, None))
        elif _differs(one, there):
            steps.append(Apply(one.name, there.revision))
    steps += [
        Delete(tree.name, tree.revision)
        for tree in here.values()
        if tree.origin == "store" and not tree.removing and tree.name not in placed
    ]
    return sorted(steps, key=lambda step: (isinstance(step, Apply), step.tree))


def _differs(wanted: Wanted, there: Present) -> bool:
    return (
        there.origin != "store"
        or (wanted.revision, wanted.digest, wanted.epoch) != (there.revision, there.digest, there.epoch)
        or wanted.fence != there.fence
    )
