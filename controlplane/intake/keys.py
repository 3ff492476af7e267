"""Which project a key opens, remembered for a while: an intake asks this for every request.

An unknown pair is remembered too, by project *and* key, so that one client with a wrong key keeps nobody else out.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

KNOWN_S = 30.0
MOST = 10_000


@dataclass(frozen=True, slots=True)
class Door:
    """A project as the intake needs it."""

    project: int
    events_per_minute: int


class Doors:
    """Doors by (project, key). Thread-safe. `look_up` asks the database; `clock` is monotonic, in seconds."""

    def __init__(self, look_up: Callable[[int, str], Door | None], clock: Callable[[], float]) -> None:
        self._look_up, self._clock = look_up, clock
        self._known: OrderedDict[tuple[int, str], tuple[float, Door | None]] = OrderedDict()
        self._lock = threading.Lock()

    def find(self, project: int, key: str) -> Door | None:
        """None: no such project, or the key does not open it. Raises what `look_up` raises where nothing is remembered."""
        now = self._clock()
        with self._lock:
            known = self._known.get((project, key))
        if known is not None and now - known[0] < KNOWN_S:
            return known[1]
        try:
            door = self._look_up(project, key)
        except Exception:
            if known is not None and known[1] is not None:
                return known[1]  # the database is away: what was right is right
            raise
        with self._lock:
            self._known[project, key] = (now, door)
            self._known.move_to_end((project, key))
            while len(self._known) > MOST:
                self._known.popitem(last=False)
        return door
