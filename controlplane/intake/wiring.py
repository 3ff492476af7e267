"""The intake of a web process: where keys, time and the stores are."""

import datetime as dt
from collections.abc import Callable
from pathlib import Path

from django.conf import settings
from django.db import close_old_connections, connection

from controlplane.intake.application import Application, Intake
from controlplane.intake.committing import Committer
from controlplane.intake.hearing import Hearing
from controlplane.intake.keys import Door, Doors
from controlplane.intake.quota import Quota
from controlplane.intake.shared_quota import SharedQuota
from controlplane.intake.spool import Spool
from supervision.errors.store.models import ErrorProject
from supervision.runtime.clock import SystemClock

SPOOL = Path("errors") / "spool"
"""In the data directory."""
KNOWN = (
    "events_per_minute", "spike_limit", "scrub_emails", "scrub_addresses", "never_scrubbed", "always_scrubbed",
)  # fmt: skip
"""What a door has of its project."""


def intake(application: Application, *, processes: int) -> Intake:
    """In front of `application`, one of `processes` on this host: without Redis each has an n-th of each project's quota."""
    clock = SystemClock()
    doors, redis_url = Doors(look_up, clock.boot), settings.CONNECTIONS.redis_url
    return Intake(
        application,
        doors=doors,
        hearing=Hearing(redis_url, changed=doors.changed, missed=doors.doubt),
        quota=SharedQuota(redis_url, Quota(clock.boot, share=1 / processes), clock.boot),
        committer=committer_of(settings.CONNECTIONS.database_url, settings.PATHS.data_dir / SPOOL),
        now=lambda: dt.datetime.fromtimestamp(clock.wall(), tz=dt.UTC),
    )


def committer_of(database_url: str, spool: Path) -> Callable[[], Committer]:
    return lambda: Committer(database_url, Spool(spool))


def look_up(project: int, key: str) -> Door | None:
    """One query; the connection is given back to the pool, as the thread is not a request's."""
    try:
        found = (
            ErrorProject.objects.filter(pk=project, keys__public_key=key, keys__revoked_at=None)
            .only(*KNOWN)
            .first()
        )
    finally:
        close_old_connections()
        connection.close()
    return (
        None if found is None else Door(project, found.events_per_minute, found.spike_limit, found.scrubbing)
    )
