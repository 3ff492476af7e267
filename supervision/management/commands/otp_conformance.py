"""`manage.py otp_conformance FILE_OR_DIR [--json]`: an edge of `supervision.conformance`; needs no database."""

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand

from supervision.conformance.command import add_arguments, run


class Command(BaseCommand):
    help = "Run OTP conformance cases against the kernel. Exit status: 0 all passed, 1 some failed, 2 nothing to run."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        add_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """Any: Django's signature."""
        sys.exit(run(Path(options["path"]), as_json=options["json"], out=sys.stdout, err=sys.stderr))
