"""A Celery application with a task that fails and a scheduled one, which its beat finds overdue when it starts."""

import datetime as dt
import os

import sentry_sdk
from celery import Celery
from celery.beat import PersistentScheduler
from sentry_sdk.integrations.celery import CeleryIntegration

sentry_sdk.init(integrations=[CeleryIntegration(monitor_beat_tasks=True)])
app = Celery("queue_app", broker=os.environ["BROKER_URL"])
app.conf.update(
    broker_connection_retry_on_startup=True,
    task_default_queue=os.environ["QUEUE"],
    worker_hijack_root_logger=False,
    result_expires=None,
    beat_schedule={"nightly": {"task": "queue_app.nightly", "schedule": 60.0}},
)


class Overdue(PersistentScheduler):  # type: ignore[misc]  # Celery has no types
    """A beat that was away since yesterday."""

    def setup_schedule(self) -> None:
        super().setup_schedule()
        self.schedule["nightly"].last_run_at = app.now() - dt.timedelta(days=1)


@app.task(name="queue_app.nightly")  # type: ignore[untyped-decorator]  # as above
def nightly() -> None:
    """Goes well."""


@app.task(name="queue_app.ship")  # type: ignore[untyped-decorator]  # as above
def ship(order: int) -> None:
    raise LookupError(f"order {order} has no address")


if __name__ == "__main__":
    ship.delay(7)
