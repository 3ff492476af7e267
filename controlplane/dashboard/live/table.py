"""A topic's rows in memory: every cell knows the sequence number at which it changed last.

What a reader at number `a` has missed is then a question to the table, not to a queue: rows whose number is above `a`,
newest first. Only removals have to be remembered apart; they are, for `KEEP_S` and up to `KEEP_ROWS`. A reader older
than what was forgotten (`floor`) has to begin again.
"""

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

KEEP_S = 30.0
KEEP_ROWS = 65_536
NO_TREE = "*"
"""Of rows in a table without trees: no name of a tree, and seen by all who have the topic."""


class Row:
    """Values, and for each the number of its last change. `seq` is the newest of them."""

    __slots__ = ("_changes", "seq", "tree", "values")

    def __init__(self, values: list[Any], seq: int, tree: str) -> None:
        self.values = values
        self.seq = seq
        self.tree = tree
        self._changes = [(seq, (1 << len(values)) - 1)]
        """Numbers, oldest first, each with the mask of the columns that changed last with it. They are few: what a sample
        brings changes together. So what a reader missed is said by a step or two, not by asking each of 32 columns."""

    def mark(self, seq: int, mask: int) -> None:
        """Columns of `mask` changed with number `seq`."""
        self.seq = seq
        if self._changes[-1][1] == mask:  # as the last time, which is what samples do
            self._changes[-1] = (seq, mask)
            return
        kept = [(at, left) for at, columns in self._changes if (left := columns & ~mask)]
        if kept and kept[-1][0] == seq:
            kept[-1] = (seq, kept[-1][1] | mask)
        else:
            kept.append((seq, mask))
        self._changes = kept

    def changed_since(self, seq: int) -> int:
        """The mask of the columns whose number is above `seq`."""
        mask = 0
        for at, columns in reversed(self._changes):
            if at <= seq:
                break
            mask |= columns
        return mask


@dataclass(frozen=True, slots=True)
class Removed:
    """A row that is gone. at: when, seconds since boot."""

    seq: int
    at: float
    tree: str


class Table:
    """Rows of one topic. Changes come in batches; all changes of a batch have its number.

    columns   names, in the order of masks
    urgent    columns whose change is sent at once; coming and going always is
    tree_at   which column names a row's tree, for permissions; None: rows belong to no tree
    """

    def __init__(
        self,
        topic: str,
        columns: Sequence[str],
        *,
        epoch: str,
        urgent: Sequence[str] = (),
        tree_column: str | None = None,
    ) -> None:
        self.topic = topic
        self.columns = tuple(columns)
        self.at = {name: at for at, name in enumerate(self.columns)}
        self.epoch = epoch
        self.tree_at = None if tree_column is None else self.at[tree_column]
        self.rows: OrderedDict[str, Row] = OrderedDict()
        """By time of their last change, oldest first."""
        self.removed: OrderedDict[str, Removed] = OrderedDict()
        """By time, oldest first."""
        self.sampled: dict[str, tuple[float, int]] = {}
        """Node: when its newest sample was taken (Unix seconds), and the number it came with."""
        self.seq = 0
        self.urgent_seq = 0
        self.floor = 0
        self.used_at = 0.0
        """When somebody last asked for something of it; the hub drops tables that nobody uses."""
        self._urgent = self.mask_of(urgent)
        self._open = False

    def mask_of(self, columns: Iterable[str]) -> int:
        """Those of them that there are."""
        return sum(1 << self.at[name] for name in columns if name in self.at)

    # -- writing -----------------------------------------------------------------------------------------------------

    def put(self, row_id: str, values: Sequence[Any]) -> bool:
        """Set a whole row; what is equal stays unchanged. Whether anything changed."""
        row = self.rows.get(row_id)
        if row is None:
            seq = self._number(urgent=True)
            tree = str(values[self.tree_at]) if self.tree_at is not None else NO_TREE
            self.rows[row_id] = Row(list(values), seq, tree)
            self.removed.pop(row_id, None)
            return True
        return self._set(row_id, row, enumerate(values))

    def patch(self, row_id: str, values: Mapping[int, Any]) -> bool:
        """Set some cells, by column number, of a row that exists. Whether anything changed."""
        row = self.rows.get(row_id)
        return row is not None and self._set(row_id, row, values.items())

    def patch_span(self, row_id: str, first: int, values: Sequence[Any]) -> None:
        """Set cells that stand side by side, none of them urgent: what each sample does to each row."""
        row = self.rows.get(row_id)
        if row is None:
            return
        old, mask = row.values, 0
        for at, value in enumerate(values, first):
            if old[at] != value:
                old[at] = value
                mask |= 1 << at
        if mask:
            row.mark(self._number(urgent=False), mask)
            self.rows.move_to_end(row_id)

    def _set(self, row_id: str, row: Row, cells: Any) -> bool:  # Iterable of (column, value), of two kinds
        mask, old = 0, row.values
        for at, value in cells:
            if old[at] != value:
                old[at] = value
                mask |= 1 << at
        if mask:
            row.mark(self._number(urgent=bool(mask & self._urgent)), mask)
            self.rows.move_to_end(row_id)
        return bool(mask)

    def drop(self, row_id: str, *, now: float) -> bool:
        """Remove a row. now: seconds since boot. Whether there was one."""
        row = self.rows.pop(row_id, None)
        if row is None:
            return False
        seq = self._number(urgent=True)
        self.removed[row_id] = Removed(seq, now, row.tree)
        self.removed.move_to_end(row_id)
        return True

    def replace(self, rows: Mapping[str, Sequence[Any]], *, now: float) -> None:
        """Make the table equal to `rows`, as one batch with what is open."""
        for row_id in [row_id for row_id in self.rows if row_id not in rows]:
            self.drop(row_id, now=now)
        for row_id, values in rows.items():
            self.put(row_id, values)

    def sample(self, node: str, at: float) -> None:
        """Samples of `node`, taken at `at`, are in (or come with this batch)."""
        self.sampled[node] = (at, self._number(urgent=False))

    def close_batch(self, *, now: float) -> bool:
        """End the batch: its number is the table's. Whether anything changed in it. Forgets old removals."""
        changed, self._open = self._open, False
        while self.removed:
            row_id, oldest = next(iter(self.removed.items()))
            if len(self.removed) <= KEEP_ROWS and now - oldest.at <= KEEP_S:
                break
            del self.removed[row_id]
            self.floor = oldest.seq
        return changed

    def _number(self, *, urgent: bool) -> int:
        """The number of the open batch; opens one."""
        if not self._open:
            self._open = True
            self.seq += 1
        if urgent:
            self.urgent_seq = self.seq
        return self.seq

    # -- reading -----------------------------------------------------------------------------------------------------

    def changed_since(self, seq: int) -> Iterator[tuple[str, Row]]:
        """Rows with a number above `seq`, newest first: costs what changed, not what is there."""
        for row_id, row in reversed(self.rows.items()):
            if row.seq <= seq:
                return
            yield row_id, row

    def removed_since(self, seq: int) -> Iterator[tuple[str, Removed]]:
        for row_id, removed in reversed(self.removed.items()):
            if removed.seq <= seq:
                return
            yield row_id, removed

    def value(self, row_id: str, column: str) -> Any:  # a cell holds whatever its topic says
        """None for an unknown row as well as for a value that is not known."""
        row = self.rows.get(row_id)
        return None if row is None else row.values[self.at[column]]

    def as_dict(self, row_id: str, row: Row) -> dict[str, Any]:
        return {"id": row_id, **dict(zip(self.columns, row.values, strict=True))}
