"""`manage.py controller`: runs until SIGTERM. The system tree starts it; several may run, one of them leads."""

import logging
import signal
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import connection

from controlplane.controller.deadlines import bound_connection
from controlplane.controller.loop import Controller
from controlplane.controller.wakeups import Wakeups
from controlplane.serving import notify


class Command(BaseCommand):
    help = (
        "Place trees, take over from lost nodes, drain, roll out: the one that leads does, the others wait."
    )
    requires_system_checks: list[str] = []  # Django's own type

    def handle(self, *args: Any, **options: Any) -> None:
        """Ready when the loop turns: a controller without a database waits for one, and says so."""
        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
        bound_connection(connection, "overstory controller")
        wakeups = Wakeups(settings.CONNECTIONS.database_url)
        first = [True]

        def alive(status: str) -> None:
            fields = ["READY=1"] if first.pop() else []
            first.append(False)
            notify.tell(*fields, f"STATUS={status}", "WATCHDOG=1")

        controller = Controller(wakeups, alive=alive)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: controller.stop())
        try:
            controller.run()
        finally:
            wakeups.close()
