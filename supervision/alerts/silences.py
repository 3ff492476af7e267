"""Silences: alerts that match are kept and not told, until they end. What is still open then is told."""

import datetime as dt

from django.db.models import Q

from supervision.alerts.exceptions import NotFound
from supervision.alerts.models import Alert, Delivery, Silence
from supervision.auditlog import services as auditlog
from supervision.auditlog.actor import Actor


@auditlog.audited()
def silence_alerts(
    *, kind: str, subject: str, tree: str, until: dt.datetime, reason: str, actor: Actor
) -> Silence:
    """Keep alerts that match, those that are open already among them, and do not tell them until `until`."""
    silence = Silence.objects.create(
        kind=kind, subject=subject, tree=tree, until=until, reason=reason, created_by=actor.name
    )
    open_now = Alert.objects.filter(state=Alert.State.OPEN, is_silenced=False)
    for name, value in (("kind", kind), ("subject", subject), ("tree", tree)):
        open_now = open_now.filter(**{name: value}) if value else open_now
    kept = list(open_now.values_list("pk", flat=True))
    Alert.objects.filter(pk__in=kept).update(is_silenced=True)
    Delivery.objects.filter(
        alert__in=kept, state=Delivery.State.PENDING, event=Delivery.Event.REPEATED
    ).delete()
    target = " ".join(word for word in (kind, tree, subject) if word) or "everything"
    auditlog.record(
        actor=actor, action="alert.silence", target=target, tree=tree, reason=reason,
        details={"until": until.isoformat()},
    )  # fmt: skip
    return silence


@auditlog.audited()
def end_silence(*, silence_id: int, actor: Actor, now: dt.datetime) -> Silence:
    """Tell again from now on. Raises NotFound."""
    silence = Silence.objects.select_for_update().filter(pk=silence_id, until__gt=now).first()
    if silence is None:
        raise NotFound("there is no such silence, or it has ended")
    silence.until = now
    silence.save(update_fields=["until"])
    auditlog.record(actor=actor, action="alert.end_silence", target=str(silence), tree=silence.tree)
    return silence


def is_silenced(*, kind: str, subject: str, tree: str, now: dt.datetime) -> bool:
    """Whether a silence that has not ended matches."""
    return Silence.objects.filter(
        Q(kind="") | Q(kind=kind),
        Q(subject="") | Q(subject=subject),
        Q(tree="") | Q(tree=tree),
        until__gt=now,
    ).exists()
