"""What a subscription gets from a table: a snapshot, or a frame that leads from number `a` to the table's."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from operator import itemgetter
from typing import Any

from controlplane.dashboard.live.table import NO_TREE, Row, Table
from controlplane.filters.fields import LISTS
from controlplane.filters.grammar import Fields, FilterError, Kind, Term, format_terms, parse
from controlplane.filters.matching import Predicate, columns_of, predicate

MOST_CUTS = 1024
"""Different sets of columns of a subscription that are kept; rows change in a few dozen ways."""


class SubscriptionError(ValueError):
    """A topic, column or filter that cannot be subscribed to. `at`: position in the filter, when that is wrong."""

    def __init__(self, part: str, message: str, at: int | None = None) -> None:
        super().__init__(message)
        self.part = part
        self.at = at


@dataclass(frozen=True)
class Subscription:
    """Equal subscriptions get equal bytes, so these are the keys of what was encoded already.

    cols      names, in the subscriber's order
    terms     of the filter, without those about ages: they change without the row, and the subscriber applies them
    visible   names of the trees whose rows may be sent; None: all
    """

    topic: str
    cols: tuple[str, ...]
    filter: str
    visible: frozenset[str] | None

    @cached_property
    def accepts(self) -> Predicate | None:
        return predicate(self._terms, self._fields) if self._fields and self._terms else None

    @cached_property
    def filter_columns(self) -> tuple[str, ...]:
        return tuple(columns_of(self._terms, self._fields)) if self._fields and self._terms else ()

    @cached_property
    def _cuts(self) -> "dict[int, Cut]":
        return {}

    def cut(self, at: Mapping[str, int], changed: int) -> "Cut":
        """What is sent of a row. at: columns' places in the table; changed: mask of the table's columns."""
        found = self._cuts.get(changed)
        if found is None:
            if len(self._cuts) >= MOST_CUTS:
                self._cuts.clear()
            found = self._cuts[changed] = _cut(self.cols, at, changed)
        return found

    @cached_property
    def _fields(self) -> Fields | None:
        return LISTS.get(self.topic)

    @cached_property
    def _terms(self) -> tuple[Term, ...]:
        return parse(self.filter, self._fields) if self._fields and self.filter else ()


@dataclass(frozen=True, slots=True)
class Cut:
    """Some columns of a row. mask: as the subscriber counts its columns; read: their values, in that order."""

    mask: int
    read: Callable[[Sequence[Any]], Sequence[Any]]


def _cut(cols: Sequence[str], at: Mapping[str, int], changed: int) -> Cut:
    bits = [bit for bit, name in enumerate(cols) if changed >> at[name] & 1]
    places = [at[cols[bit]] for bit in bits]
    mask = sum(1 << bit for bit in bits)
    if len(places) > 1:
        return Cut(mask, itemgetter(*places))
    return Cut(mask, lambda values: [values[place] for place in places])


@lru_cache(maxsize=512)
def subscription(
    topic: str,
    columns: tuple[str, ...],
    cols: tuple[str, ...] | None,
    filter_text: str,
    visible: frozenset[str] | None,
) -> Subscription:
    """Checked against the topic's `columns`; cols None: all of them. Raises SubscriptionError."""
    wanted = columns if cols is None else cols
    unknown = [name for name in wanted if name not in columns]
    if unknown or not wanted or len(set(wanted)) != len(wanted):
        detail = f"no column {unknown[0]}" if unknown else "columns are to be named, and once each"
        raise SubscriptionError("cols", f"{topic}: {detail}; there are {', '.join(columns)}")
    fields = LISTS.get(topic)
    if fields is None:
        if filter_text.strip():
            raise SubscriptionError("filter", f"{topic} takes no filter", 0)
        return Subscription(topic, wanted, "", visible)
    try:
        terms = parse(filter_text, fields)
    except FilterError as error:
        raise SubscriptionError("filter", error.message, error.at) from error
    lasting = tuple(term for term in terms if not term.field or fields.by_name[term.field].kind != Kind.AGE)
    return Subscription(topic, wanted, format_terms(lasting), visible)


class View(Mapping[str, Any]):
    """A row as a mapping, without copying it."""

    __slots__ = ("_at", "_values")

    def __init__(self, at: Mapping[str, int], values: Sequence[Any]) -> None:
        self._at = at
        self._values = values

    def __getitem__(self, name: str) -> Any:  # a cell holds whatever its topic says
        return self._values[self._at[name]]

    def get(self, name: str, default: Any = None) -> Any:
        at = self._at.get(name)
        return default if at is None else self._values[at]

    def __iter__(self) -> Any:
        return iter(self._at)

    def __len__(self) -> int:
        return len(self._at)


class NamedView(View):
    """The same, with its id."""

    __slots__ = ("_id",)

    def __init__(self, row_id: str, at: Mapping[str, int], values: Sequence[Any]) -> None:
        super().__init__(at, values)
        self._id = row_id

    def __getitem__(self, name: str) -> Any:
        return self._id if name == "id" else super().__getitem__(name)

    def __iter__(self) -> Any:
        yield "id"
        yield from self._at

    def __len__(self) -> int:
        return len(self._at) + 1


def may_see(wanted: Subscription, tree: str) -> bool:
    return wanted.visible is None or tree == NO_TREE or tree in wanted.visible


def snapshot(table: Table, wanted: Subscription, *, now: float) -> dict[str, Any]:
    """All rows of `table` that `wanted` asks for, in columns. now: Unix seconds, for the filter."""
    places = [table.at[name] for name in wanted.cols]
    rows = [(row_id, row.values) for row_id, row in table.rows.items() if _is_in(table, wanted, row, now)]
    body: dict[str, Any] = {
        "t": table.topic,
        "e": table.epoch,
        "seq": table.seq,
        "cols": wanted.cols,
        "ids": [row_id for row_id, _values in rows],
        "v": [[values[at] for _id, values in rows] for at in places],
    }
    if table.sampled:
        body["s"] = {node: at for node, (at, _seq) in table.sampled.items()}
    return body


def _is_in(table: Table, wanted: Subscription, row: Row, now: float) -> bool:
    if not may_see(wanted, row.tree):
        return False
    return wanted.accepts is None or wanted.accepts(View(table.at, row.values), now)


def follows(table: Table, *, epoch: str | None, since: int | None) -> bool:
    """Whether a reader that holds `since` of `epoch` can go on from there."""
    return epoch == table.epoch and since is not None and table.floor <= since <= table.seq


def frame(table: Table, wanted: Subscription, a: int, *, now: float) -> dict[str, Any]:
    """From `a` (which must follow) to the table's number. Nothing relevant changed: a frame without `u` and `d`.

    Whether the subscriber holds a row is not remembered: when a column that the filter asks about has changed, a row that
    matches is sent whole and one that does not match is named as gone.
    """
    asked = table.mask_of(wanted.filter_columns)
    everything = table.mask_of(table.columns)
    updates: list[list[Any]] = []
    gone: list[str] = []
    for row_id, row in table.changed_since(a):
        if not may_see(wanted, row.tree):
            continue
        changed = row.changed_since(a)
        entered = bool(changed & asked)
        cut = wanted.cut(table.at, everything if entered else changed)
        if not cut.mask:
            continue
        if wanted.accepts is not None and not wanted.accepts(View(table.at, row.values), now):
            if entered:
                gone.append(row_id)
            continue
        updates.append([row_id, cut.mask, *cut.read(row.values)])
    gone += [row_id for row_id, removed in table.removed_since(a) if may_see(wanted, removed.tree)]
    body: dict[str, Any] = {"t": table.topic, "e": table.epoch, "a": a, "b": table.seq}
    if updates:
        body["u"] = updates[::-1]
    if gone:
        body["d"] = gone
    sampled = {node: at for node, (at, seq) in table.sampled.items() if seq > a}
    if sampled:
        body["s"] = sampled
    return body
