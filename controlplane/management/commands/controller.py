"""`manage.py controller`: runs until SIGTERM. The system tree starts one; several may run, one of them leads."""

from typing import Any

from django.core.management.base import BaseCommand

from controlplane.serving.controller import main


class Command(BaseCommand):
    help = (
        "Place trees, take over from lost nodes, drain, roll out: the one that leads does, the others wait."
    )
    requires_system_checks: list[str] = []  # Django's own type

    def handle(self, *args: Any, **options: Any) -> None:
        main()
