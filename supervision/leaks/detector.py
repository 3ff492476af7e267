"""The detector of one process: samples in, findings out.

A sample is a mapping with `t` (seconds), `ops` (work done since the start; 0 where unknown), `gen` (changes when the program
executed itself anew: everything starts over) and any of the columns below; a column that is not there is not judged. At each
sample only what came before is known. Call it at most once a second for each process: a sample costs some microseconds.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from supervision.leaks.evidence import Rate, rate_of
from supervision.leaks.growth import Growth
from supervision.leaks.judging import Course, Nature, judge
from supervision.leaks.parameters import Parameters

COUNTS = ("fds", "sockets", "threads", "children", "zombies", "tasks", "timers", "conns")
MEMORY = "rss"
"""The resource that both `uss` and `blocks` speak of: what is not shared, and what Python has allocated."""
QUEUE_RESOLUTION = 20.0
"""A producer and a consumer of equal speed make a queue wander by some tens of messages."""
DISK_RESOLUTION_KIB = 8.0
MEMORY_RESOLUTION_KIB = 64.0
BLOCKS_RESOLUTION = 200.0
MEMORY_RELATIVE = 0.0025


@dataclass(frozen=True, slots=True)
class Finding:
    """A leak of `resource`, seen in `column`. `since` and `at` are on the samples' time; growth in the column's unit."""

    resource: str
    column: str
    course: Course
    since: float
    at: float
    growth: float
    rises: int
    rate: Rate
    quiet_s: float | None


class LeakDetector:
    """Of one process; forgets everything when `gen` changes."""

    def __init__(self, parameters: Parameters | None = None) -> None:
        self._parameters = parameters or Parameters()
        self._natures = _natures(self._parameters)
        self._growths: dict[str, Growth] = {}
        self._gen: float | None = None

    def feed(self, sample: Mapping[str, float]) -> list[Finding]:
        """What this sample makes certain; a leak that goes on is found again with each rise."""
        if sample.get("gen", 0) != self._gen:
            self._gen = sample.get("gen", 0)
            self._growths = {column: _growth(column, self._parameters) for column in self._natures}
        at, work = sample["t"], sample.get("ops", 0)
        found = []
        for column, growth in self._growths.items():
            value = sample.get(column)
            if value is None or not growth.feed(at, value, work):
                continue
            evidence = judge(growth, self._natures[column], self._parameters)
            if evidence is not None:
                rises = evidence.rises
                found.append(
                    Finding(
                        resource=MEMORY if column in ("uss", "blocks") else column,
                        column=column,
                        course=evidence.course,
                        since=rises[0].at,
                        at=at,
                        growth=sum(rise.amount for rise in rises),
                        rises=len(rises),
                        rate=rate_of(rises),
                        quiet_s=evidence.quiet_s,
                    )
                )
        return found


def _natures(parameters: Parameters) -> dict[str, Nature]:
    count = Nature(parameters.count_rises, None, parameters.old_s)
    disk = Nature(parameters.count_rises, None, parameters.old_s + parameters.disk_extra_s)
    uss = Nature(parameters.memory_rises, parameters.straight_memory, parameters.old_s)
    blocks = Nature(parameters.memory_rises, parameters.straight_blocks, parameters.old_s)
    return {**dict.fromkeys((*COUNTS, "queue"), count), "disk": disk, "uss": uss, "blocks": blocks}


def _growth(column: str, parameters: Parameters) -> Growth:
    resolution, relative = {
        "queue": (QUEUE_RESOLUTION, 0.0),
        "disk": (DISK_RESOLUTION_KIB, 0.0),
        "uss": (MEMORY_RESOLUTION_KIB, MEMORY_RELATIVE),
        "blocks": (BLOCKS_RESOLUTION, MEMORY_RELATIVE),
    }.get(column, (1.0, 0.0))
    return Growth(
        floor_s=parameters.floor_s, merge_s=parameters.merge_s, resolution=resolution, relative=relative
    )
