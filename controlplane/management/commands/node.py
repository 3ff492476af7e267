"""`manage.py node`: what the guardian starts; by hand it only says so."""

import os
from typing import Any

from django.core.management.base import BaseCommand

from supervision.runtime import boot


class Command(BaseCommand):
    help = "Become the node. Only a guardian starts it, with its descriptors; use `up` or `guardian`."
    requires_system_checks: list[str] = []  # Django's own type; nothing of Django is used here

    def handle(self, *args: Any, **options: Any) -> None:
        """Hand over by exec: nothing of Django stays in the supervising processes."""
        argv = boot.command("node")
        os.execv(argv[0], argv)
