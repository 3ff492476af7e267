"""The project's Celery application. Only the line with `supervise` is ours. Run as a program it queues so many mails."""

import os
import sys

from celery import Celery
from overstory.celery import supervise

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project_settings")
app = Celery("project")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
supervise(app)


def main() -> None:
    """`migrate`, or a number of mails."""
    import django
    from django.core.management import call_command

    django.setup()
    if sys.argv[1] == "migrate":
        call_command("migrate", verbosity=0)
        return
    from post_office import mail  # type: ignore[import-not-found]  # in the project's own interpreter

    for number in range(int(sys.argv[1])):
        mail.send("to@example.org", "from@example.org", subject=f"mail-{number}", message="hello")


if __name__ == "__main__":
    main()
