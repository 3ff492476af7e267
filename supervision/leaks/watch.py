"""The watch over the living processes of a node: frames of the sampler in, what grows out. Pure; it keeps no rows.

Each life of a child (incarnation, and image where it executed itself anew) has two detectors: floors of seconds for floods
(fast.py), and the detector of hours (detector.py), which is fed once a minute. Growth that another resource brings with it
is told with that one and not by itself. What is found stays found until its floor is level, or the life ends.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from supervision.leaks.detector import Finding, LeakDetector
from supervision.leaks.fast import KEPT, LEVEL_S, WINDOW, YOUNG_S, Floors, Line, Point, line_of
from supervision.leaks.resources import MAKES, MEASURED, RESOURCES, STILL_BRINGS, WORK, explains, resource_of

HOUR_S = 3600.0
KIB = 1024.0
REFRESH_S = 10.0
"""What is open is told again so often, while it grows."""
LEVEL_LONG_S = 2 * HOUR_S
"""One that the detector of hours found is over after so long without a rise."""
GONE_S = 5.0
"""A child that is in no frame for so long is gone."""
JOB_S = 300.0
"""A job gives back everything when it ends: what it takes is a leak at most when it goes on for so long."""
WAITS = 3
"""Buckets for which a growth waits for one that may explain it."""
SLOW_BYTES = ("disk", "rss")
SLOW_COLUMN = {"rss": "uss"}
"""The detector of hours has its own names, and sizes in KiB."""


class Course(StrEnum):
    """How it came to be known."""

    FLOOD = "flood"
    BEGAN = "began"
    GOES_ON = "goes_on"


class Outcome(StrEnum):
    """Why it is over."""

    LEVEL = "level"
    LIFE_ENDED = "life_ended"
    EXPLAINED = "explained"


@dataclass(slots=True, eq=False)
class Growing:
    """One finding, for as long as it lasts. Moments are Unix seconds, rates by the second, in the resource's unit.

    brings   rates of the resources that grow because this one does
    row      whoever stores it keeps its number here
    """

    key: str
    incarnation: int
    image: int
    resource: str
    course: Course
    since: float
    found_at: float
    seen_at: float
    value: float
    base: float
    line: Line
    points: list[Point] = field(default_factory=list)
    brings: dict[str, float] = field(default_factory=dict)
    details: dict[str, float] = field(default_factory=dict)
    quiet_s: float | None = None
    ended_at: float | None = None
    outcome: Outcome | None = None
    row: int | None = None
    told_at: float = float("-inf")

    @property
    def growth(self) -> float:
        return self.value - self.base


@dataclass(frozen=True, slots=True)
class Look:
    """What one second shows of a child: resources by name, work done, memory that is its alone, its gauges, and whether it
    is a job, which ends by itself."""

    values: Mapping[str, float]
    work: float
    uss: float | None
    gauges: Mapping[str, float]
    is_job: bool = False


class LifeWatch:
    """Of one life."""

    def __init__(self, key: str, incarnation: int, image: int) -> None:
        self.key, self.incarnation, self.image = key, incarnation, image
        self.open: dict[str, Growing] = {}
        self._began: float | None = None
        self._floors: dict[str, Floors] = {}
        self._waited: dict[str, int] = {}
        self._slow = LeakDetector()
        self._minute = -1
        self._lows: dict[str, float] = {}

    def feed(self, at: float, look: Look) -> list[Growing]:
        """One second; what has to be told because of it."""
        if self._began is None:
            self._began = at
        closed = False
        for name, value in look.values.items():
            floors = self._floors.get(name)
            if floors is None:
                floors = self._floors[name] = Floors()
            closed = floors.feed(at, value) or closed
        told = self._judge(at, look) if closed else []
        return [*told, *self._feed_slow(at, look)]

    def end(self, at: float) -> list[Growing]:
        """The life is over, and with it whatever was found."""
        return [self._close(one, at, Outcome.LIFE_ENDED) for one in list(self.open.values())]

    # -- floods -----------------------------------------------------------------------------------------------------

    def _judge(self, at: float, look: Look) -> list[Growing]:
        told: list[Growing] = []
        age = 0.0 if self._began is None else at - self._began
        lines = {
            name: line
            for name, floors in self._floors.items()
            if (line := floors.flood(RESOURCES[name])) is not None
        }
        if age < YOUNG_S:
            lines = self._certain_of_young(lines)
        for name, line in lines.items():
            if (
                name in self.open
                or (look.is_job and age < JOB_S)
                or self._is_explained(name, line.rate, lines)
                or self._came_with_children(name)
                or self._waits(name)
            ):
                continue
            told.append(self._found(name, line, at, look))
        for name in self._waited.keys() - lines.keys():
            del self._waited[name]
        for one in list(self.open.values()):
            floors = self._floors.get(one.resource)
            if floors is not None:
                told += [each for each in self._follow(one, floors, lines, at, look) if each not in told]
        return told

    def _certain_of_young(self, lines: Mapping[str, Line]) -> dict[str, Line]:
        """Those that are certain though the life began just now, and what brings them: sockets are counted less often than
        the descriptors that they are, and so rise less evenly."""
        certain = {name: line for name in lines if (line := self._floors[name].young_flood()) is not None}
        causes = {
            name: line
            for name, line in lines.items()
            if name not in certain
            and any(explains(name, line.rate, other, each.rate) for other, each in certain.items())
        }
        return certain | causes

    def _is_explained(self, name: str, rate: float, lines: Mapping[str, Line]) -> bool:
        others = {other: line.rate for other, line in lines.items()}
        others |= {other: one.line.rate for other, one in self.open.items() if other not in others}
        return any(explains(other, each, name, rate) for other, each in others.items() if other != name)

    def _came_with_children(self, name: str) -> bool:
        """Whether processes that began below this one within the window may have brought all of it: a pool fills up
        when its program starts, and is no leak. Those that began a little before may still come to what their work needs."""
        children = self._floors.get("children")
        each = MAKES["children"].get(name)
        if children is None or each is None:
            return False
        grown, later = self._floors[name].grown(), STILL_BRINGS.get(name, 0.0)
        return grown <= max(children.grown() * each, children.grown(KEPT) * later)

    def _waits(self, name: str) -> bool:
        """Whether something that may explain it is about to be certain: for a while, not for ever."""
        waited = self._waited.get(name, 0)
        if waited >= WAITS or not any(
            name in MAKES.get(other, {}) and floors.begins_to_flood(RESOURCES[other])
            for other, floors in self._floors.items()
            if other not in self.open
        ):
            return False
        self._waited[name] = waited + 1
        return True

    def _found(self, name: str, line: Line, at: float, look: Look) -> Growing:
        floors = self._floors[name]
        points = list(floors.points)
        since = floors.since if floors.since is not None else points[-WINDOW][0]
        base = next((value for moment, value in points if moment >= since), points[0][1])
        one = Growing(
            self.key, self.incarnation, self.image, name, Course.FLOOD,
            since=since, found_at=at, seen_at=at, value=points[-1][1], base=base, line=line,
        )  # fmt: skip
        self.open[name] = one
        return one

    def _follow(
        self, one: Growing, floors: Floors, lines: Mapping[str, Line], at: float, look: Look
    ) -> list[Growing]:
        """The newest of something that is open; whether it is over."""
        if one.outcome is not None:
            return []
        points = list(floors.points)
        one.value, one.points = points[-1][1], points
        one.details = {
            name: value for name, value in look.gauges.items() if resource_of(name) == one.resource
        }
        one.seen_at = max(one.seen_at, floors.rose_at)
        if one.course is Course.FLOOD:
            if one.resource in lines:
                one.line = line_of(points[-WINDOW:]) if len(points) < 2 * WINDOW else line_of(points)
                others = {name: line.rate for name, line in lines.items() if name != one.resource}
                one.brings = {
                    name: rate
                    for name, rate in others.items()
                    if explains(one.resource, one.line.rate, name, rate)
                }
            if any(
                explains(other.resource, other.line.rate, one.resource, one.line.rate)
                for other in self.open.values()
                if other is not one
            ):
                return [self._close(one, at, Outcome.EXPLAINED)]
        over_s = LEVEL_S if one.course is Course.FLOOD else LEVEL_LONG_S
        if at - one.seen_at > over_s:
            return [self._close(one, at, Outcome.LEVEL)]
        if at - one.told_at >= REFRESH_S and one.seen_at > one.told_at - REFRESH_S:
            return [one]
        return []

    def _close(self, one: Growing, at: float, outcome: Outcome) -> Growing:
        one.ended_at, one.outcome = at, outcome
        self.open.pop(one.resource, None)
        return one

    # -- hours ------------------------------------------------------------------------------------------------------

    def _feed_slow(self, at: float, look: Look) -> list[Growing]:
        """The least values of each minute, once it is over."""
        minute = int(at) // 60
        told: list[Growing] = []
        if minute != self._minute:
            if self._minute >= 0 and self._lows:
                told = self.feed_minute(self._minute * 60, self._lows, look.work)
            self._minute, self._lows = minute, {}
        values = look.values if look.uss is None else {**look.values, "rss": look.uss}
        for name, value in values.items():
            self._lows[name] = min(self._lows.get(name, value), value)
        return told

    def feed_minute(self, at: float, lows: Mapping[str, float], work: float) -> list[Growing]:
        """The least values of one minute, for the detector of hours; also of minutes that were stored."""
        sample = {"t": at, "ops": work, "gen": 0.0}
        for name, value in lows.items():
            column = SLOW_COLUMN.get(name, name)
            sample[column] = value / KIB if name in SLOW_BYTES else value
        found: dict[str, Finding] = {}
        for finding in self._slow.feed(sample):
            found.setdefault(finding.resource, finding)
        rates = {
            name: finding.rate.per_hour / HOUR_S * (KIB if name in SLOW_BYTES else 1.0)
            for name, finding in found.items()
        }
        rates |= {name: one.line.rate for name, one in self.open.items() if name not in rates}
        return [
            self._slow_found(finding, at, lows)
            for name, finding in found.items()
            if name in lows
            and not any(explains(other, rate, name, rates[name]) for other, rate in rates.items())
        ]

    def _slow_found(self, finding: Finding, at: float, lows: Mapping[str, float]) -> Growing:
        name = finding.resource
        scale = KIB if name in SLOW_BYTES else 1.0
        rate = finding.rate
        line = Line(
            rate.per_hour * scale / HOUR_S, rate.low * scale / HOUR_S, rate.high * scale / HOUR_S, 1.0
        )
        course = Course(str(finding.course))
        one = self.open.get(name)
        if one is None:
            one = self.open[name] = Growing(
                self.key, self.incarnation, self.image, name, course,
                since=finding.since, found_at=at, seen_at=at, value=lows[name],
                base=lows[name] - finding.growth * scale, line=line,
            )  # fmt: skip
        one.course, one.line, one.quiet_s = course, line, finding.quiet_s
        one.since, one.seen_at, one.value = min(one.since, finding.since), at, lows[name]
        return one


class NodeWatch:
    """Of all children of one node."""

    def __init__(self) -> None:
        self.lives: dict[str, LifeWatch] = {}
        self._missed: dict[str, float] = {}
        """Since when a child is in no frame: a sampler that begins anew does not know all of them at once."""

    def life(self, key: str, incarnation: int, image: int) -> LifeWatch:
        """The watch over this life; begun when it is a new one."""
        life = self.lives.get(key)
        if life is None or (life.incarnation, life.image) != (incarnation, image):
            life = self.lives[key] = LifeWatch(key, incarnation, image)
        return life

    def take(self, frame: Mapping[str, Any]) -> list[Growing]:
        """One second of everything; what has to be told because of it. A child that is not in it is gone."""
        at = float(frame["at"])
        told: list[Growing] = []
        for key, incarnation, image, look in looks(frame):
            before = self.lives.get(key)
            if before is not None and (before.incarnation, before.image) != (incarnation, image):
                told += before.end(at)
            told += self.life(key, incarnation, image).feed(at, look)
        self._missed = {key: self._missed.get(key, at) for key in self.lives.keys() - set(frame["key"])}
        for key in [key for key, since in self._missed.items() if at - since >= GONE_S]:
            told += self.lives.pop(key).end(at)
        for one in told:
            one.told_at = at
        return told

    def open(self) -> Iterable[Growing]:
        """All that grows now."""
        return [one for life in self.lives.values() for one in life.open.values()]


def looks(frame: Mapping[str, Any]) -> Iterator[tuple[str, int, int, Look]]:
    """The rows of a frame: key, incarnation, image, and what is seen. What is not known is left out."""
    keys = frame["key"]
    nothing: list[Any] = [None] * len(keys)
    columns = [frame.get(name, nothing) for name in MEASURED]
    images, uss, gauges, jobs = (frame.get(name, nothing) for name in ("image", "uss", "gauges", "job"))
    for place, key in enumerate(keys):
        values = {
            name: column[place]
            for name, column in zip(MEASURED, columns, strict=True)
            if column[place] is not None
        }
        told = gauges[place] or {}
        for name, value in told.items():
            resource = resource_of(name)
            if resource is not None:
                values[resource] = values.get(resource, 0.0) + value
        work = next((told[name] for name in WORK if name in told), 0.0)
        yield (
            key,
            frame["incarnation"][place],
            images[place] or 0,
            Look(values, work, uss[place], told, bool(jobs[place])),
        )
