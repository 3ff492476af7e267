"""What the node says, kept current: a `watch` stream that only hints, a re-read on each hint, and reconnection.

Level, not edge: a hint says that something changed, the answer to `tree` says what is. A hint that is lost costs at most
EVERY_S. What was read last stays, with its age, when the node stops answering: an old truth that is marked as old beats
a zero.
"""

import select
from collections.abc import Callable

from controlplane.cli.clients import Client
from controlplane.cli.command import Invocation
from supervision.runtime.client import ControlError, Pending
from supervision.runtime.observed import Observed

EVERY_S = 1.0
"""Seconds between readings when nothing is hinted: status texts change without a journal record."""

ANSWER_S = 2.0
"""A reading older than this without an answer is stale: the guardian gives a silent node as long."""

RETRY_S = 0.25
FEWEST_S = 0.1
COST_SHARE = 10
"""Between two readings at least ten times as long as the last one took: watching a large tree must not slow the node."""


class Feed:
    """The latest reading. Drive it with `advance`, waiting on `fileno` until `wake_at`, or let `wait` do both."""

    def __init__(self, invocation: Invocation, *, connect: Callable[[float], Client] | None = None) -> None:
        self._clock = invocation.clock
        self._connect = connect or (lambda timeout_s: invocation.connect(timeout_s=timeout_s))
        self._client: Client | None = None
        self._watch: Pending | None = None
        self._read: Pending | None = None
        self._hinted = True
        self._began = 0.0
        self._next_read = 0.0
        self._retry_at = 0.0
        self._since = self._clock.boot()
        self.raw: object = None
        """The answer as it came, for --json."""
        self.observed: Observed | None = None
        self.answered_at: float | None = None
        """Boot seconds of the latest answer."""
        self.asked_at = 0.0
        """Boot seconds when the latest answered reading was asked for: what happened before that is in it."""
        self.error: ControlError | None = None

    def close(self) -> None:
        if self._client is not None:
            self._client.close()
        self._client = self._watch = self._read = None

    @property
    def age_s(self) -> float:
        """Seconds since the latest answer, or since the feed began when there was none."""
        return self._clock.boot() - (self._since if self.answered_at is None else self.answered_at)

    @property
    def stale(self) -> bool:
        """True when what is shown may no longer be so."""
        return self.error is not None or self.age_s > EVERY_S + ANSWER_S

    @property
    def complaint(self) -> str:
        """Why it is stale, in words."""
        return self.error.message if self.error is not None else "the node does not answer"

    def fileno(self) -> int | None:
        return None if self._client is None else self._client.fileno()

    @property
    def wake_at(self) -> float:
        """Boot time at which `advance` has something to do even when nothing arrives."""
        if self._client is None:
            return self._retry_at
        if self._read is not None:
            return self._began + ANSWER_S
        return self._next_read if self._hinted else max(self._next_read, self._began + EVERY_S)

    def hurry(self) -> None:
        """Read again at once: something was asked of the node."""
        self._hinted, self._next_read = True, 0.0

    def advance(self) -> bool:
        """Take what arrived and ask what is due; True when there is a new reading or a new complaint."""
        before = (self.answered_at, None if self.error is None else self.error.message)
        try:
            self._advance()
        except ControlError as error:
            self.close()
            self.error = error
            self._retry_at = self._clock.boot() + RETRY_S
        return before != (self.answered_at, None if self.error is None else self.error.message)

    def wait(self, until: float | None = None, also: tuple[int, ...] = ()) -> list[int]:
        """Sleep until something arrives here or on a descriptor of `also`, or it is `until`; who is ready."""
        wake = self.wake_at if until is None else min(until, self.wake_at)
        fd = self.fileno()
        fds = list(also) if fd is None else [fd, *also]
        ready, _, _ = select.select(fds, [], [], max(0.0, wake - self._clock.boot()))
        return ready

    def _advance(self) -> None:
        now = self._clock.boot()
        if self._client is None:
            if now < self._retry_at:
                return
            self._client = self._connect(EVERY_S)
            self._watch = self._client.begin("watch")
            self._hinted, self._next_read = True, now
        self._client.drain()
        now = self._clock.boot()
        self._take_hints()
        self._take_reading(now)
        if self._read is None and now >= self._next_read and (self._hinted or now >= self._began + EVERY_S):
            self._read = self._client.begin("tree")
            self._began, self._hinted = now, False

    def _take_hints(self) -> None:
        watch = self._watch
        if watch is None:
            return
        if watch.events:
            watch.events.clear()
            self._hinted = True
        if watch.done:
            self._watch = None
            watch.value()

    def _take_reading(self, now: float) -> None:
        if self._read is None:
            return
        if self._read.done:
            self.raw = self._read.value()
            self.observed = Observed.from_json(self.raw)
            self.answered_at, self.asked_at, self.error, self._read = now, self._began, None, None
            self._next_read = now + max(FEWEST_S, COST_SHARE * (now - self._began))
        elif now >= self._began + ANSWER_S:
            raise ControlError("unreachable", "the node does not answer")
