"""Reads of findings."""

from collections.abc import Collection

from django.db.models import F, QuerySet

from supervision.leakwatch.models import DeedState, LeakFinding


def findings(*, trees: Collection[str] | None, is_open: bool | None = None) -> QuerySet[LeakFinding]:
    """Those of `trees` (None: of all): open ones first, what hits its limit soonest before the rest."""
    found = LeakFinding.objects.select_related("node")
    if trees is not None:
        found = found.filter(tree__in=trees)
    if is_open is not None:
        found = found.filter(ended_at__isnull=is_open)
    return found.order_by(
        F("ended_at").desc(nulls_first=True), F("limit_at").asc(nulls_last=True), "-rate", "id"
    )


def of_key(key: str, *, node_id: str, most: int = 20) -> list[LeakFinding]:
    """Of one child on one node: open ones first, then the newest."""
    found = LeakFinding.objects.filter(key=key, node_id=node_id)
    return list(found.order_by(F("ended_at").desc(nulls_first=True), "-id")[:most])


def replaced(key: str, *, node_id: str) -> int:
    """How often the child was given a fresh life by itself because it leaked, in the days that are kept."""
    return LeakFinding.objects.filter(key=key, node_id=node_id, deed_state=DeedState.DONE).count()


def open_of_node(node_id: str) -> list[LeakFinding]:
    """What is open on one node."""
    return list(LeakFinding.objects.filter(node_id=node_id, ended_at=None).order_by("id"))


def one(number: int, *, trees: Collection[str] | None) -> LeakFinding | None:
    return findings(trees=trees).filter(pk=number).first()
