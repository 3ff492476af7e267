"""Reading journal records: which keys one is about, and a `step` taken apart.

The lists in a step are the compact forms that the kernel's `to_json` writes: a tag, then the fields in the order of the
dataclass (supervision/kernel/events.py and actions.py). They are read by position here rather than built as objects, because
a newer node may have written tags that this release does not know, and its records must still be readable.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from supervision.runtime.observed import term_words

JournalRecord = Mapping[str, Any]
"""One record: v, seq, t (Unix seconds), b (boot seconds), k (kind), and the kind's own fields."""

ABOUT_KEY = frozenset({"started", "start_failed", "declined", "exited", "ready"})
"""Events whose first field is a child's key."""

ABOUT_SUPERVISOR = frozenset(
    {
        "start_child",
        "terminate_child",
        "restart_child",
        "delete_child",
        "get_childspec",
        "which_children",
        "count_children",
        "change_spec",
    }
)
KEY_REQUESTS = frozenset({"start", "stop", "restart", "recycle", "escalate", "hold", "release"})


@dataclass(frozen=True, slots=True)
class Decision:
    """One `report` of the kernel: what a supervisor decided, about which child, and why."""

    kind: str
    supervisor: str
    child: str | int | None
    reason: str
    detail: Mapping[str, Any]

    @property
    def key(self) -> str:
        """The child's key, or the supervisor's where the decision is about no single child."""
        return f"{self.supervisor}/{self.child}" if isinstance(self.child, str) else self.supervisor

    @property
    def affected(self) -> list[str]:
        """Keys that a restart concerns."""
        keys = self.detail.get("affected")
        return [str(key) for key in keys] if isinstance(keys, list) else []


@dataclass(frozen=True, slots=True)
class Change:
    """One change of state of a child or supervisor."""

    key: str
    old: str | None
    new: str
    incarnation: int
    reason: str


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that happened to a tree, and what its kernel made of it."""

    seq: int
    at: float
    boot: float
    tree: str
    event: tuple[Any, ...]
    actions: tuple[tuple[Any, ...], ...]
    pid: int | None

    @classmethod
    def of(cls, record: JournalRecord) -> "Step | None":
        """None for records of other kinds, and for steps that are not as this release knows them."""
        event, actions = record.get("event"), record.get("actions")
        if (
            record.get("k") != "step"
            or not isinstance(event, list)
            or not event
            or not isinstance(actions, list)
        ):
            return None
        process = record.get("process")
        pid = process.get("pid") if isinstance(process, Mapping) else None
        return cls(
            int(record["seq"]),
            float(record["t"]),
            float(record["b"]),
            str(record.get("tree", "")),
            tuple(event),
            tuple(tuple(action) for action in actions if isinstance(action, list) and action),
            pid if isinstance(pid, int) else None,
        )

    @property
    def tag(self) -> str:
        return str(self.event[0])

    @property
    def request(self) -> tuple[Any, ...]:
        """What a call asks for, empty for other events."""
        asked = self.event[2] if self.tag == "call" and len(self.event) > 2 else None
        return tuple(asked) if isinstance(asked, list) else ()

    @property
    def key(self) -> str:
        """Whom the event is about; the tree for events about the whole of it."""
        if self.tag in ABOUT_KEY:
            return str(_field(self.event, 1, self.tree))
        request = self.request
        if request and request[0] in KEY_REQUESTS | ABOUT_SUPERVISOR:
            return str(_field(request, 1, self.tree))
        return self.tree

    @property
    def incarnation(self) -> int:
        number = _field(self.event, 2, 0) if self.tag in ABOUT_KEY else 0
        return number if isinstance(number, int) else 0

    @property
    def reason(self) -> str:
        """Why it ended or did not start, as the product spells reasons."""
        if self.tag in ("exited", "start_failed"):
            return term_words(_field(self.event, 3, ""))
        return term_words(_field(self.event, 1, "")) if self.tag == "stop_root" else ""

    def decisions(self, *kinds: str) -> Iterator[Decision]:
        """Its reports in order; only those of `kinds` where any are given."""
        for action in self.actions:
            if action[0] == "report" and len(action) >= 4 and (not kinds or action[1] in kinds):
                detail = _field(action, 5, {})
                yield Decision(
                    str(action[1]),
                    str(action[2]),
                    action[3] if isinstance(action[3], str | int) else None,
                    term_words(_field(action, 4, None)),
                    detail if isinstance(detail, Mapping) else {},
                )

    def changes(self) -> Iterator[Change]:
        for action in self.actions:
            if action[0] == "state" and len(action) >= 5:
                old = action[2]
                yield Change(
                    str(action[1]),
                    None if old is None else str(old),
                    str(action[3]),
                    action[4] if isinstance(action[4], int) else 0,
                    term_words(_field(action, 5, None)),
                )

    def acts(self, tag: str) -> Iterator[str]:
        """Keys that a `start`, `signal` or `kill` of this step concerns."""
        return (str(action[1]) for action in self.actions if action[0] == tag and len(action) > 1)

    def wall(self, boot: float) -> float:
        """A boot time named in this step, as Unix seconds."""
        return boot + (self.at - self.boot)


def keys_of(record: JournalRecord) -> set[str]:
    """Every key, or tree, that a record is about."""
    step = Step.of(record)
    if step is not None:
        keys = {step.key, *(change.key for change in step.changes()), *(one.key for one in step.decisions())}
        for tag in ("start", "signal", "kill"):
            keys.update(step.acts(tag))
        return keys
    keys = {str(record[name]) for name in ("key", "tree") if isinstance(record.get(name), str)}
    args = record.get("args")
    if isinstance(args, Mapping):
        keys |= {str(args[name]) for name in ("key", "tree", "supervisor") if isinstance(args.get(name), str)}
    identities = record.get("identities")
    if isinstance(identities, list):
        keys |= {str(one[0]) for one in identities if isinstance(one, list) and one}
    return keys


def _field(values: tuple[Any, ...], at: int, otherwise: Any) -> Any:
    return values[at] if len(values) > at and values[at] is not None else otherwise
