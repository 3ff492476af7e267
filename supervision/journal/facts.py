"""What records tell, as plain values: changed members, lives, strays, trees.

Made by the replica, written by the services.
"""

from dataclasses import dataclass, field
from typing import Any

Record = dict[str, Any]
Row = dict[str, Any]
"""Column -> value of an ObservedChild or ObservedTree, without its node and seq. Times are Unix seconds, made into
datetimes where they are written."""


@dataclass(slots=True)
class Life:
    """What a batch tells of one incarnation; None: it says nothing of that."""

    tree: str
    key: str
    number: int
    pid: int | None = None
    started_at: float | None = None
    ready_at: float | None = None
    ended_at: float | None = None
    reason: str | None = None
    stderr_tail: list[str] | None = None
    cause: dict[str, Any] | None = None


@dataclass(slots=True)
class StrayFact:
    """The latest a batch tells of one stray."""

    pid: int
    start_time: int
    command: list[str]
    parent_pid: int | None
    at: float
    state: str
    owner: str = ""


@dataclass(slots=True)
class Changes:
    """Everything that is different after a batch of records. `members` and `trees` are whole rows, as they are now."""

    members: dict[str, Row] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)
    trees: dict[str, Row] = field(default_factory=dict)
    trees_gone: set[str] = field(default_factory=set)
    lives: dict[tuple[str, int], Life] = field(default_factory=dict)
    strays: dict[tuple[int, int], StrayFact] = field(default_factory=dict)
    whole: bool = False
    """The rows are all there are: what is not among them is gone (after a resync)."""

    def life(self, key: str, number: int) -> Life:
        return self.lives.setdefault((key, number), Life(key.partition("/")[0], key, number))


@dataclass(frozen=True, slots=True)
class Batch:
    """Consecutive records of one stream, and what they changed. Built once, written as often as it takes."""

    records: list[Record]
    changes: Changes

    @property
    def first_seq(self) -> int:
        return int(self.records[0]["seq"])

    @property
    def last_seq(self) -> int:
        last = self.records[-1]
        return int(last["seq"]) if last["k"] != "damage" else int(last.get("last") or last["seq"])
