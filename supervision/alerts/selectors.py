"""Reads of the alerts room."""

from collections.abc import Collection

from django.db.models import Q, QuerySet

from supervision.alerts.exceptions import NotFound
from supervision.alerts.kinds import MEANINGS, PERSONAL, Kind, Meaning
from supervision.alerts.models import Alert, AlertRule, Channel, Delivery


def alerts(
    *, trees: Collection[str] | None, state: str = "", kind: str = "", tree: str = ""
) -> QuerySet[Alert]:
    """Newest first; of `trees` only, where not every tree may be seen. What belongs to no tree needs all of them."""
    found = Alert.objects.exclude(kind__in=(Kind.TEST, *PERSONAL)).order_by("-id")
    if trees is not None:
        found = found.filter(tree__in=sorted(trees)).exclude(tree="")
    if state == "unresolved":
        found = found.filter(resolved_at=None)
    elif state:
        found = found.filter(state=state)
    wanted = Q(kind=kind) if kind else Q()
    return found.filter(wanted & (Q(tree=tree) if tree else Q()))


def get_alert(alert_id: int, *, trees: Collection[str] | None) -> Alert:
    """Raises NotFound, also for one that is not the caller's business."""
    alert = alerts(trees=trees).filter(pk=alert_id).first()
    if alert is None:
        raise NotFound("there is no such alert")
    return alert


def rule_of(kind: Kind) -> AlertRule:
    """The operator's rule, else the kind's meaning in the same shape."""
    meaning: Meaning = MEANINGS[kind]
    return AlertRule.objects.filter(kind=kind).first() or AlertRule(
        kind=kind, severity=meaning.severity, repeat_every_s=meaning.repeat_every_s
    )


def channels() -> QuerySet[Channel]:
    return Channel.objects.order_by("name")


def deliveries(alert: Alert) -> QuerySet[Delivery]:
    return alert.deliveries.select_related("channel").order_by("created_at", "id")
