"""The intake of a web process: where keys, time and the stores are."""

import datetime as dt
from collections.abc import Callable
from pathlib import Path

from django.conf import settings
from django.db import close_old_connections, connection
from django.db.models import Q

from controlplane.intake.application import Application, Intake
from controlplane.intake.committing import Committer
from controlplane.intake.hearing import Hearing
from controlplane.intake.keys import Door, Doors
from controlplane.intake.quota import Quota
from controlplane.intake.shared_quota import SharedQuota
from controlplane.intake.spool import Spool
from supervision.errors.store.models import ErrorKey
from supervision.runtime.clock import SystemClock

SPOOL = Path("errors") / "spool"
"""In the data directory."""


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
            ErrorKey.objects.filter(Q(public_key=key), project_id=project, revoked_at=None)
            .values_list("project__events_per_minute", "project__spike_limit")
            .first()
        )
    finally:
        close_old_connections()
        connection.close()
    return None if found is None else Door(project, *found)
