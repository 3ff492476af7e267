"""The poll loop of guardian and node: descriptors and timers, one thread, one owner.

Guarantee: callbacks run one at a time, in the loop's thread, never re-entrantly. Limit: a callback that blocks blocks
everything, so nothing here may wait. Timers run on the boot clock (docs/adr/0004).
"""

import heapq
import itertools
import os
import select
import signal
from collections.abc import Callable

from supervision.runtime.clock import Clock

MAX_EVENTS = 512
HELD = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR2, signal.SIGCHLD)


def hold_signals() -> None:
    """Let what guardian and node listen to wait until a loop's `on_signal`, also across an exec: none may be lost or kill
    us while this process goes on as something else."""
    signal.pthread_sigmask(signal.SIG_BLOCK, HELD)
    signal.set_wakeup_fd(-1)


class Timer:
    """A callback due at `when` (boot seconds) unless cancelled."""

    __slots__ = ("callback", "cancelled", "when")

    def __init__(self, when: float, callback: Callable[[], None]) -> None:
        self.when = when
        self.callback = callback
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class Loop:
    """Level-triggered epoll with a heap of timers."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self._epoll = select.epoll()
        self._callbacks: dict[int, Callable[[], None]] = {}
        self._new: set[int] = set()
        """Descriptors registered since the last poll: what that poll saw on their numbers was said of closed ones."""
        self._timers: list[tuple[float, int, Timer]] = []
        self._order = itertools.count()
        self._soon: list[Callable[[], None]] = []
        self._stopped = False
        self._wake_read = -1
        self.rounds = 0
        """How often `run_once` woke."""
        self.late_s = 0.0
        """By how much the last timer was late: on a machine that has no processor for us, by seconds."""

    def watch(self, fd: int, callback: Callable[[], None], events: int = select.EPOLLIN) -> None:
        """Call `callback` while `fd` is ready; replaces the callback and mask of a watched one."""
        if fd in self._callbacks:
            self._epoll.modify(fd, events)
        else:
            self._epoll.register(fd, events)
            self._new.add(fd)
        self._callbacks[fd] = callback

    def unwatch(self, fd: int) -> None:
        """Forget `fd`; call before closing it. Unknown ones are ignored."""
        if self._callbacks.pop(fd, None) is not None:
            self._epoll.unregister(fd)

    def call_at(self, when: float, callback: Callable[[], None]) -> Timer:
        timer = Timer(when, callback)
        heapq.heappush(self._timers, (when, next(self._order), timer))
        return timer

    def call_later(self, seconds: float, callback: Callable[[], None]) -> Timer:
        return self.call_at(self.clock.boot() + seconds, callback)

    def call_soon(self, callback: Callable[[], None]) -> None:
        """Run `callback` at the end of this round; what it adds itself runs in the next one."""
        self._soon.append(callback)

    @property
    def watched(self) -> int:
        """Descriptors that are watched."""
        return len(self._callbacks)

    @property
    def timers(self) -> int:
        """Callbacks that are due at some time."""
        return sum(not timer.cancelled for _, _, timer in self._timers)

    def on_signal(self, *numbers: int, callback: Callable[[int], None]) -> None:
        """Deliver these signals to `callback(number)` inside the loop."""
        if self._wake_read < 0:
            self._wake_read, self._wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
            signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
            self._signal_callbacks: dict[int, Callable[[int], None]] = {}
            self.watch(self._wake_read, self._read_signals)
        for number in numbers:
            self._signal_callbacks[number] = callback
            signal.signal(number, lambda *_: None)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, numbers)

    def _read_signals(self) -> None:
        seen = os.read(self._wake_read, 4096)
        for number in dict.fromkeys(seen):
            callback = self._signal_callbacks.get(number)
            if callback is not None:
                callback(number)

    def run(self) -> None:
        """Run until `stop()`."""
        while not self._stopped:
            self.run_once()

    def stop(self) -> None:
        """For good, and at once: what is due in this round is not run, as what it acts on may be handed over."""
        self._stopped = True

    def close(self) -> None:
        """Close our own descriptors; what was watched is its owner's."""
        self._epoll.close()
        if self._wake_read >= 0:
            hold_signals()
            os.close(self._wake_read)
            os.close(self._wake_write)

    def run_once(self, *, at_most: float = 3600.0) -> None:
        """One round: wait for the first descriptor or timer (at most `at_most` seconds), run what is due."""
        seen = self._epoll.poll(self._wait(at_most), MAX_EVENTS)
        self._new.clear()
        self.rounds += 1
        for fd, _ in seen:
            callback = self._callbacks.get(fd)
            if callback is not None and fd not in self._new and not self._stopped:
                callback()
        if self._timers:
            self._run_timers()
        if self._soon and not self._stopped:
            now, self._soon = self._soon, []
            for callback in now:
                if not self._stopped:
                    callback()

    def _wait(self, at_most: float) -> float:
        if self._soon:
            return 0.0
        while self._timers and self._timers[0][2].cancelled:
            heapq.heappop(self._timers)
        if not self._timers:
            return at_most
        return min(max(0.0, self._timers[0][0] - self.clock.boot()), at_most)

    def _run_timers(self) -> None:
        now = self.clock.boot()
        while self._timers and self._timers[0][0] <= now and not self._stopped:
            when, _, timer = heapq.heappop(self._timers)
            if not timer.cancelled:
                self.late_s = now - when
                timer.callback()
