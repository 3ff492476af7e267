"""The Celery application of the gallery's fleet: tasks that end well, slowly, or not at all, and a beat that sends them."""

import os
import time
from typing import Any

from celery import Celery
from overstory.celery import supervise

app = Celery("orders", broker=os.environ["EXAMPLE_CELERY_BROKER_URL"])
app.conf.update(
    task_default_queue="orders",
    task_ignore_result=True,
    beat_schedule={
        "charge": {"task": "orders.charge", "schedule": 3.0, "args": [19]},
        "remind": {"task": "orders.remind", "schedule": 7.0},
        "report": {"task": "orders.report", "schedule": 11.0},
    },
)
supervise(app)


@app.task(name="orders.charge", bind=True, max_retries=2)  # type: ignore[untyped-decorator]  # celery ships no types
def charge(self: Any, amount: int) -> None:
    """Takes a moment."""
    time.sleep(amount / 40)


@app.task(name="orders.remind", time_limit=60)  # type: ignore[untyped-decorator]
def remind() -> None:
    """Fails: the address is none."""
    raise ValueError("ada at example.org is no address")


@app.task(name="orders.report", time_limit=60)  # type: ignore[untyped-decorator]
def report() -> None:
    """Takes so long that somebody looks."""
    time.sleep(9)


@app.task(name="orders.archive", time_limit=60)  # type: ignore[untyped-decorator]
def archive() -> None:
    """Nobody consumes its queue."""
