"""Reads of samples."""

import json
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import QuerySet

from supervision.samples.models import SampleHour, SampleMinute

MINUTES_UP_TO = timedelta(hours=6)


def minutes(*, node_id: str, key: str, since: datetime, until: datetime) -> QuerySet[SampleMinute]:
    """Of one child on one node, oldest first."""
    return SampleMinute.objects.filter(node_id=node_id, key=key, at__gte=since, at__lt=until).order_by("at")


def hours(*, node_id: str, key: str, since: datetime, until: datetime) -> QuerySet[SampleHour]:
    """Of one child on one node, oldest first."""
    return SampleHour.objects.filter(node_id=node_id, key=key, at__gte=since, at__lt=until).order_by("at")


def last_minute(node_id: str) -> datetime | None:
    """When the newest minute of a node began."""
    return SampleMinute.objects.filter(node_id=node_id).order_by("-at").values_list("at", flat=True).first()


def known_minutes(node_id: str, moments: Iterable[datetime]) -> set[datetime]:
    """Those of `moments` of which the node's minutes are stored already."""
    rows = SampleMinute.objects.filter(node_id=node_id, at__in=list(moments))
    return set(rows.order_by().values_list("at", flat=True).distinct())


_LOWS = """
SELECT key,
       incarnation,
       image,
       to_timestamp(floor(extract(epoch FROM at) / %(every)s) * %(every)s) AS at,
       min(rss_min) AS rss_min,
       min(uss) AS uss,
       min(fds_min) AS fds_min,
       min(sockets_min) AS sockets_min,
       min(threads_min) AS threads_min,
       min(children_min) AS children_min,
       min(zombies_min) AS zombies_min,
       min(disk) AS disk,
       (array_agg(gauges ORDER BY supervision_sampleminute.at DESC))[1] AS gauges
FROM supervision_sampleminute
WHERE node_id = %(node)s
  AND at >= %(since)s
  AND incarnation IS NOT NULL
GROUP BY key, incarnation, image, 4
ORDER BY 4, key
LIMIT 500000
"""
"""The least that each life had in each span: what a detector of hours needs to go on."""


def lows(*, node_id: str, since: datetime, every_s: int) -> Iterator[dict[str, Any]]:
    """Of every child of a node, oldest first."""
    with connection.cursor() as cursor:
        cursor.execute(_LOWS, {"node": node_id, "since": since, "every": every_s})
        names = [column[0] for column in cursor.description or ()]
        rows = cursor.fetchall()
    for row in rows:
        found = dict(zip(names, row, strict=True))
        gauges = found["gauges"]
        found["gauges"] = json.loads(gauges) if isinstance(gauges, str) else gauges
        yield found
