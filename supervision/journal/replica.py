"""A copy of one node's state, kept by folding its journal with the node's own recovery code.

Because the kernel is deterministic (docs/adr/0003), the copy is the node's state after each record, to the field. Pure: no
store, no clock. Feed it from the beginning of a segment, which opens with a snapshot; a snapshot met later takes the place
of what was folded, so that also records that were lost heal.

Rows are compared with those of the batch before, so that a batch tells only what changed. Most steps concern a key and its
supervisors, and only those are looked at; a step that may change the shape of a tree has all of it looked at.
"""

from collections.abc import Iterable
from typing import Any

from supervision.journal.facts import Batch, Changes, Record, Row, StrayFact
from supervision.journal.rows import member_row, member_rows, start_request, tree_row
from supervision.kernel.actions import Kill, Signal, Start, State
from supervision.kernel.events import (
    Begin,
    Call,
    Event,
    Exited,
    Ready,
    Started,
    StartFailed,
    StopRoot,
    event_from_json,
)
from supervision.runtime.observed import term_words
from supervision.runtime.recovery import Recovered, RecoveredTree, from_snapshot

PARTIAL = (Started, Ready, Exited, StartFailed)
"""Events of one child. They change rows of that child, of who is named in the actions, of who waits for it."""
ABOUT_A_KEY = frozenset({Start.tag, Signal.tag, Kill.tag, State.tag})
"""Actions whose second part is a key."""
MAX_REASON = 400


class Replica:
    """See the module's docstring. Not for threads."""

    def __init__(self) -> None:
        self.state = Recovered()
        self.seq = 0
        self.is_synced = False
        """Whether a snapshot, or the very first record of the stream, was seen."""
        self._rows: dict[str, dict[str, Row]] = {}
        self._trees: dict[str, Row] = {}
        self._offset = 0.0
        self._changes = Changes()
        self._touched: dict[str, set[str] | None] = {}
        """tree -> keys to look at; None: all of it."""

    def fold(self, records: Iterable[Record]) -> Batch:
        """Take records into account; what they changed. Records must follow each other."""
        taken = list(records)
        for record in taken:
            self._take(record)
        return Batch(taken, self._finish())

    def skip(self, records: Iterable[Record]) -> None:
        """Fold what is written already: nothing of it is a change."""
        self.fold(records)

    def everything(self) -> Changes:
        """All rows there are, for who begins with nothing."""
        changes = Changes(whole=True)
        for name, tree in self.state.trees.items():
            changes.trees[name] = self._tree_row(tree)
            changes.members.update(self._rows.get(name, {}))
        return changes

    def _tree_row(self, tree: RecoveredTree) -> Row:
        rows = [row for row in self._rows.get(tree.name, {}).values() if row["dynamic"]]
        keys = [row["key"] for row in sorted(rows, key=lambda row: row["position"])]
        return tree_row(tree, [request for key in keys if (request := start_request(tree, key)) is not None])

    # -- one record -------------------------------------------------------------------------------------------------

    def _take(self, record: Record) -> None:
        kind = record["k"]
        self.seq = int(record["seq"])
        if kind == "damage":
            self.is_synced = False
            return
        if record.get("b"):
            self._offset = float(record["t"]) - float(record["b"])
        if kind == "snapshot":
            self._resync(record)
            return
        if self.seq == 1:
            self.is_synced = True
        problems = len(self.state.problems)
        self.state.apply(record)
        if len(self.state.problems) > problems:
            self.is_synced = False  # until the next snapshot says how it is
        try:
            self._notice(kind, record)
        except (KeyError, ValueError, TypeError, IndexError) as error:
            # Written by another release, or damaged in a way that is still JSON: it is stored, and changes no row.
            self.state.problems.append(f"record {self.seq} ({kind}): {type(error).__name__}: {error}")
            self.is_synced = False

    def _notice(self, kind: str, record: Record) -> None:
        if kind == "step":
            self._step(record)
        elif kind == "tree":
            self._touched[str(record["tree"])] = None
        elif kind == "process" and "pid" in record:
            self._touch(str(record["key"]))
        elif kind == "exit":
            self._evidence(record)
        elif kind == "stray":
            self._stray(record)
        elif kind == "node":
            for name in self.state.trees:
                self._touched[name] = None

    def _resync(self, record: Record) -> None:
        self.state = from_snapshot(record)
        self.is_synced = True
        for name in {*self._rows, *self.state.trees}:
            self._touched[name] = None

    def _touch(self, key: str) -> None:
        name = key.partition("/")[0]
        keys = self._touched.setdefault(name, set())
        if keys is not None:
            keys.add(key)

    def _step(self, record: Record) -> None:
        name = str(record["tree"])
        event = event_from_json(record["event"])
        self._lives(event, record)
        if isinstance(event, Begin | StopRoot | Call) or self._concerns_supervisors(name, record["actions"]):
            self._touched[name] = None
            return
        for key in _keys(event, record["actions"]):
            self._touch(key)
        if isinstance(event, PARTIAL):
            self._touch_waiting(name)
        else:
            self._touch_all_but_quiet(name)

    def _concerns_supervisors(self, name: str, actions: list[Any]) -> bool:
        """Whether a supervisor starts or ends: its children come or go as a whole."""
        rows = self._rows.get(name, {})
        return any(key not in rows or rows[key]["is_supervisor"] for key in _named(actions))

    def _touch_waiting(self, name: str) -> None:
        for key, row in self._rows.get(name, {}).items():
            if row["waiting_for"]:
                self._touch(key)

    def _touch_all_but_quiet(self, name: str) -> None:
        """A tick: holds and waits may be over."""
        for key, row in self._rows.get(name, {}).items():
            if row["held"] or row["backoff_until"] is not None or row["waiting_for"] or row["is_supervisor"]:
                self._touch(key)

    def _lives(self, event: Event, record: Record) -> None:
        if isinstance(event, Started):
            life = self._changes.life(event.key, event.incarnation)
            life.pid = (record.get("process") or {}).get("pid")
            life.started_at = record["t"]
        elif isinstance(event, Ready):
            self._changes.life(event.key, event.incarnation).ready_at = record["t"]
        elif isinstance(event, Exited | StartFailed):
            life = self._changes.life(event.key, event.incarnation)
            life.ended_at = record["t"]
            life.reason = term_words(event.reason)[:MAX_REASON]

    def _evidence(self, record: Record) -> None:
        life = self._changes.life(str(record["key"]), int(record["incarnation"]))
        life.stderr_tail = list(record.get("stderr", ()))
        cause: dict[str, Any] = {
            name: record[name] for name in ("status", "source", "cause") if name in record
        }
        life.cause = cause or None

    def _stray(self, record: Record) -> None:
        pid, start_time = int(record["pid"]), int(record.get("start_time") or 0)
        command = record.get("command") or []
        self._changes.strays[pid, start_time] = StrayFact(
            pid=pid,
            start_time=start_time,
            command=[str(word) for word in ([command] if isinstance(command, str) else command)],
            parent_pid=record.get("ppid"),
            at=float(record["t"]),
            state=str(record["what"]),
            owner=str(record.get("key") or ""),
        )

    # -- after a batch ----------------------------------------------------------------------------------------------

    def _finish(self) -> Changes:
        changes, self._changes = self._changes, Changes()
        touched, self._touched = self._touched, {}
        for name, keys in touched.items():
            tree = self.state.trees.get(name)
            if tree is None:
                self._tree_gone(name, changes)
                continue
            before = self._rows.setdefault(name, {})
            if keys is None or not self._look_at(tree, keys, before, changes):
                self._look_at_all(tree, before, changes)
            row = self._tree_row(tree)
            if row != self._trees.get(name):
                self._trees[name] = changes.trees[name] = row
        return changes

    def _tree_gone(self, name: str, changes: Changes) -> None:
        self._trees.pop(name, None)
        changes.gone |= self._rows.pop(name, {}).keys()
        changes.trees_gone.add(name)

    def _look_at(self, tree: RecoveredTree, keys: set[str], before: dict[str, Row], changes: Changes) -> bool:
        """Compare the rows of `keys` and of the supervisors above; False when the tree's shape is another one."""
        for key in {above for touched in keys for above in _upwards(touched)}:
            view = tree.kernel.child(key)
            old = before.get(key)
            if view is None or old is None or old["is_supervisor"] != view.spec.is_supervisor:
                return False
            row = member_row(tree, view, self.state.processes.get(key), offset=self._offset)
            row["position"] = old["position"]
            if differs(row, old):
                before[key] = changes.members[key] = row
        return True

    def _look_at_all(self, tree: RecoveredTree, before: dict[str, Row], changes: Changes) -> None:
        now = {row["key"]: row for row in member_rows(tree, self.state.processes, offset=self._offset)}
        for key, row in now.items():
            if differs(row, before.get(key)):
                before[key] = changes.members[key] = row
        for key in before.keys() - now.keys():
            del before[key]
            changes.gone.add(key)
            changes.members.pop(key, None)


def differs(row: Row, old: Row | None) -> bool:
    """Whether a reader should hear of it. Times may move by what the clocks drifted apart meanwhile."""
    if old is None:
        return True
    for name, value in row.items():
        other = old[name]
        if value != other and not (
            isinstance(value, float) and isinstance(other, float) and abs(value - other) < 0.5
        ):
            return True
    return False


def _upwards(key: str) -> Iterable[str]:
    parts = key.split("/")
    return ("/".join(parts[:depth]) for depth in range(len(parts), 0, -1))


def _keys(event: Event, actions: list[Any]) -> set[str]:
    """Keys that a step names."""
    keys = set(_named(actions))
    key = getattr(event, "key", None)
    return keys | {key} if isinstance(key, str) else keys


def _named(actions: list[Any]) -> Iterable[str]:
    return (action[1] for action in actions if action[0] in ABOUT_A_KEY)
