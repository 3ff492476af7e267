"""Makes issues of what the intake accepted: `python -m controlplane.serving.digester`.

Ready when its loop turns. Killed at any time, it has either digested a batch or not touched it.
"""

import datetime as dt
import logging
import signal
import time
from types import FrameType
from typing import TYPE_CHECKING

import django
from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection, transaction

from controlplane.serving import notify
from controlplane.serving.loading import loading
from supervision.runtime.clock import SystemClock

if TYPE_CHECKING:
    from supervision.errors.store.checkins import Away  # rows can be named only after setup

WAIT_S = 1.0
APART_S = 0.1
"""Between the starts of two batches that are not full: a transaction costs what tens of reports do. The first report after
a pause is digested at once."""
CLOCK_EVERY_S = 10.0
AWAY_S = 60.0
"""Without anything digested for so long, nothing that was due meanwhile is called missed."""
MONITORS_LOCK = 0x6F76_6572_6D6F_6E69
"""Advisory: of several digesters one looks at the clock."""
CHANNEL = "overstory_errors"

log = logging.getLogger("overstory.errors")


class Digester:
    """`stop` may be called by a signal handler."""

    def __init__(self) -> None:
        from controlplane.controller.wakeups import Wakeups  # rows can be named only after setup

        self._clock = SystemClock()
        self._wakeups = Wakeups(settings.CONNECTIONS.database_url, (CHANNEL,))
        self._ended = False
        self._turned_at: dt.datetime | None = None
        self._away: Away | None = None
        self._look_again = 0.0

    def stop(self, *_: int | FrameType | None) -> None:
        self._ended = True
        self._wakeups.wake()

    def run(self) -> None:
        notify.ready("digesting")
        address_is_said = False
        try:
            while not self._ended:
                began = self._clock.boot()
                try:
                    if not address_is_said:
                        self._say_address()
                        address_is_said = True
                    busy = self._turn()
                    said = "digesting"
                except (DatabaseError, InterfaceError) as error:
                    log.warning("the database is away: %s", type(error).__name__)
                    connection.close()
                    busy, said = False, "waits for the database"
                notify.tell("WATCHDOG=1", f"STATUS={said}")
                if not busy:
                    self._wakeups.wait(WAIT_S, self._clock.boot())
                    self._gather(began + APART_S)
        finally:
            self._wakeups.close()

    def _gather(self, until: float) -> None:
        """Let more reports come."""
        rest = until - self._clock.boot()
        if rest > 0 and not self._ended:
            time.sleep(rest)

    def _say_address(self) -> None:
        from supervision.errors.store.addresses import say_address

        reachable = settings.REACHABLE
        say_address(local_url=reachable.local_url, public_url=reachable.given_url, now=self._now())

    def _turn(self) -> bool:
        """Whether there may be more at once."""
        from supervision.errors.store.crashes import give_projects
        from supervision.errors.store.digesting import BATCH, digest

        now = self._now()
        self._see_whether_away(now)
        give_projects()
        taken = digest(now=now)
        self._turned_at = now
        if self._clock.boot() >= self._look_again:
            self._look_again = self._clock.boot() + CLOCK_EVERY_S
            self._look(now)
        return taken == BATCH

    def _see_whether_away(self, now: dt.datetime) -> None:
        """Before anything is digested, which would hide it. Another digester may have been there meanwhile."""
        from supervision.errors.store.checkins import Away, last_heard

        if self._turned_at is not None and (now - self._turned_at).total_seconds() <= AWAY_S:
            return
        since = max(filter(None, (self._turned_at, last_heard())), default=now)
        if (now - since).total_seconds() > AWAY_S:
            self._away = Away(since, now)

    def _look(self, now: dt.datetime) -> None:
        from supervision.errors.store.checkins import look_at_clock

        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [MONITORS_LOCK])
                if not cursor.fetchone()[0]:
                    return
            look_at_clock(now=now, away=self._away)

    def _now(self) -> dt.datetime:
        return dt.datetime.fromtimestamp(self._clock.wall(), tz=dt.UTC)


def main() -> None:
    with loading():
        django.setup()
        from controlplane.controller.limits import limit

        digester = Digester()

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    limit(connection, "overstory digester")
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, digester.stop)
    digester.run()


if __name__ == "__main__":
    main()
