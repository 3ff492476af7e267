"""Reads of samples."""

from datetime import datetime, timedelta

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
