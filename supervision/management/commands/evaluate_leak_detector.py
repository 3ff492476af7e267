"""`manage.py evaluate_leak_detector DIR`: an edge of `supervision.leaks.evaluation`; needs no database."""

import argparse
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from supervision.leaks.evaluation.command import add_arguments, run


class Command(BaseCommand):
    help = "Run the leak detector over recorded traces, sample by sample, and print how good it is."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        add_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """Any: Django's signature."""
        sys.exit(run(argparse.Namespace(**options), out=sys.stdout, err=sys.stderr))
