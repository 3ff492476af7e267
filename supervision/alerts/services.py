"""Writes of the alerts room.

`raise_alert` joins the caller's transaction: what is raised from a journal record is raised exactly once, because the record
is ingested exactly once. Telling somebody is a row of its own (the outbox), sent later by whoever calls `deliver_due`; the
transaction that raised waits for no network.
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import F

from supervision.alerts.chats import CHATS, check_chat
from supervision.alerts.exceptions import IllegalTransition, InvalidChannel, NotFound
from supervision.alerts.kinds import PERSONAL, Kind, Severity
from supervision.alerts.mail import parse_addresses
from supervision.alerts.models import Alert, AlertRule, Channel, Delivery, Silence
from supervision.alerts.selectors import rule_of
from supervision.alerts.silences import is_silenced
from supervision.alerts.webhook import parse_target
from supervision.auditlog import services as auditlog
from supervision.auditlog.actor import Actor

MAX_TITLE = 300
MAX_BODY = 16_000
KEEP_RESOLVED_DAYS = 90


@dataclass(frozen=True, slots=True)
class Subject:
    """What an alert is about. `occurrence` tells one occasion from the next: the same one never raises twice."""

    kind: Kind
    subject: str
    occurrence: str = ""
    tree: str = ""
    node_id: str = ""


@auditlog.audited()
def raise_alert(
    *,
    about: Subject,
    title: str,
    body: str = "",
    data: Mapping[str, Any] | None = None,
    severity: Severity | None = None,
    runbook_url: str = "",
    now: dt.datetime,
) -> Alert | None:
    """The alert, new or the one that is not resolved yet; None when the kind is off or the occurrence is known.

    `severity` and `runbook_url`: of what raises it, where that knows better than its kind. Any: `data` is JSON for the
    receiver.
    """
    rule = rule_of(about.kind)
    if not rule.is_enabled or (about.occurrence and _is_known(about)):
        return None
    alert, created = Alert.objects.select_for_update().get_or_create(
        kind=about.kind,
        subject=about.subject,
        resolved_at=None,
        defaults={
            "occurrence": about.occurrence,
            "tree": about.tree,
            "node_id": about.node_id,
            "severity": severity or rule.severity,
            "runbook_url": runbook_url,
            "title": title[:MAX_TITLE],
            "body": body[:MAX_BODY],
            "data": dict(data or {}),
            "raised_at": now,
            "last_at": now,
            "is_silenced": is_silenced(kind=about.kind, subject=about.subject, tree=about.tree, now=now),
        },
    )
    if not created:
        Alert.objects.filter(pk=alert.pk).update(
            count=F("count") + 1,
            last_at=now,
            occurrence=about.occurrence,
            title=title[:MAX_TITLE],
            body=body[:MAX_BODY],
            version=F("version") + 1,
        )
        alert.refresh_from_db()
    elif not alert.is_silenced:
        _enqueue(alert, Delivery.Event.RAISED, number=0, now=now)
    return alert


@auditlog.audited()
def resolve_subject(*, kind: Kind, subject: str, by: str, now: dt.datetime) -> int:
    """It is over: resolve what is not resolved about `subject`. How many (0 or 1)."""
    found = list(Alert.objects.select_for_update().filter(kind=kind, subject=subject, resolved_at=None))
    for alert in found:
        _resolve(alert, by=by, now=now)
    return len(found)


@auditlog.audited()
def resolve_alert(*, alert_id: int, actor: Actor, reason: str, now: dt.datetime) -> Alert:
    """A person says it is over. Raises NotFound, IllegalTransition."""
    alert = _locked(alert_id)
    if alert.state == Alert.State.RESOLVED:
        raise IllegalTransition("the alert is resolved already")
    _resolve(alert, by=actor.name, now=now)
    _record(actor, "alert.resolve", alert, reason)
    return alert


@auditlog.audited()
def acknowledge_alert(*, alert_id: int, actor: Actor, reason: str, now: dt.datetime) -> Alert:
    """Somebody looks after it: it is not told again. Raises NotFound, IllegalTransition."""
    alert = _locked(alert_id)
    if alert.state != Alert.State.OPEN:
        raise IllegalTransition(f"the alert is {alert.state}")
    alert.state, alert.acknowledged_at, alert.acknowledged_by = Alert.State.ACKNOWLEDGED, now, actor.name
    alert.version += 1
    alert.save(update_fields=["state", "acknowledged_at", "acknowledged_by", "version"])
    alert.deliveries.filter(state=Delivery.State.PENDING, event=Delivery.Event.REPEATED).delete()
    _record(actor, "alert.acknowledge", alert, reason)
    return alert


@auditlog.audited()
def save_channel(
    *,
    channel: Channel | None,
    name: str,
    kind: str,
    target: str,
    kinds: list[str],
    tree: str,
    is_enabled: bool,
    actor: Actor,
) -> Channel:
    """Make or change a channel. Raises InvalidChannel."""
    shown = check_target(kind, target)
    if unknown := sorted(set(kinds) - set(Kind)):
        raise InvalidChannel("kinds", f"unknown kind {unknown[0]!r}; known are {', '.join(Kind)}")
    made = channel or Channel()
    made.name, made.kind, made.target = name, kind, target
    made.kinds, made.tree, made.is_enabled = kinds, tree, is_enabled
    made.save()
    action = "channel.create" if channel is None else "channel.change"
    auditlog.record(actor=actor, action=action, target=name, details={"kind": kind, "target": shown})
    return made


@auditlog.audited()
def delete_channel(*, channel_id: int, actor: Actor) -> None:
    """What was to be sent there is dropped. Raises NotFound."""
    channel = get_channel(channel_id)
    auditlog.record(actor=actor, action="channel.delete", target=channel.name)
    channel.delete()


@auditlog.audited()
def rotate_channel_key(*, channel_id: int, actor: Actor) -> Channel:
    """Sign with another key from now on. Raises NotFound."""
    channel = get_channel(channel_id)
    Channel.objects.filter(pk=channel.pk).update(key_number=F("key_number") + 1)
    channel.refresh_from_db()
    auditlog.record(actor=actor, action="channel.rotate_key", target=channel.name)
    return channel


@auditlog.audited()
def test_channel(*, channel_id: int, actor: Actor, now: dt.datetime) -> Delivery:
    """Send a message that says it is a test, by the way every message goes. Raises NotFound."""
    channel = get_channel(channel_id)
    alert = Alert.objects.create(
        kind=Kind.TEST, subject=f"channel {channel.name} {now.isoformat()}", severity=Severity.INFO,
        title=f"Test of the channel {channel.name}", body=f"{actor.name} asked for it.",
        state=Alert.State.RESOLVED, raised_at=now, last_at=now, resolved_at=now, resolved_by=actor.name,
    )  # fmt: skip
    auditlog.record(actor=actor, action="channel.test", target=channel.name)
    return Delivery.objects.create(alert=alert, channel=channel, event=Delivery.Event.RAISED, next_at=now)


@auditlog.audited()
def tell_person(
    *,
    about: Subject,
    address: str,
    title: str,
    body: str,
    data: Mapping[str, Any],
    now: dt.datetime,
) -> Alert | None:
    """News for one person, by e-mail, and for channels that name the kind; over at once. None when the kind is off."""
    rule = rule_of(about.kind)
    if not rule.is_enabled:
        return None
    about_whom = {"kind": about.kind, "subject": about.subject, "tree": about.tree}
    alert = Alert.objects.create(
        **about_whom, occurrence=about.occurrence, severity=rule.severity, title=title[:MAX_TITLE], body=body[:MAX_BODY],
        data=dict(data), state=Alert.State.RESOLVED, raised_at=now, last_at=now, resolved_at=now,
        is_silenced=is_silenced(**about_whom, now=now),
    )  # fmt: skip
    if not alert.is_silenced:
        _enqueue(alert, Delivery.Event.RAISED, number=0, now=now)
        if address:
            Delivery.objects.create(alert=alert, address=address, event=Delivery.Event.RAISED, next_at=now)
    return alert


@auditlog.audited()
def tell_unsilenced(*, now: dt.datetime, limit: int = 200) -> int:
    """Tell what was kept quiet and is still open when its silence has ended. How many."""
    told = 0
    kept = Alert.objects.select_for_update(skip_locked=True).filter(state=Alert.State.OPEN, is_silenced=True)
    for alert in kept.order_by("id")[:limit]:
        if is_silenced(kind=alert.kind, subject=alert.subject, tree=alert.tree, now=now):
            continue
        Alert.objects.filter(pk=alert.pk).update(is_silenced=False)
        again = alert.deliveries.filter(event=Delivery.Event.RAISED).exists()
        number = alert.deliveries.filter(event=Delivery.Event.REPEATED).count() + 1 if again else 0
        told += _enqueue(
            alert, Delivery.Event.REPEATED if again else Delivery.Event.RAISED, number=number, now=now
        )
    return told


@auditlog.audited()
def repeat_open(*, now: dt.datetime, limit: int = 200) -> int:
    """Tell again what is still open and was last told longer ago than its kind's rule says. How many."""
    told = 0
    for kind in Kind:
        rule = rule_of(kind)
        if not rule.repeat_every_s:
            continue
        quiet_since = now - dt.timedelta(seconds=rule.repeat_every_s)
        due = (
            Alert.objects.select_for_update(skip_locked=True)
            .filter(kind=kind, state=Alert.State.OPEN, raised_at__lte=quiet_since, is_silenced=False)
            .exclude(deliveries__created_at__gt=quiet_since)
            .order_by("id")[:limit]
        )
        for alert in due:
            number = alert.deliveries.filter(event=Delivery.Event.REPEATED).count() + 1
            told += _enqueue(alert, Delivery.Event.REPEATED, number=number, now=now)
    return told


def delete_old(*, now: dt.datetime, limit: int = 5000) -> int:
    """Retention: resolved alerts (their deliveries with them) and ended silences older than KEEP_RESOLVED_DAYS."""
    before = now - dt.timedelta(days=KEEP_RESOLVED_DAYS)
    old = Alert.objects.filter(resolved_at__lt=before).order_by("id").values("pk")[:limit]
    deleted, _ = Alert.objects.filter(pk__in=old).delete()
    Silence.objects.filter(until__lt=before).delete()
    return deleted


@auditlog.audited()
def save_rule(*, rule: AlertRule, actor: Actor) -> AlertRule:
    """What a kind of alert means from now on."""
    rule.save()
    auditlog.record(
        actor=actor,
        action="rule.change",
        target=rule.kind,
        details={
            "enabled": rule.is_enabled,
            "severity": rule.severity,
            "repeat_every_s": rule.repeat_every_s,
        },
    )
    return rule


@auditlog.audited()
def delete_rule(*, rule: AlertRule, actor: Actor) -> None:
    """The kind means again what it meant by itself."""
    auditlog.record(actor=actor, action="rule.delete", target=rule.kind)
    rule.delete()


def check_target(kind: str, target: str) -> str:
    """What may be shown of a target. Raises InvalidChannel."""
    if kind == Channel.Kind.WEBHOOK:
        return parse_target(target).shown
    if kind == Channel.Kind.EMAIL:
        return ", ".join(parse_addresses(target))
    if kind in CHATS:
        check_chat(kind, target)
        return parse_target(target).shown
    raise InvalidChannel("kind", f"a channel is one of {', '.join(Channel.Kind.values)}")


def get_channel(channel_id: int) -> Channel:
    """Raises NotFound."""
    channel = Channel.objects.filter(pk=channel_id).first()
    if channel is None:
        raise NotFound("there is no such channel")
    return channel


def _locked(alert_id: int) -> Alert:
    alert = Alert.objects.select_for_update().filter(pk=alert_id).first()
    if alert is None:
        raise NotFound("there is no such alert")
    return alert


def _resolve(alert: Alert, *, by: str, now: dt.datetime) -> None:
    alert.state, alert.resolved_at, alert.resolved_by = Alert.State.RESOLVED, now, by
    alert.version += 1
    alert.save(update_fields=["state", "resolved_at", "resolved_by", "version"])
    alert.deliveries.filter(state=Delivery.State.PENDING, event=Delivery.Event.REPEATED).delete()
    if not alert.is_silenced:
        _enqueue(alert, Delivery.Event.RESOLVED, number=0, now=now)


def _enqueue(alert: Alert, event: str, *, number: int, now: dt.datetime) -> int:
    channels = [channel for channel in Channel.objects.filter(is_enabled=True) if _wants(channel, alert)]
    Delivery.objects.bulk_create(
        [
            Delivery(alert=alert, channel=channel, event=event, number=number, next_at=now)
            for channel in channels
        ],
        ignore_conflicts=True,
    )
    return len(channels)


def _wants(channel: Channel, alert: Alert) -> bool:
    named = alert.kind in channel.kinds or (not channel.kinds and alert.kind not in PERSONAL)
    return named and channel.tree in ("", alert.tree)


def _is_known(about: Subject) -> bool:
    return Alert.objects.filter(kind=about.kind, subject=about.subject, occurrence=about.occurrence).exists()


def _record(actor: Actor, action: str, alert: Alert, reason: str) -> None:
    auditlog.record(actor=actor, action=action, target=alert.subject, tree=alert.tree, reason=reason)
