"""One tree: its kernel, the journal of every step, and the carrying out of what the kernel decides.

Each event goes one way: kernel.handle -> one `step` record -> the actions are performed. What performing them brings
(a spawned process is Started at once) is the next event. So the journal holds the intent before the deed and, replayed,
gives the same kernel again (docs/adr/0003).
"""

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from supervision.kernel import Kernel
from supervision.kernel.actions import Action, Exit, Kill, Reply, Report, Signal, Start, State
from supervision.kernel.events import Call, Event, Exited, Ready, Started, StartFailed, StopRoot, Tick
from supervision.runtime.clock import Clock
from supervision.runtime.journal import Journal, JournalFull
from supervision.runtime.kinship import Leader
from supervision.runtime.loop import Loop, Timer
from supervision.runtime.recovery import FORKING, NEVER_BEGUN

ROOM_FOR_STEP = 256 * 1024
ROOM_FOR_CHILD = 400
"""Bytes of a step for each child it is about: an action, and a change of state or two."""
SLICE_S = 0.02
RETRY_S = 1.0
"""How often events that could not be recorded (disk full) are tried again."""


_ANSWERS = (Started, StartFailed)
_ENDS = (Exited, StartFailed)
_TOLD = frozenset({Report, State})
"""Nothing is to be done about these; most of what stands before a start are such."""

Waiting = tuple[Event, dict[str, Any] | None, Callable[[], None] | None]
"""An event, what joins its record, what to do once it is recorded."""


class Driver(Protocol):
    """What carries out decisions about children."""

    def start(self, key: str, incarnation: int, body: Mapping[str, Any]) -> None: ...

    def signal(self, key: str, incarnation: int) -> None: ...

    def kill(self, key: str, incarnation: int, cause: str) -> None: ...


class TreeRunner:
    """Drives one kernel. Guarantee: nothing is performed that is not in the journal; events keep their order."""

    def __init__(
        self,
        name: str,
        kernel: Kernel,
        *,
        loop: Loop,
        clock: Clock,
        journal: Journal,
        driver: Driver,
        on_reply: Callable[[str, Any], None],
        on_change: Callable[[], None],
        on_exit: Callable[["TreeRunner", Any], None],
    ) -> None:
        self.name = name
        self.kernel = kernel
        self.loop, self.clock, self.journal, self.driver = loop, clock, journal, driver
        self.on_reply, self.on_change, self.on_exit = on_reply, on_change, on_exit
        self.deadline: float | None = None
        self.ended: Any = NEVER_BEGUN
        self.since: dict[str, float] = {}
        self.last_exit: dict[str, dict[str, Any]] = {}
        self._timer: Timer | None = None
        self._queue: deque[Waiting] = deque()
        self._answers: deque[Waiting] = deque()
        """What came of an action just performed goes before what happened elsewhere: the sooner a start is on record, the
        less a successor has to guess."""
        self._busy = False
        self._retry: Timer | None = None
        self._ending = False
        """It was told to stop, which waits for no room: what is recorded takes what room there is."""
        self.unrecorded = False
        """A step of its stop did not fit. What follows it is not recorded either, or a replay would take it for something
        else; the next life of the tree waits for a snapshot, which clears this."""

    @property
    def is_down(self) -> bool:
        """Nothing of the tree runs or will start by itself."""
        return self.ended is not None

    @property
    def blocked(self) -> int:
        """Events that wait because the journal is full."""
        return len(self._queue) + len(self._answers) if self._retry is not None else 0

    @property
    def idle(self) -> bool:
        """The kernel has heard of everything that happened; only then is its dump the whole truth."""
        return not self._queue and not self._answers

    def feed(
        self, event: Event, extra: dict[str, Any] | None = None, then: Callable[[], None] | None = None
    ) -> None:
        """Hand one event to the kernel and perform everything that follows. `extra` joins its journal record; `then` is
        called once that is written and acted upon."""
        if isinstance(event, StopRoot):
            self._stop_first((event, extra, then))
            return
        waiting = self._answers if isinstance(event, _ANSWERS) else self._queue
        waiting.append((event, extra, then))
        if not self._busy and self._retry is None and len(self._queue) + len(self._answers) == 1:
            self._drain()

    def _stop_first(self, stop: Waiting) -> None:
        """Before all that waits for room: an exit among it would be answered by a start."""
        self._ending = True
        self._queue.appendleft(stop)
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
        if not self._busy:
            self._drain()

    def _drain(self) -> None:
        """Work off the queue; after SLICE_S let the loop turn, so that a start of thousands does not silence the node."""
        if self._retry is not None:
            return
        self._busy = True
        until = self.clock.boot() + SLICE_S
        try:
            while not self.idle and self._step():
                if self.clock.boot() > until:
                    self.loop.call_soon(self._drain)
                    return
        finally:
            self._busy = False
        self._arm()

    def _step(self) -> bool:
        """False when the journal has no room: the event stays first in the queue and is tried again."""
        queue = self._answers or self._queue
        event, extra, then = queue[0]
        if not self._ending and not self._has_room(event):
            self._retry = self.loop.call_later(RETRY_S, self._try_again)
            self.on_change()
            return False
        now = self.clock.boot()
        actions, self.deadline = self.kernel.handle(event, now=now)
        queue.popleft()
        # A Tick is recorded too: a hold that expires while its child runs needs no action, and counts.
        recorded = self._record(event, now, actions, extra)
        self.notice(event, actions)
        for action in actions:
            if type(action) in _TOLD:
                continue
            if recorded or not isinstance(action, Start):
                self._perform(action)
            else:
                self.start_failed(action.key, action.incarnation, "start_failed(journal full)")
        self.on_change()
        if then is not None:
            then()
        return True

    def _has_room(self, event: Event) -> bool:
        needed = self._needed(event)
        return not self.unrecorded and (self.journal.room >= needed or self.journal.refill(needed) >= needed)

    def _needed(self, event: Event) -> int:
        """Bytes that must be certain before the kernel moves: a step may stop every child there is, a request may carry a
        whole specification."""
        request = 4 * len(str(event)) if isinstance(event, Call) else 0
        return ROOM_FOR_STEP + ROOM_FOR_CHILD * len(self.since) + request

    def _record(self, event: Event, now: float, actions: list[Action], extra: dict[str, Any] | None) -> bool:
        """False for a step of a stop that does not fit, and for those behind it."""
        if self.unrecorded:
            return False
        body: dict[str, Any] = {
            "tree": self.name,
            "now": now,
            "event": event.to_json(),
            "actions": [a.to_json() for a in actions],
        }
        if extra:
            body.update(extra)
        try:
            self.journal.append("step", body)
        except JournalFull:
            if not self._ending:
                raise
            self.unrecorded = True
            return False
        return True

    def notice(self, event: Event, actions: list[Action]) -> None:
        """Keep what pages show and the kernel does not decide by: when a state began, how the last life ended."""
        wall = self.clock.wall()
        if isinstance(event, _ENDS):
            self.last_exit[event.key] = {"reason": event.reason, "at": wall, "incarnation": event.incarnation}
        for action in actions:
            if isinstance(action, State):
                self.since[action.key] = wall
                if action.key == self.name and action.new in ("starting", "running"):
                    self.ended = None

    def _perform(self, action: Action) -> None:
        if isinstance(action, Start):
            self.driver.start(action.key, action.incarnation, action.body)
        elif isinstance(action, Signal):
            self.driver.signal(action.key, action.incarnation)
        elif isinstance(action, Kill):
            self.driver.kill(action.key, action.incarnation, action.cause)
        elif isinstance(action, Reply):
            self.on_reply(action.ref, action.value)
        elif isinstance(action, Exit):
            self.ended = action.reason
            self._ending = False
            self.on_exit(self, action.reason)

    def _arm(self) -> None:
        if self._timer is not None:
            if self._timer.when == self.deadline and not self._timer.cancelled:
                return
            self._timer.cancel()
            self._timer = None
        if self.deadline is not None:
            self._timer = self.loop.call_at(self.deadline, self._tick)

    def _tick(self) -> None:
        self._timer = None
        if self._retry is None:
            self.feed(Tick())

    def _try_again(self) -> None:
        self._retry = None
        self.journal.refill()
        self._drain()

    # -- what the driver says ---------------------------------------------------------------------------------------

    def started(self, key: str, incarnation: int, leader: Leader) -> None:
        self.feed(
            Started(key, incarnation),
            {"process": {"pid": leader.pid, "inode": leader.inode, "role": leader.role}},
        )

    def forking(self, key: str, incarnation: int) -> None:
        """Started, as far as its supervisor goes; the process follows."""
        self.feed(Started(key, incarnation), {"process": {"pid": None, "inode": None, "role": FORKING}})

    def start_failed(self, key: str, incarnation: int, reason: str) -> None:
        self.feed(StartFailed(key, incarnation, reason))

    def ready(self, key: str, incarnation: int) -> None:
        self.feed(Ready(key, incarnation))

    def exited(self, key: str, incarnation: int, reason: str, then: Callable[[], None] | None = None) -> None:
        self.feed(Exited(key, incarnation, reason), then=then)

    def close(self) -> None:
        """Stop its timers; the tree was removed or the node ends."""
        for timer in (self._timer, self._retry):
            if timer is not None:
                timer.cancel()
