"""What `/readyz` answers from: checks that are asked again and again in the background, so that no probe waits for a store.

An answer is at most FRESH_S old, and one that is older counts as a failure: a store that was stopped does not answer "no",
it does not answer at all. One thread with an event loop of its own asks, because every question needs a deadline of ours.
"""

import asyncio
import contextlib
import threading
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from supervision.runtime.clock import Clock, SystemClock

EVERY_S = 0.5
DEADLINE_S = 1.5
FRESH_S = 2.0
FIRST_WAIT_S = 2.0
"""What the very first question of a process may wait, when nothing was asked before."""

Ask = Callable[[], Awaitable[str]]
"""Ask once; the detail for people. Raises CheckFailed or whatever the store's client raises."""


class CheckFailed(Exception):  # noqa: N818 an outcome, named as the page names it
    """What was asked for does not hold; the text says what is wrong."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that is asked. Only those that decide take the process out of rotation; the others are warnings."""

    name: str
    ask: Ask
    decides: bool


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a check says now."""

    name: str
    ok: bool
    decides: bool
    detail: str


@dataclass(slots=True)
class _Latest:
    ok: bool = False
    detail: str = "not asked yet"
    at: float = float("-inf")
    failing_since: float | None = None
    """When the first of the failures in a row was seen, on the boot clock."""


@dataclass(slots=True)
class Checks:
    """Asks `checks` from `start` (or the first `outcomes`) to `stop`."""

    checks: Sequence[Check]
    close: Callable[[], Awaitable[None]] | None = None
    """Called when the asking has ended, in its loop: to close what the checks hold open."""
    clock: Clock = field(default_factory=SystemClock)
    _latest: dict[str, _Latest] = field(default_factory=dict)
    _thread: threading.Thread | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _first: threading.Event = field(default_factory=threading.Event)
    _ended: threading.Event = field(default_factory=threading.Event)

    def start(self) -> None:
        """Begin to ask; nothing when it has begun."""
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="checks", daemon=True)
                self._thread.start()

    def stop(self) -> None:
        """End the thread, at the latest after one deadline."""
        with self._lock:
            thread, self._thread = self._thread, None
        if thread is not None:
            self._ended.set()
            thread.join(DEADLINE_S + 2)
            self._ended.clear()

    def names(self) -> list[str]:
        return [check.name for check in self.checks]

    def outcomes(self, *, wait_s: float = FIRST_WAIT_S) -> list[Outcome]:
        """Each check as it stands. Waits only when nothing at all is known yet, and `wait_s` at most."""
        self.start()
        self._first.wait(wait_s)
        now = self.clock.boot()
        return [self._outcome(check, now) for check in self.checks]

    def failing_since(self, name: str) -> float | None:
        """When the newest answers began to be failures, seconds of the boot clock; None: the newest is none.

        An answer that is only old says nothing of a store: we may be slow.
        """
        latest = self._latest.get(name)
        return None if latest is None else latest.failing_since

    def _outcome(self, check: Check, now: float) -> Outcome:
        latest = self._latest.get(check.name, _Latest())
        age = now - latest.at
        if age > FRESH_S:
            silence = "has not answered yet" if latest.at == float("-inf") else f"no answer for {age:.0f} s"
            return Outcome(check.name, False, check.decides, silence)
        return Outcome(check.name, latest.ok, check.decides, latest.detail)

    def _run(self) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            asyncio.run(self._ask_all())

    async def _ask_all(self) -> None:
        rounds = [asyncio.create_task(self._ask_on(check)) for check in self.checks]
        while not self._ended.is_set():
            await asyncio.sleep(EVERY_S / 5)
            if len(self._latest) == len(self.checks):
                self._first.set()
        for task in rounds:
            task.cancel()
        await asyncio.wait(rounds, timeout=1)
        if self.close is not None:
            await self.close()

    async def _ask_on(self, check: Check) -> None:
        """Each check has a round of its own: one that hangs does not make the others old."""
        while True:
            asked = self.clock.boot()
            try:
                async with asyncio.timeout(DEADLINE_S):
                    detail = await check.ask()
            except CheckFailed as failed:
                latest = _Latest(False, str(failed), asked)
            except TimeoutError:
                latest = _Latest(False, f"no answer within {DEADLINE_S:g} s", self.clock.boot())
            except Exception as error:  # noqa: BLE001 whatever a store's client raises, the store is not there
                latest = _Latest(False, type(error).__name__, self.clock.boot())
            else:
                latest = _Latest(True, detail, asked)
            if not latest.ok:
                before = self.failing_since(check.name)
                latest.failing_since = latest.at if before is None else before
            self._latest[check.name] = latest
            await asyncio.sleep(EVERY_S)
