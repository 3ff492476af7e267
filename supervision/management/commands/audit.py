"""`manage.py audit`: the edge to `supervision.audit`, with the same options and exit status."""

import argparse
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from supervision.audit import cli


class Command(BaseCommand):
    """Audit Python code for what nobody supervises."""

    help = "Find unsupervised and unsafe concurrency in Python code, without importing or running it."
    requires_system_checks: list[str] = []
    requires_migrations_checks = False

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the options of `python -m supervision.audit`."""
        cli.add_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:  # Any: Django's signature
        """Run it and leave with its exit status."""
        status = cli.run(argparse.Namespace(**options), sys.stdout, sys.stderr)
        if status:
            sys.exit(status)
