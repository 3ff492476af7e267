"""`manage.py error_project SLUG`: makes a project of the error store, or shows its DSN."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from controlplane.intake.dsn import dsn_of
from controlplane.system_tree import reachable_here
from supervision.auditlog.actor import Actor
from supervision.errors.exceptions import InvalidFieldError
from supervision.errors.store.models import ErrorProject
from supervision.errors.store.projects import create_project


class Command(BaseCommand):
    requires_system_checks: list[str] = []  # Django's own type; they import every page
    help = "Make a project of the error store, unless there is one of this name, and print its DSN. Needs the store."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("slug", help="lower-case letters, digits, - and _")
        parser.add_argument("--tree", default="", help="the tree whose children report to it")

    def handle(self, *args: Any, **options: Any) -> None:
        """Any: Django's signature."""
        project = ErrorProject.objects.filter(slug=options["slug"]).first()
        if project is None:
            try:
                project = create_project(
                    slug=options["slug"], tree=options["tree"], actor=Actor.system("error_project")
                )
            except InvalidFieldError as error:
                raise CommandError(f"{error.field}: {error}") from error
        key = project.keys.filter(revoked_at=None).order_by("-id").first()
        if key is None:
            raise CommandError(f"every key of {project.slug} is revoked; the admin adds one")
        self.stdout.write(dsn_of(project.pk, key.public_key, reachable_here(settings.PATHS).public_url))
