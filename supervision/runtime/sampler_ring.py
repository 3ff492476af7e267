"""The last minutes of one child, a sample each second, in arrays of fixed size; and a minute of it summed up.

What is not known is None outside and a mark inside: never zero. A second without a sample is a gap.
"""

import math
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, fields

SECONDS = 900
_UNKNOWN = 0xFFFFFFFF
_KIB = 1024


@dataclass(frozen=True, slots=True)
class Sample:
    """What a child and everything below it used in one second.

    at        Unix seconds
    cpu       of one core, 1.0 is all of it
    rss, pss  bytes; pages that are shared count in rss for each process that has them
    children  processes beside the child's own
    """

    at: float
    cpu: float | None
    rss: int | None
    pss: int | None
    fds: int | None
    threads: int | None
    children: int | None


@dataclass(frozen=True, slots=True)
class Minute:
    """`n` samples of one minute; a value is None where none of them had it."""

    n: int
    cpu_avg: float | None
    cpu_max: float | None
    rss_avg: int | None
    rss_max: int | None
    pss: int | None
    fds_max: int | None
    threads_max: int | None
    children_max: int | None


MINUTE_FIELDS = tuple(field.name for field in fields(Minute))


class Ring:
    """SECONDS samples of one incarnation; 25 KB."""

    __slots__ = ("_at", "_children", "_cpu", "_fds", "_pss", "_rss", "_threads", "incarnation", "newest")

    def __init__(self, incarnation: int, size: int = SECONDS) -> None:
        self.incarnation = incarnation
        self.newest = 0
        """Unix second of the newest sample."""
        self._at = array("L", bytes(8 * size))
        self._cpu = array("f", bytes(4 * size))
        self._rss, self._pss, self._fds, self._threads, self._children = (
            array("I", bytes(4 * size)) for _ in range(5)
        )

    def put(self, sample: Sample) -> None:
        """At most one for each second; one that comes later in the same second replaces it."""
        second = int(sample.at)
        place = second % len(self._at)
        self._at[place] = second
        self._cpu[place] = math.nan if sample.cpu is None else sample.cpu
        self._rss[place] = _UNKNOWN if sample.rss is None else min(sample.rss // _KIB, _UNKNOWN - 1)
        self._pss[place] = _UNKNOWN if sample.pss is None else min(sample.pss // _KIB, _UNKNOWN - 1)
        self._fds[place] = _UNKNOWN if sample.fds is None else sample.fds
        self._threads[place] = _UNKNOWN if sample.threads is None else sample.threads
        self._children[place] = _UNKNOWN if sample.children is None else sample.children
        self.newest = max(self.newest, second)

    def samples(self, since: float, until: float) -> Iterator[Sample]:
        """Those of [since, until), oldest first."""
        size = len(self._at)
        for second in range(
            max(math.ceil(since), self.newest - size + 1), min(math.ceil(until), self.newest + 1)
        ):
            place = second % size
            if self._at[place] == second:
                cpu = self._cpu[place]
                yield Sample(
                    float(second),
                    None if math.isnan(cpu) else round(cpu, 4),
                    _bytes(self._rss[place]),
                    _bytes(self._pss[place]),
                    _known(self._fds[place]),
                    _known(self._threads[place]),
                    _known(self._children[place]),
                )

    def minute(self, begin: int) -> Minute | None:
        """The minute that began at Unix second `begin`; None without a sample in it."""
        found = list(self.samples(begin, begin + 60))
        if not found:
            return None
        cpu = [sample.cpu for sample in found if sample.cpu is not None]
        rss = [sample.rss for sample in found if sample.rss is not None]
        pss = [sample.pss for sample in found if sample.pss is not None]
        return Minute(
            n=len(found),
            cpu_avg=round(sum(cpu) / len(cpu), 4) if cpu else None,
            cpu_max=max(cpu, default=None),
            rss_avg=sum(rss) // len(rss) if rss else None,
            rss_max=max(rss, default=None),
            pss=pss[-1] if pss else None,
            fds_max=max((sample.fds for sample in found if sample.fds is not None), default=None),
            threads_max=max((sample.threads for sample in found if sample.threads is not None), default=None),
            children_max=max(
                (sample.children for sample in found if sample.children is not None), default=None
            ),
        )


def _known(value: int) -> int | None:
    return None if value == _UNKNOWN else value


def _bytes(kib: int) -> int | None:
    return None if kib == _UNKNOWN else kib * _KIB
