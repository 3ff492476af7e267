"""The controller as a process: `python -m controlplane.serving.controller`, or `manage.py controller`.

Ready when its loop turns: a controller without a database waits for one, and says so in its status.
"""

import logging
import signal

import django
from django.conf import settings
from django.db import connection

from controlplane.serving import notify
from controlplane.serving.loading import loading


class Told:
    """What the node hears: readiness once, then a sign of life each round, with the status when it changed."""

    def __init__(self) -> None:
        self._ready = False
        self._status = ""

    def __call__(self, status: str) -> None:
        fields = [] if self._ready else ["READY=1"]
        if status != self._status:
            fields.append(f"STATUS={status}")
        self._ready, self._status = True, status
        notify.tell(*fields, "WATCHDOG=1")


def main() -> None:
    """Run until SIGTERM; another controller may lead at once then."""
    with loading():
        django.setup()
        # After setup: they bring models.
        from controlplane.controller.limits import limit
        from controlplane.controller.loop import Controller
        from controlplane.controller.wakeups import Wakeups

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    limit(connection, "overstory controller")
    wakeups = Wakeups(settings.CONNECTIONS.database_url)
    controller = Controller(wakeups, alive=Told())
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: controller.stop())
    try:
        controller.run()
    finally:
        wakeups.close()


if __name__ == "__main__":
    main()
