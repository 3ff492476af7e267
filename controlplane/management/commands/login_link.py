"""`manage.py login_link`: a link that logs in once."""

import json
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from controlplane.access.actors import local_actor
from controlplane.access.exceptions import InvalidAccessError
from controlplane.access.services import LINK_LIFE, LINK_PATH, make_login_link
from controlplane.system_tree import reachable_here


class Command(BaseCommand):
    """Whoever may read the instance's database and secret key may log in; that is what this relies on."""

    requires_system_checks: list[str] = []  # Django's own type; they import every page
    help = (
        "Print a link that logs in once, within ten minutes. "
        "Without --user: as the first admin, who is made when there is none."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--user", metavar="NAME", help="Log in as this user (default: the first admin).")
        parser.add_argument("--json", action="store_true", help='Print {"url", "user", "expires_at"}.')

    def handle(self, *args: Any, **options: Any) -> None:
        now = timezone.now()
        try:
            user, text = make_login_link(name=options["user"], now=now, actor=local_actor())
        except InvalidAccessError as error:
            raise CommandError(str(error)) from None
        url = f"{reachable_here(settings.PATHS).public_url}/{LINK_PATH}{text}"  # `reverse` would import every page
        if options["json"]:
            said = {"url": url, "user": user.username, "expires_at": (now + LINK_LIFE).isoformat()}
            self.stdout.write(json.dumps(said))
        else:
            self.stdout.write(url)
            self.stderr.write(f"Logs in as {user.username}, once, within 10 minutes.")
