"""The last minutes of one child, a sample each second, in arrays of fixed size; and a minute of it summed up.

What is not known is None outside and a mark inside: never zero. A second without a sample is a gap.
"""

import math
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any

SECONDS = 900
_UNKNOWN = 0xFFFFFFFF
_KIB = 1024


@dataclass(frozen=True, slots=True)
class Sample:
    """What a child and everything below it used in one second.

    at        Unix seconds
    cpu       of one core, 1.0 is all of it
    rss, pss, uss   bytes; pages that are shared count in rss for each process that has them, in uss for none
    children  living processes beside the child's own; zombies are those that ended and were not reaped
    sockets   open ones, in whatever state
    read, written   bytes from and to storage in a second; switches: of the main threads, in a second
    disk      bytes in its data directory
    """

    at: float
    cpu: float | None
    rss: int | None
    pss: int | None
    fds: int | None
    threads: int | None
    children: int | None
    zombies: int | None = None
    uss: int | None = None
    sockets: int | None = None
    read: float | None = None
    written: float | None = None
    switches: float | None = None
    disk: int | None = None


@dataclass(frozen=True, slots=True)
class Minute:
    """`n` samples of one minute; a value is None where none of them had it. pss, uss, disk: as they were read last."""

    n: int
    cpu_avg: float | None = None
    cpu_max: float | None = None
    rss_avg: int | None = None
    rss_max: int | None = None
    rss_min: int | None = None
    pss: int | None = None
    uss: int | None = None
    fds_max: int | None = None
    fds_min: int | None = None
    threads_max: int | None = None
    threads_min: int | None = None
    children_max: int | None = None
    children_min: int | None = None
    zombies_max: int | None = None
    zombies_min: int | None = None
    sockets_max: int | None = None
    sockets_min: int | None = None
    read_avg: float | None = None
    written_avg: float | None = None
    switches_avg: float | None = None
    disk: int | None = None


MINUTE_FIELDS = tuple(field.name for field in fields(Minute))
_WHOLE = ("fds", "threads", "children", "zombies", "sockets")
_BYTES = ("rss", "pss", "uss", "disk")
_REAL = ("cpu", "read", "written", "switches")
_VALUES = tuple(field.name for field in fields(Sample) if field.name != "at")


class Ring:
    """SECONDS samples of one incarnation; 50 KB."""

    __slots__ = ("_at", "_columns", "incarnation", "newest")

    def __init__(self, incarnation: int, size: int = SECONDS) -> None:
        self.incarnation = incarnation
        self.newest = 0
        """Unix second of the newest sample."""
        self._at = array("L", bytes(8 * size))
        self._columns: dict[str, array[float]] = {
            name: array("f" if name in _REAL else "I", bytes(4 * size)) for name in _VALUES
        }

    def put(self, sample: Sample) -> None:
        """At most one for each second; one that comes later in the same second replaces it."""
        second = int(sample.at)
        place = second % len(self._at)
        self._at[place] = second
        columns = self._columns
        for name in _WHOLE:
            value = getattr(sample, name)
            columns[name][place] = _UNKNOWN if value is None else value
        for name in _BYTES:
            value = getattr(sample, name)
            columns[name][place] = _UNKNOWN if value is None else min(value // _KIB, _UNKNOWN - 1)
        for name in _REAL:
            value = getattr(sample, name)
            columns[name][place] = math.nan if value is None else value
        self.newest = max(self.newest, second)

    def samples(self, since: float, until: float) -> Iterator[Sample]:
        """Those of [since, until), oldest first."""
        size = len(self._at)
        for second in range(
            max(math.ceil(since), self.newest - size + 1), min(math.ceil(until), self.newest + 1)
        ):
            place = second % size
            if self._at[place] == second:
                yield self._sample(second, place)

    def _sample(self, second: int, place: int) -> Sample:
        values: dict[str, Any] = {}
        for name, column in self._columns.items():
            value = column[place]
            if name in _REAL:
                values[name] = None if math.isnan(value) else round(value, 4)
            elif value == _UNKNOWN:
                values[name] = None
            else:
                values[name] = int(value) * _KIB if name in _BYTES else int(value)
        return Sample(at=float(second), **values)

    def minute(self, begin: int) -> Minute | None:
        """The minute that began at Unix second `begin`; None without a sample in it."""
        size = len(self._at)
        places = [
            second % size
            for second in range(max(begin, self.newest - size + 1), min(begin + 60, self.newest + 1))
            if self._at[second % size] == second
        ]
        if not places:
            return None
        found: dict[str, list[Any]] = {}
        for name, column in self._columns.items():
            values = [column[place] for place in places]
            if name in _REAL:
                found[name] = [value for value in values if not math.isnan(value)]
            else:
                scale = _KIB if name in _BYTES else 1
                found[name] = [int(value) * scale for value in values if value != _UNKNOWN]
        made: dict[str, Any] = {}
        for name in ("rss", *_WHOLE):
            made[f"{name}_max"] = max(found[name], default=None)
            made[f"{name}_min"] = min(found[name], default=None)
        for name in _REAL:
            made[f"{name}_avg"] = round(sum(found[name]) / len(found[name]), 4) if found[name] else None
        for name in ("pss", "uss", "disk"):
            made[name] = found[name][-1] if found[name] else None
        rss, cpu = found["rss"], found["cpu"]
        return Minute(
            n=len(places),
            rss_avg=sum(rss) // len(rss) if rss else None,
            cpu_max=round(max(cpu), 4) if cpu else None,
            **made,
        )
