"""Which project a key opens, remembered for a while: an intake asks this for every request.

An unknown pair is remembered too, by project *and* key, so that one client with a wrong key keeps nobody else out. What
changes is told (hearing.py) and asked again at once; KNOWN_S is how long it takes where nobody tells.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from supervision.errors.scrubbing.options import NOTHING_OWN, Options

KNOWN_S = 30.0
NEVER = float("-inf")
MOST = 10_000
MISSES, MISSES_EACH_S = 50.0, 5.0
"""Look-ups that find nothing: so many at once, and so many more each second. Who guesses keys must not keep the database
busy."""


class TooManyUnknownError(Exception):
    """Many keys that open nothing were tried just now; this one is not looked up."""


@dataclass(frozen=True, slots=True)
class Door:
    """A project as the intake needs it."""

    project: int
    events_per_minute: int
    spike_limit: int | None = None
    """Events a minute that are far too many for this project; None: nobody knows, or nobody asked for it."""
    scrubbing: Options = NOTHING_OWN


class Doors:
    """Doors by (project, key). Thread-safe. `look_up` asks the database; `clock` is monotonic, in seconds."""

    def __init__(self, look_up: Callable[[int, str], Door | None], clock: Callable[[], float]) -> None:
        self._look_up, self._clock = look_up, clock
        self._misses = (MISSES, clock())
        self._known: OrderedDict[tuple[int, str], tuple[float, Door | None]] = OrderedDict()
        self._changes = 0
        self._lock = threading.Lock()

    def known(self, project: int, key: str) -> Door | None:
        """A door that is remembered and still to be believed; None: ask `find`. Waits for nothing."""
        with self._lock:
            known = self._known.get((project, key))
        return known[1] if known is not None and self._clock() - known[0] < KNOWN_S else None

    def find(self, project: int, key: str) -> Door | None:
        """None: no such project, or the key does not open it. Raises what `look_up` raises where nothing is remembered, and
        TooManyUnknownError."""
        now = self._clock()
        with self._lock:
            known = self._known.get((project, key))
            changes = self._changes
        if known is not None and now - known[0] < KNOWN_S:
            return known[1]
        is_known = known is not None and known[1] is not None
        if not is_known:
            self._take_miss(now)
        try:
            door = self._look_up(project, key)
        except Exception:
            if known is not None and known[1] is not None:
                return known[1]  # the database is away: what was right is right
            raise
        with self._lock:
            if door is not None and not is_known:
                self._misses = (min(MISSES, self._misses[0] + 1), self._misses[1])
            if changes != self._changes:
                return door  # it may have been read before what changed: the next one asks again
            self._known[project, key] = (now, door)
            self._known.move_to_end((project, key))
            while len(self._known) > MOST:
                self._known.popitem(last=False)
        return door

    def changed(self, project: int, key: str = "") -> None:
        """Something is different now: a key, or without one the project. The key is forgotten; what the project's other keys
        open is asked again, and still believed while the database is away."""
        with self._lock:
            self._changes += 1
            if key:
                self._known.pop((project, key), None)
                return
            for pair, (_, door) in self._known.items():
                if pair[0] == project:
                    self._known[pair] = (NEVER, door)

    def doubt(self) -> None:
        """Changes may have been missed: everything is asked again."""
        with self._lock:
            self._changes += 1
            for pair, (_, door) in self._known.items():
                self._known[pair] = (NEVER, door)

    def _take_miss(self, now: float) -> None:
        """Of what is not known to be right; given back when it turns out to be."""
        with self._lock:
            left, at = self._misses
            left = min(MISSES, left + (now - at) * MISSES_EACH_S)
            self._misses = (left - 1 if left >= 1 else left, now)
        if left < 1:
            raise TooManyUnknownError
