"""When a fenced tree has to be down: pure decisions about leases (docs/fleet.md).

The holder of a lease counts from the moment at which the last confirmed renewal was *sent*, on the boot clock, which goes on
while the machine sleeps. The database counts from when it wrote, which was later. So the holder is through before anybody
takes over, however long an answer was under way.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

MARGIN_S = 2.0
"""A fenced tree is killed so long before its lease ends."""
GUARDIAN_AFTER_S = 0.25
"""The guardian acts so long after the node should have."""


@dataclass(frozen=True, slots=True)
class Lease:
    """The last confirmed renewal: when it was sent (boot seconds), for how long, and the epoch of each fenced tree."""

    sent: float
    ttl_s: float
    trees: Mapping[str, int] = field(default_factory=dict)

    @property
    def deadline(self) -> float:
        """Boot seconds at which what it covers has to be down unless another renewal came."""
        return self.sent + self.ttl_s - MARGIN_S

    def covers(self, tree: str, epoch: int, now: float) -> bool:
        """Whether the tree may run: the lease is fresh and names the tree, with this epoch or one given here since."""
        return now < self.deadline and self.trees.get(tree, -1) >= epoch


@dataclass(frozen=True, slots=True)
class Fence:
    """A tree that runs under a lease. `down`: it was fenced, and stays down until a renewal covers it."""

    epoch: int
    down: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """Trees to kill, trees that may run again, and when to ask the next time (boot seconds; None: at the next renewal)."""

    kill: tuple[str, ...]
    release: tuple[str, ...]
    again: float | None


def judge(fences: Mapping[str, Fence], lease: Lease | None, now: float) -> Verdict:
    """Compare what runs with what is covered."""
    covered = {
        name for name, fence in fences.items() if lease is not None and lease.covers(name, fence.epoch, now)
    }
    kill = tuple(name for name, fence in fences.items() if name not in covered and not fence.down)
    release = tuple(name for name, fence in fences.items() if name in covered and fence.down)
    return Verdict(kill, release, lease.deadline if lease is not None and covered else None)


def newer(known: Lease | None, told: Lease) -> Lease:
    """The one that was sent last: answers may overtake each other."""
    return told if known is None or told.sent >= known.sent else known
