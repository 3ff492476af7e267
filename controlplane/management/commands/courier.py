"""`manage.py courier`: what the node starts as a helper; by hand it only says so."""

import os
from typing import Any

import django
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from controlplane.serving.loading import loading
from supervision.runtime.helper_channel import CHANNEL_FD, HelperChannel


class Command(BaseCommand):
    help = "Carry journal, desired state and commands between node and stores. The node starts it, with its channel."
    requires_system_checks: list[
        str
    ] = []  # Django's own type; a store that is away must not keep it from starting

    def handle(self, *args: Any, **options: Any) -> None:
        """Until the channel closes."""
        try:
            channel = HelperChannel.inherited(CHANNEL_FD)
        except OSError:
            raise CommandError("only a node starts the courier; use `up` or `guardian --join`") from None
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "controlplane.settings")
        with loading():
            django.setup()
            from controlplane.courier.process import run  # rows can be named only now
        status = run(channel, settings.PATHS)
        # Not through the interpreter's end: a thread may wait for a store that does not answer.
        os._exit(status)
