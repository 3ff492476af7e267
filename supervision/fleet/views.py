"""What placement is decided from, and what it decides: nodes, trees, rows, steps. Plain values, of rows or of tests."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from supervision.fleet.leases import Standing, may_take_over
from supervision.runtime.placementfields import ONE


class RowState(StrEnum):
    """`assigned` runs there; `draining` runs there until its replacement is ready; `removing` is to be gone."""

    ASSIGNED = "assigned"
    DRAINING = "draining"
    REMOVING = "removing"


@dataclass(frozen=True, slots=True)
class NodeView:
    """A node as its row says. `standing` is what was written about it, `lease_until` seconds of the database's clock.

    kinds   kinds of children it can run; None: all
    """

    id: str
    name: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    standing: Standing = Standing.UP
    draining: bool = False
    lease_until: float | None = None
    kinds: frozenset[str] | None = None

    @property
    def called(self) -> str:
        return self.name or self.id

    def is_lost(self, now: float) -> bool:
        """Marked as down, so that its renewals are refused, and its lease over long enough."""
        return self.standing is Standing.DOWN and may_take_over(self.lease_until, now)

    def takes_new(self, now: float) -> bool:
        up = self.lease_until is not None and now < self.lease_until
        return self.standing is Standing.UP and up and not self.draining


@dataclass(frozen=True, slots=True)
class Wish:
    """What a tree's document asks for. Build with `from_document`."""

    labels: Mapping[str, str] = field(default_factory=dict)
    mode: str = ONE
    replicas: int = 1
    singleton: bool = False
    fence: bool = False

    @classmethod
    def from_document(cls, document: Mapping[str, object]) -> "Wish":
        """From a valid tree document, in its normal or its sparse form."""
        said = document.get("placement")
        section: Mapping[str, object] = said if isinstance(said, Mapping) else {}
        labels, replicas, fence = section.get("labels"), section.get("replicas"), section.get("fence")
        singleton = section.get("singleton") is True
        return cls(
            labels={str(k): str(v) for k, v in labels.items()} if isinstance(labels, Mapping) else {},
            mode=str(section.get("mode", ONE)),
            replicas=replicas if isinstance(replicas, int) else 1,
            singleton=singleton,
            fence=fence if isinstance(fence, bool) else singleton,
        )


@dataclass(frozen=True, slots=True)
class TreeView:
    """A tree and what it asks for.

    epoch   the highest that an assignment of it ever had
    kinds   of its children
    weight  what it adds to the load of a node: its children
    """

    name: str
    wish: Wish = field(default_factory=Wish)
    deleted: bool = False
    epoch: int = 0
    kinds: frozenset[str] = frozenset()
    weight: int = 1


@dataclass(frozen=True, slots=True)
class Row:
    """One placement. `ready`: the node has it and all is ready; `gone`: the node confirmed that it has it no more."""

    tree: str
    node: str
    replica: int = 0
    epoch: int = 1
    state: RowState = RowState.ASSIGNED
    ready: bool = False
    gone: bool = False

    @property
    def is_active(self) -> bool:
        return self.state is not RowState.REMOVING


@dataclass(frozen=True, slots=True)
class Assign:
    """A new placement. `carry_from`: the node whose stopped, held and added children it takes along."""

    tree: str
    node: str
    replica: int
    epoch: int
    carry_from: str | None
    why: str


@dataclass(frozen=True, slots=True)
class Change:
    """A placement gets another state. `removing` ends it on its node."""

    tree: str
    node: str
    state: RowState
    why: str


@dataclass(frozen=True, slots=True)
class Forget:
    """The placement's row is not needed any more."""

    tree: str
    node: str


Step = Assign | Change | Forget
