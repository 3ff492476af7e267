"""The tables of one server process, and what is encoded of them.

One thread writes (the event loop that runs the reader); a lock lets pages, which run in other threads, read whole states.
"""

import threading
import uuid
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import orjson

from controlplane.dashboard.live.fleet_state import FleetState
from controlplane.dashboard.live.frames import (
    NamedView,
    Subscription,
    SubscriptionError,
    frame,
    may_see,
    snapshot,
)
from controlplane.dashboard.live.table import Table
from controlplane.dashboard.live.topics import CHILD_PREFIX, TOPICS, Topic, topic_of
from supervision.runtime.clock import Clock, SystemClock

MOST_FRAMES = 64
"""Connections send at the same moments (pacing.py): those of a moment or two are asked for again, older ones never."""
SNAPSHOT_FOR_S = 0.25
"""A snapshot is made at most so often, and shared."""
UNUSED_FOR_S = 60.0
"""A table of its own that nobody asked for so long is dropped."""
MOST_CHILDREN = 256
"""Keys that are followed by themselves, for all viewers of this process together."""
IN_USE_S = 10.0
"""Whoever follows a key asks for it at least each 5 s: what nobody asked for so long gives way to another."""


class TooManyTablesError(SubscriptionError):
    """So many keys are followed by so many that there is room for no other."""

    def __init__(self) -> None:
        super().__init__("topic", f"{MOST_CHILDREN} processes are followed already; try again in a minute")


@dataclass(slots=True)
class Ages:
    """When things were last known to be current, seconds since boot; None: never in this process."""

    rows: float | None = None
    samples: float | None = None


class Hub:
    """Tables by topic; `summary` and `counts` by what may be seen; `child:KEY` by key, made when first asked for."""

    def __init__(
        self, clock: Clock | None = None, *, link: Callable[[str], str] = lambda path: f"/{path}"
    ) -> None:
        self.clock = clock or SystemClock()
        self.epoch = uuid.uuid4().hex[:12]
        self.link = link
        self.lock = threading.RLock()
        self.ages = Ages()
        self.tables = {
            name: self._table(topic, name) for name, topic in TOPICS.items() if not topic.per_viewer
        }
        self.fleet = FleetState(self.tables["procs"], self.tables["tree"], self.tables["nodes"])
        self.summaries: dict[tuple[str, frozenset[str] | None], Table] = {}
        """Tables that differ with what may be seen, by topic and that."""
        self.children: dict[str, Table] = {}
        self._made = 0
        self._frames: OrderedDict[tuple[Subscription, str, int, int], str] = OrderedDict()
        self._snaps: OrderedDict[Subscription, tuple[str, int, float, bytes]] = OrderedDict()
        self._listeners: set[Callable[[], None]] = set()

    def _table(self, topic: Topic, name: str) -> Table:
        return Table(
            name, topic.columns, epoch=self.epoch, urgent=topic.urgent, tree_column=topic.tree_column
        )

    def _of_its_own(self, topic: Topic, name: str) -> Table:
        """A table that may go and be made again: its numbers begin anew then, so it has an epoch of its own."""
        self._made += 1
        table = self._table(topic, name)
        table.epoch = f"{self.epoch}.{self._made}"
        return table

    # -- writing -----------------------------------------------------------------------------------------------------

    @contextmanager
    def batch(self) -> Iterator[float]:
        """One step from a whole state to a whole state; gives seconds since boot, tells the listeners what came of it."""
        now = self.clock.boot()
        changed = False
        with self.lock:
            try:
                yield now
                self.fleet.roll_up()
            finally:
                for table in self._all():
                    changed = table.close_batch(now=now) or changed
        if changed:
            self.tell()

    def _all(self) -> list[Table]:
        return [*self.tables.values(), *self.summaries.values(), *self.children.values()]

    def tell_findings(self) -> None:
        """Inside a batch: the fleet's summary knows what leaks and what is not well."""
        for topic in ("leaks", "health"):
            table = self.tables[topic]
            rows = [table.as_dict(row_id, row) for row_id, row in table.rows.items()]
            setattr(self.fleet, "leaks" if topic == "leaks" else "checks", rows)

    def write_summaries(self) -> None:
        """Inside a batch. Tables that nobody uses go."""
        now = self.clock.boot()
        self.fleet.count(self.clock.wall())
        for (topic, visible), table in list(self.summaries.items()):
            if self._is_unused(table, now):
                del self.summaries[topic, visible]
                continue
            self._fill_summary(table, topic, visible)
        for key, table in list(self.children.items()):
            if self._is_unused(table, now):
                del self.children[key]

    def _fill_summary(self, table: Table, topic: str, visible: frozenset[str] | None) -> None:
        if topic == "counts":
            rows = self.fleet.counts(visible)
        else:
            rows = self.fleet.summary(visible, now=self.clock.wall(), link=self.link)
        for name, value in rows.items():
            table.put(name, [value])

    def _is_unused(self, table: Table, now: float) -> bool:
        return now - table.used_at > UNUSED_FOR_S

    # -- reading -----------------------------------------------------------------------------------------------------

    def table(self, topic: str, visible: frozenset[str] | None) -> Table:
        """The topic's table. Raises KeyError for an unknown topic, TooManyTablesError."""
        known = topic_of(topic)
        if known is None:
            raise KeyError(topic)
        with self.lock:
            if topic.startswith(CHILD_PREFIX):
                key = topic.removeprefix(CHILD_PREFIX)
                table = self.children.get(key) or self._new_child(known, topic, key)
            elif known.per_viewer:
                table = self.summaries.get((topic, visible)) or self._new_summary(known, topic, visible)
            else:
                return self.tables[topic]
            table.used_at = self.clock.boot()
        return table

    def _new_child(self, topic: Topic, name: str, key: str) -> Table:
        if len(self.children) >= MOST_CHILDREN:
            oldest = min(self.children, key=lambda each: self.children[each].used_at)
            if self.clock.boot() - self.children[oldest].used_at < IN_USE_S:
                raise TooManyTablesError
            del self.children[oldest]
        table = self.children[key] = self._of_its_own(topic, name)
        return table

    def _new_summary(self, topic: Topic, name: str, visible: frozenset[str] | None) -> Table:
        table = self.summaries[name, visible] = self._of_its_own(topic, name)
        self._fill_summary(table, name, visible)
        table.close_batch(now=self.clock.boot())
        return table

    def rows(self, topic: str, visible: frozenset[str] | None) -> list[dict[str, Any]]:
        """All rows that may be seen, as objects with `id`: for a page."""
        table = self.table(topic, visible)
        wanted = Subscription(topic, table.columns, "", visible)
        with self.lock:
            return [
                table.as_dict(row_id, row) for row_id, row in table.rows.items() if may_see(wanted, row.tree)
            ]

    def views(self, topic: str, visible: frozenset[str] | None) -> list[NamedView]:
        """The same as mappings that copy nothing: for a list that shows a hundred of ten thousand."""
        table = self.table(topic, visible)
        wanted = Subscription(topic, table.columns, "", visible)
        with self.lock:
            return [
                NamedView(row_id, table.at, row.values)
                for row_id, row in table.rows.items()
                if may_see(wanted, row.tree)
            ]

    def ages_body(self) -> dict[str, float | None]:
        """How old rows and samples are, in seconds; null: never read."""
        now = self.clock.boot()
        return {
            name: None if at is None else round(max(0.0, now - at), 2)
            for name, at in (("rows", self.ages.rows), ("samples", self.ages.samples))
        }

    # -- text, encoded once for all who ask the same ------------------------------------------------------------------

    def frame_text(self, table: Table, wanted: Subscription, a: int) -> str:
        table.used_at = self.clock.boot()
        asked = (wanted, table.epoch, a, table.seq)
        text = self._frames.get(asked)
        if text is None:
            text = self.text(frame(table, wanted, a, now=self.clock.wall()))
            self._frames[asked] = text
            if len(self._frames) > MOST_FRAMES:
                self._frames.popitem(last=False)
        return text

    def snap_bytes(self, table: Table, wanted: Subscription) -> bytes:
        """Exactly the table's state now: frames follow from its number."""
        now = self.clock.boot()
        table.used_at = now
        made = self._snaps.get(wanted)
        if made is not None and made[:2] == (table.epoch, table.seq) and now - made[2] < UNUSED_FOR_S:
            return made[3]
        body = orjson.dumps(snapshot(table, wanted, now=self.clock.wall()))
        self._keep(table, wanted, now, body)
        return body

    def shared_snap_bytes(self, table: Table, wanted: Subscription) -> bytes:
        """The same, possibly a quarter of a second old: for many who ask over HTTP."""
        made = self._snaps.get(wanted)
        if made is not None and made[0] == table.epoch and self.clock.boot() - made[2] < SNAPSHOT_FOR_S:
            return made[3]
        with self.lock:
            return self.snap_bytes(table, wanted)

    def _keep(self, table: Table, wanted: Subscription, now: float, body: bytes) -> None:
        self._snaps[wanted] = (table.epoch, table.seq, now, body)
        self._snaps.move_to_end(wanted)
        if len(self._snaps) > 64:
            self._snaps.popitem(last=False)

    def snap_text(self, table: Table, wanted: Subscription) -> str:
        return '{"op":"snap",' + self.snap_bytes(table, wanted).decode()[1:]

    def sparks_text(self, ids: Sequence[str], visible: frozenset[str] | None) -> str:
        until = int(self.clock.wall()) - 1
        procs = self.tables["procs"]
        rows = {
            row_id: self.fleet.sparks.series(row_id, until=until)
            for row_id in ids
            if (row := procs.rows.get(row_id)) is not None and (visible is None or row.tree in visible)
        }
        return self.text({"op": "sparks", "at": until, "step": 1, "rows": rows})

    def ages_text(self) -> str:
        return self.text({"op": "beat", "at": self._now(), "ages": self.ages_body()})

    def hello_text(self, user: str) -> str:
        return self.text({"op": "hello", "epoch": self.epoch, "at": self._now(), "user": user, "beat": 1})

    def _now(self) -> float:
        return round(self.clock.wall(), 3)

    def text(self, body: dict[str, Any]) -> str:
        return orjson.dumps(body).decode()

    # -- listeners ---------------------------------------------------------------------------------------------------

    def listen(self, listener: Callable[[], None]) -> None:
        """Have `listener` called, in the event loop, after each batch that changed something."""
        self._listeners.add(listener)

    def unlisten(self, listener: Callable[[], None]) -> None:
        self._listeners.discard(listener)

    def tell(self) -> None:
        for listener in tuple(self._listeners):
            listener()
