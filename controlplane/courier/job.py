"""One job of the courier, in a thread of its own: steps, again and again, whatever a store does meanwhile."""

import os
import sys
import threading
import traceback
from collections.abc import Callable

from django.db import DatabaseError, InterfaceError, OperationalError, ProgrammingError, connection
from redis.exceptions import RedisError

from controlplane.courier.session import Session
from supervision.fleet.exceptions import StaleEpochError
from supervision.runtime.client import ControlError

RETRY_S = 0.5
RETRY_MAX_S = 2.0
AWAY = (OperationalError, InterfaceError, ProgrammingError, RedisError, ControlError, OSError)
"""A store that is away, has no tables yet, or a node that is. Everything that was begun is begun again."""


class Job:
    """Calls `step` until the session ends. `step` answers how many seconds to wait before the next one; `event` ends a wait.

    What a step raises of AWAY is said once and retried; so is what a database refuses, for another try may find it mended.
    Anything else is a fault of ours: the whole courier ends, and the node starts another.
    """

    def __init__(
        self,
        name: str,
        session: Session,
        step: Callable[[], float],
        event: threading.Event | None = None,
        *,
        retry_max_s: float = RETRY_MAX_S,
    ) -> None:
        self.name, self.session, self._step, self._event = name, session, step, event
        self._retry_max_s = retry_max_s
        self._trouble = ""
        self._retry_s = RETRY_S

    def start(self) -> None:
        threading.Thread(
            target=self._run, name=self.name, daemon=True
        ).start()  # audit: ignore[SUP101] its death is the courier's

    def _run(self) -> None:
        try:
            while not self.session.stopping.is_set():
                self._wait(self.once())
        except BaseException:  # noqa: BLE001  a courier without one of its jobs would answer pings for ever
            traceback.print_exc()
            self.session.say(f"{self.name} failed: {traceback.format_exc(limit=-3)}")
            sys.stderr.flush()
            os._exit(1)

    def once(self) -> float:
        """One step; how long to wait after it."""
        try:
            left = self._step()
        except StaleEpochError:
            if self.session.epoch is not None:
                self.session.lose_epoch(self.session.epoch)
            return 0.1
        except (*AWAY, DatabaseError) as error:
            self._complain(error)
            _close_connection()
            self._retry_s, waited = min(self._retry_s * 2, self._retry_max_s), self._retry_s
            return waited
        if self._trouble:
            self.session.say(f"{self.name}: works again")
        self._trouble, self._retry_s = "", RETRY_S
        return left

    def _wait(self, seconds: float) -> None:
        if self._event is None:
            self.session.stopping.wait(seconds)
        elif self._event.wait(seconds):
            self._event.clear()  # before the step: what is said during it is heard after it

    def _complain(self, error: Exception) -> None:
        """Once for each kind of trouble, without what a message may hold of ours."""
        words = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"[:300]
        if type(error).__name__ != self._trouble:
            self._trouble = type(error).__name__
            self.session.say(f"{self.name}: {words}")


def _close_connection() -> None:
    try:
        connection.close()
    except Exception:  # noqa: BLE001  it is broken: that is why it is closed
        connection.connection = None
