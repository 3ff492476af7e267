"""What the courier's threads share: who the node is, how far things are, and who has to be woken."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from controlplane.deadlines import Deadlines
from supervision.runtime.clock import Clock, SystemClock
from supervision.runtime.paths import Paths

BEAT_LIMIT_S = 2.0
"""A node that has not pinged for so long does not beat: its lease is not renewed."""


@dataclass(slots=True)
class Session:
    """One life of the courier. Plain attributes are set by one thread each and read by all."""

    paths: Paths
    node_id: str
    stream_epoch: int
    say: Callable[[str], None]
    deadlines: Deadlines
    clock: Clock = field(default_factory=SystemClock)
    host: str = ""
    epoch: int | None = None
    """Under which the node's row knows us; None: not joined, or told that it is over. Nothing is written meanwhile."""
    shipped: int = -1
    """The last record of the journal that is stored."""
    fenced: dict[str, int] | None = None
    """Fenced trees that are placed here, by the newest reading under this epoch, and their epochs; None before the first: a
    renewal that named none of them would end them all."""
    confirmed: dict[str, int] = field(default_factory=dict)
    """What the node was told with the last confirmed renewal."""
    beat_at: float = 0.0
    stopping: threading.Event = field(default_factory=threading.Event)
    desired: threading.Event = field(default_factory=threading.Event)
    """Somebody says that what should be here is different."""
    ordered: threading.Event = field(default_factory=threading.Event)
    """The same, for commands."""
    stored: threading.Event = field(default_factory=threading.Event)
    """More of the journal is stored."""
    resync: threading.Event = field(default_factory=threading.Event)
    """The rows of this node are not to be trusted: all of them are written once."""

    @property
    def beats(self) -> bool:
        """Whether the node was heard of lately."""
        return self.clock.boot() - self.beat_at < BEAT_LIMIT_S

    def wake(self) -> None:
        self.desired.set()
        self.ordered.set()

    def lose_epoch(self, epoch: int) -> None:
        """The database says that `epoch` is over: nothing is covered, nothing is written, until we joined anew."""
        if self.epoch == epoch:
            self.fenced, self.confirmed = None, {}
            self.epoch = None
