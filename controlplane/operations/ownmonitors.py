"""Our own periodic jobs as monitors of the error store: retention, rollups and the rest are missed as anybody's jobs are.

Those that run every five minutes or less often: more often would fill the store with what the row of the job says as well.
"""

import datetime as dt
import uuid

from controlplane.operations.schedule import DAY, HOUR, JOBS, MINUTE, Job
from supervision.auditlog.actor import Actor
from supervision.errors.exceptions import InvalidFieldError
from supervision.errors.store.bodies import packed
from supervision.errors.store.models import ErrorIntake, ErrorProject
from supervision.errors.store.projects import create_project

LEAST_S = 5 * MINUTE
MARGIN_MINUTES = 5
"""A beat that moves to another host, or a worker that is busy, is no missed job."""
PROJECT = "overstory"
"""Of no tree: for who sees them all."""


def tell(name: str, *, began: dt.datetime, ended: dt.datetime, is_ok: bool) -> bool:
    """A run of the job ended; whether it is one that is monitored. Told twice it is one run."""
    job = next((job for job in JOBS if job.name == name and job.every_s >= LEAST_S), None)
    if job is None:
        return False
    run = uuid.uuid5(uuid.NAMESPACE_OID, f"{name} {began.timestamp()}").hex
    body = {
        "monitor_slug": name,
        "check_in_id": run,
        "status": "ok" if is_ok else "error",
        "duration": (ended - began).total_seconds(),
        "monitor_config": {"schedule": schedule_of(job), "checkin_margin": MARGIN_MINUTES},
    }
    ErrorIntake.objects.create(
        project=_project(), kind=ErrorIntake.Kind.CHECK_IN, event_id=run, body=packed(body), received_at=ended
    )
    return True


def schedule_of(job: Job) -> dict[str, object]:
    """As a monitor has it."""
    for unit, length in (("day", DAY), ("hour", HOUR)):
        if job.every_s % length == 0:
            return {"type": "interval", "value": job.every_s // length, "unit": unit}
    return {"type": "interval", "value": job.every_s // MINUTE, "unit": "minute"}


def _project() -> ErrorProject:
    found = ErrorProject.objects.filter(slug=PROJECT).first()
    if found is not None:
        return found
    try:
        return create_project(slug=PROJECT, name="Overstory", actor=Actor.system("periodic jobs"))
    except InvalidFieldError:  # another worker's job ended at the same moment, and made it
        return ErrorProject.objects.get(slug=PROJECT)
