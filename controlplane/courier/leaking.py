"""The job `leaks`: watches what the sampler sees of this node's processes, and stores what grows.

One owner: the courier of the node that has the processes. It follows the sampler's own socket, so no store is needed to see
a leak; what is found is written, and written again while it grows. A new courier begins with what is stored: minutes of the
last hours for the detector of hours, open findings; floods are certain again within a minute.
"""

import json
import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from controlplane.courier.holdings import limit_of
from controlplane.courier.sampling import FRAME_LIMIT_S, STORE_LIMIT_S, SamplerClient
from controlplane.courier.session import Session
from supervision.fleet.exceptions import StaleEpochError
from supervision.leaks.fast import Line
from supervision.leaks.resources import GAUGES, WORK, resource_of
from supervision.leaks.watch import Course, Growing, LifeWatch, NodeWatch, Outcome
from supervision.leaks.words import Limit
from supervision.leakwatch import selectors, services
from supervision.leakwatch.models import LeakFinding
from supervision.samples import selectors as samples

REMEMBERED = timedelta(hours=12)
REMEMBER_EVERY_S = 300
LOWS = {
    "fds": "fds_min",
    "sockets": "sockets_min",
    "threads": "threads_min",
    "children": "children_min",
    "zombies": "zombies_min",
    "disk": "disk",
}


class Leaking:
    """State is the watch alone, and everything in it can be had again."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.watch: NodeWatch | None = None
        self._untold: dict[tuple[str, int, int, str, float], Growing] = {}

    def step(self) -> float:
        session = self.session
        if session.epoch is None:
            return 0.5
        with SamplerClient(session.paths, timeout_s=FRAME_LIMIT_S) as sampler:
            for line in sampler.follow():
                self.take(json.loads(line))
                if session.epoch is None or session.stopping.is_set():
                    return 0.0
        return 0.0

    def take(self, frame: Mapping[str, Any]) -> None:
        """One second: what it shows, and what has to be stored because of it. What a store that is away did not take is
        offered again with the next one."""
        if self.watch is None:
            if not frame["key"]:
                return  # a sampler that knows of no child yet: nothing is over because of it
            self.watch = self._begin(frame)
        for one in self.watch.take(frame):
            self._untold[one.key, one.incarnation, one.image, one.resource, one.found_at] = one
        epoch = self.session.epoch
        if self._untold and epoch is not None:
            limits = _Limits(frame)
            with self.session.deadlines.within(STORE_LIMIT_S):
                services.record(
                    node_id=self.session.node_id, epoch=epoch, told=self._untold.values(), limit_of=limits.of
                )
            self._untold.clear()

    # -- a new courier ------------------------------------------------------------------------------------------------

    def _begin(self, frame: Mapping[str, Any]) -> NodeWatch:
        """A watch that knows what is stored of the lives in `frame`."""
        watch = NodeWatch()
        lives = {
            key: (incarnation, image)
            for key, incarnation, image in zip(
                frame["key"], frame["incarnation"], frame.get("image", ()), strict=True
            )
        }
        at = datetime.fromtimestamp(frame["at"], UTC)
        session = self.session
        if session.epoch is None:
            raise StaleEpochError
        with session.deadlines.within(STORE_LIMIT_S * 4):
            rows = samples.lows(node_id=session.node_id, since=at - REMEMBERED, every_s=REMEMBER_EVERY_S)
            self._remember(watch, lives, rows)
            living = [(key, *life) for key, life in lives.items()]
            services.end_all(node_id=session.node_id, now=at, but=living)
            for row in selectors.open_of_node(session.node_id):
                _reopen(watch.life(row.key, row.incarnation, row.image), row)
        return watch

    def _remember(
        self, watch: NodeWatch, lives: Mapping[str, tuple[int, int]], rows: Iterable[Mapping[str, Any]]
    ) -> None:
        """Feed stored minutes to the detectors of hours. What they find in them was found before: it is not told again."""
        for number, row in enumerate(rows):
            life = lives.get(row["key"])
            if life is None or life != (row["incarnation"], row["image"]):
                continue
            lows, work = _lows(row)
            one = watch.life(row["key"], *life)
            one.feed_minute(row["at"].timestamp(), lows, work)
            one.open.clear()
            if number % 500 == 0:
                time.sleep(0.001)  # the lease's thread has something to do meanwhile


class _Limits:
    """Limits of what is told with one frame."""

    def __init__(self, frame: Mapping[str, Any]) -> None:
        self._frame = frame
        self._places = {key: place for place, key in enumerate(frame["key"])}

    def of(self, one: Growing) -> Limit | None:
        place = self._places.get(one.key)
        if place is None or one.ended_at is not None:
            return None
        return limit_of(one, pid=int(self._frame["pid"][place]), frame=self._frame, place=place)


def _lows(row: Mapping[str, Any]) -> tuple[dict[str, float], float]:
    """The least values of a stored span as the watch wants them, and the work done."""
    lows = {name: float(row[column]) for name, column in LOWS.items() if row[column] is not None}
    memory = row["uss"] if row["uss"] is not None else row["rss_min"]
    if memory is not None:
        lows["rss"] = float(memory)
    work = 0.0
    for name, sums in (row["gauges"] or {}).items():
        if name in WORK:
            work = float(sums["last"])
        elif resource_of(name) in GAUGES.values():
            resource = resource_of(name) or name
            lows[resource] = lows.get(resource, 0.0) + float(sums.get("min", sums["last"]))
    return lows, work


def _reopen(life: LifeWatch, row: LeakFinding) -> None:
    """Go on with what the one before found."""
    life.open[row.resource] = Growing(
        row.key,
        row.incarnation,
        row.image,
        row.resource,
        Course(row.course),
        since=row.since.timestamp(),
        found_at=row.found_at.timestamp(),
        seen_at=row.seen_at.timestamp(),
        value=row.value,
        base=row.value - row.growth,
        line=Line(row.rate, row.rate_low, row.rate_high, 1.0),
        points=[(float(at), float(value)) for at, value in row.evidence.get("points", ())],
        brings=dict(row.evidence.get("brings", {})),
        quiet_s=row.evidence.get("quiet_s"),
        outcome=Outcome(row.outcome) if row.outcome else None,
        row=row.pk,
    )
