"""Reads of health checks."""

from collections.abc import Collection

from django.db.models import QuerySet

from supervision.health.models import HealthCheck


def checks(*, trees: Collection[str] | None) -> QuerySet[HealthCheck]:
    """Those of `trees` (None: of all), by key."""
    found = HealthCheck.objects.select_related("node").order_by("key", "name", "id")
    return found if trees is None else found.filter(tree__in=trees)


def of_key(key: str, *, node_id: str) -> list[HealthCheck]:
    """Of one child on one node."""
    return list(HealthCheck.objects.filter(key=key, node_id=node_id).order_by("name"))
