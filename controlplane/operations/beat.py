"""The clock of periodic jobs. One leads, by a lease; the others wait beside it.

The lease keeps the number of askers small. What makes a slot run once is the row: whoever moves `next_at` on publishes, in
the same transaction, so that a broker that is away leaves the slot due. Missed slots are not made up one by one: the job
runs once and the grid goes on.
"""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from django.db import DatabaseError, InterfaceError, connection, transaction
from kombu.exceptions import OperationalError

from controlplane.operations.models import PeriodicJob
from controlplane.operations.schedule import JOBS, Job
from supervision.fleet import services as fleet

LEASE = "beat"
TTL_S = 6.0
TURN_S = 1.0
"""How often the lease is renewed and slots are looked for."""
NOW = "SELECT clock_timestamp()"

Publish = Callable[[Job], None]
log = logging.getLogger("overstory.beat")


@dataclass(slots=True)
class Beat:
    """One candidate. `turn` is all it does; `run` calls it until told to stop."""

    holder: str
    publish: Publish
    ended: threading.Event = field(default_factory=threading.Event)
    term: int | None = None

    def run(self, after_turn: Callable[[], None]) -> None:
        """Until `ended`. A store that is away is waited for."""
        while not self.ended.is_set():
            try:
                self.turn()
            except (DatabaseError, InterfaceError, OperationalError, OSError) as error:
                log.warning("not published, tried again: %s", type(error).__name__)
                self.term = None
                connection.close()
            after_turn()
            self.ended.wait(TURN_S)

    def turn(self) -> list[str]:
        """Renew or take the lease, and publish what is due when it is ours; the names."""
        if self.term is not None and not fleet.renew(
            name=LEASE, holder=self.holder, term=self.term, ttl_s=TTL_S
        ):
            self.term = None
        if self.term is None:
            self.term = fleet.acquire(name=LEASE, holder=self.holder, ttl_s=TTL_S)
        if self.term is None:
            return []
        return publish_due(self.publish)


def publish_due(publish: Publish) -> list[str]:
    """Publish every job whose slot has come; the names. Safe beside others who do the same."""
    at = _now()
    known = dict(PeriodicJob.objects.values_list("name", "next_at"))
    published = []
    for job in JOBS:
        if job.name not in known:
            PeriodicJob.objects.get_or_create(name=job.name, defaults={"next_at": _moment(job, at)})
        elif known[job.name] <= at and _publish(job, known[job.name], at, publish):
            published.append(job.name)
    return published


@transaction.atomic
def _publish(job: Job, seen: datetime, at: datetime, publish: Publish) -> bool:
    won = PeriodicJob.objects.filter(name=job.name, next_at=seen).update(
        next_at=_moment(job, at), published_at=at
    )
    if won:
        publish(job)
    return won == 1


def _moment(job: Job, at: datetime) -> datetime:
    return datetime.fromtimestamp(job.next_after(at.timestamp()), UTC)


def _now() -> datetime:
    """The database's time: hosts may differ, slots must not."""
    with connection.cursor() as cursor:
        cursor.execute(NOW)
        row = cursor.fetchone()
    at: datetime = row[0]
    return at


def publish_task(job: Job) -> None:
    """Put the job's message into the platform's queue; it expires when the next slot has come. Raises OperationalError."""
    from controlplane.celery import app

    app.send_task(job.task, expires=job.every_s, retry=False)
