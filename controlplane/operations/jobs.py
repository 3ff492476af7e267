"""What every periodic job shares: it is a task of the platform's queue, and its row says when it last ended and how. Those
that run seldom are monitors, too."""

from collections.abc import Callable
from functools import wraps

from django.db.models.functions import Now
from django.utils import timezone

from controlplane.celery import app
from controlplane.operations.models import PeriodicJob
from controlplane.operations.ownmonitors import tell


def job(body: Callable[[], None]) -> Callable[[], None]:
    """Make `body` the task `platform.NAME`. What it raises is written into its row, and goes on to Celery."""

    @wraps(body)
    def run() -> None:
        error, began = "it was interrupted", timezone.now()
        try:
            body()
            error = ""
        except Exception as raised:
            error = f"{type(raised).__name__}: {raised}"[:500]
            raise
        finally:
            PeriodicJob.objects.filter(name=body.__name__).update(ended_at=Now(), error=error)
            tell(body.__name__, began=began, ended=timezone.now(), is_ok=not error)

    app.task(name=f"platform.{body.__name__}")(run)
    return run
