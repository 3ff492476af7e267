"""A small Celery application on Redis, with a worker and a beat of its own.

Both say when they are ready through Celery's signals: a worker is ready when it consumes, not when its process runs.
"""

import sys
from typing import Any

from celery import Celery
from celery.signals import beat_init, worker_ready
from lifecycle import notify, required, state_dir, who

app = Celery("examples", broker=required("EXAMPLE_CELERY_BROKER_URL"))
app.conf.update(
    task_default_queue="examples",
    task_ignore_result=True,
    task_acks_late=True,
    worker_prefetch_multiplier=1,
    worker_soft_shutdown_timeout=3.0,
    accept_content=["json"],
    broker_connection_retry_on_startup=True,
    broker_transport_options={"health_check_interval": 10, "socket_keepalive": True},
    beat_schedule_filename=str(state_dir() / "beat-schedule"),
    beat_schedule={"count": {"task": "examples.count", "schedule": 5.0, "args": [10_000]}},
)


@app.task(name="examples.count")  # type: ignore[untyped-decorator]  # celery ships no types
def count(limit: int) -> int:
    """Something small to do."""
    total = sum(range(limit))
    sys.stdout.write(f"counted to {limit} in {who()}\n")
    return total


@worker_ready.connect  # type: ignore[untyped-decorator]  # celery ships no types
@beat_init.connect  # type: ignore[untyped-decorator]
def tell_ready(**_: Any) -> None:
    """Celery passes whatever it likes; nothing of it is needed."""
    notify("READY=1")
