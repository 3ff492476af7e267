"""Waiting beside a guardian that already runs: what a service manager's main process does after a promotion.

systemd starts its unit again when the guardian was killed, while the promoted node already supervises the same children.
With `--if-running follow` that new process waits for the data directory's lock, hands stop signals on to the guardian that
holds it, and becomes the guardian itself when the lock falls free.
"""

import contextlib
import json
import os
import signal
from collections.abc import Callable

from supervision.runtime.clock import Clock
from supervision.runtime.log import Log
from supervision.runtime.loop import Loop
from supervision.runtime.paths import Paths

LOOK_EVERY_S = 0.2


class Follower:
    """Waits until `take_lock` succeeds; `run` answers its descriptor, or None when a stop was asked for and carried out."""

    def __init__(self, paths: Paths, clock: Clock, log: Log, take_lock: Callable[[], int | None]) -> None:
        self.paths = paths
        self.log = log
        self.take_lock = take_lock
        self.loop = Loop(clock)
        self.stop_asked = False

    def run(self) -> int | None:
        self.loop.on_signal(signal.SIGTERM, signal.SIGINT, signal.SIGHUP, callback=self._hand_on)
        self.log.say("another guardian runs; following it", pid=self._guardian_pid())
        try:
            while (lock := self.take_lock()) is None:
                self.loop.run_once(at_most=LOOK_EVERY_S)
        finally:
            self.loop.close()
        if self.stop_asked:
            os.close(lock)
            return None
        self.log.say("the other guardian is gone; taking over")
        return lock

    def _hand_on(self, number: int) -> None:
        self.stop_asked = True
        pid = self._guardian_pid()
        if pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)  # audit: ignore[SUP303] it holds the lock that we wait for

    def _guardian_pid(self) -> int | None:
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            return int(json.loads(self.paths.runtime_json.read_text())["guardian_pid"])
        return None
