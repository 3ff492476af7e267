"""The resources that are watched in living processes: their units, what counts as fast, and what one makes of another.

A column is what is measured, a resource what leaks: two queues of a program are two columns of one resource.
"""

from collections.abc import Mapping
from dataclasses import dataclass

MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Resource:
    """least   growth within the fast window that means something, in the resource's unit
    share   and of what there was at first
    words   how people call many of it
    """

    name: str
    words: str
    least: float
    share: float = 0.0
    is_bytes: bool = False


RESOURCES: Mapping[str, Resource] = {
    one.name: one
    for one in (
        Resource("rss", "memory", 14 * MIB, 0.1, is_bytes=True),
        Resource("fds", "descriptors", 30),
        Resource("sockets", "sockets", 15),
        Resource("threads", "threads", 15),
        Resource("children", "child processes", 8),
        Resource("zombies", "unreaped child processes", 8),
        Resource("tasks", "asyncio tasks", 30),
        Resource("queue", "queued messages", 150),
        Resource("timers", "timers", 30),
        Resource("conns", "connections", 15),
        Resource("disk", "disk", 14 * MIB, 0.02, is_bytes=True),
    )
}
MEASURED = ("rss", "fds", "sockets", "threads", "children", "zombies", "disk")
"""Those that the sampler measures; the others a program tells of as gauges."""

GAUGES: Mapping[str, str] = {
    "asyncio_tasks": "tasks",
    "tasks": "tasks",
    "queue_length": "queue",
    "queue": "queue",
    "timers": "timers",
    "connections": "conns",
    "conns": "conns",
}
"""Names by which programs tell of a resource; `queue_length.mails` is one of several."""
WORK = ("operations", "ops")
"""Names by which they tell how much they have done."""

MAKES: Mapping[str, Mapping[str, float]] = {
    "children": {"rss": 256 * MIB, "fds": 256, "threads": 64, "sockets": 64},
    "threads": {"rss": MIB},
    "sockets": {"fds": 1.5, "rss": MIB / 4},
    "conns": {"sockets": 3, "fds": 3, "rss": MIB / 4},
    "fds": {"rss": MIB / 16},
    "tasks": {"timers": 3, "rss": MIB / 4, "sockets": 3, "fds": 3, "conns": 3},
    "timers": {"rss": MIB / 16},
    "queue": {"rss": MIB},
}
"""How much of another resource one piece of a resource may bring with it: growth up to that needs no other cause."""

STILL_BRINGS: Mapping[str, float] = {"rss": 4 * MIB, "fds": 16, "threads": 4, "sockets": 4}
"""What a process that began a while ago may still come to, while it is given its first work."""


def resource_of(gauge: str) -> str | None:
    """The resource that a program's gauge tells of; None for any other gauge."""
    return GAUGES.get(gauge) or GAUGES.get(gauge.partition(".")[0])


def explains(cause: str, cause_rate: float, other: str, other_rate: float) -> bool:
    """Whether the growth of `other` is what that of `cause` brings with it."""
    each = MAKES.get(cause, {}).get(other)
    return each is not None and other_rate <= cause_rate * each
