"""Sending what the outbox holds. At least once: a receiver tells a second try by the delivery's id.

A row is claimed for its next try before anything is sent (SKIP LOCKED, so any number of workers may call this), sent outside
of any transaction, and marked afterwards. A worker that dies in between leaves a row that is due again after its wait.
"""

import datetime as dt
import json
from collections.abc import Callable, Sequence
from typing import Protocol
from urllib.parse import quote

from django.db import transaction

from supervision.alerts import chats, mail, messages, signing, webhook
from supervision.alerts.addresses import Network
from supervision.alerts.backoff import wait_s
from supervision.alerts.exceptions import AlertsError
from supervision.alerts.kinds import MEANINGS, Kind
from supervision.alerts.models import Alert, AlertRule, Channel, Delivery
from supervision.runtime.clock import SystemClock

CLAIM_S = 120
"""Longer than any one message may take; a claimed row of a dead worker is due again then."""
BATCH_S = 60.0
"""No message is begun later than this after the first: the next round, or another worker, goes on."""


class Told(Protocol):
    """What sending needs to know of the instance."""

    @property
    def secret_key(self) -> str:
        """Signing keys are derived from it."""

    @property
    def public_url(self) -> str:
        """Where people reach Overstory; empty when nobody said."""

    @property
    def networks(self) -> Sequence[Network]:
        """What webhooks may reach beside the public internet."""


def deliver_due(
    *, told: Told, now: dt.datetime, limit: int = 50, seconds: Callable[[], float] | None = None
) -> int:
    """Send up to `limit` messages that are due; how many were taken by their receivers.

    Each is claimed when its turn comes, for a receiver that is slow must not use up the others' claims, and signed with the
    time at which it is sent: `now` and what has passed since, by `seconds`.
    """
    seconds = seconds or SystemClock().boot
    sent, began = 0, seconds()
    for _ in range(limit):
        passed_s = seconds() - began
        at = now + dt.timedelta(seconds=passed_s)
        delivery = _claim(at, due_by=now) if passed_s < BATCH_S else None
        if delivery is None:
            break
        try:
            _send(delivery, told, at)
        except AlertsError as error:
            _failed(delivery, str(error), at)
        except Exception as error:  # noqa: BLE001 one message that cannot be made must not hold up the others
            _failed(delivery, f"{type(error).__name__}: {error}", at)
        else:
            sent += Delivery.objects.filter(pk=delivery.pk).update(
                state=Delivery.State.DONE, sent_at=at, last_error=""
            )
    return sent


@transaction.atomic
def _claim(now: dt.datetime, *, due_by: dt.datetime) -> Delivery | None:
    """The one that waits longest of those that were due by then; what failed in this round is due later."""
    delivery = (
        Delivery.objects.select_for_update(skip_locked=True, of=("self",))
        .filter(state=Delivery.State.PENDING, next_at__lte=due_by)
        .select_related("alert", "channel")
        .order_by("next_at", "created_at", "id")
        .first()
    )
    if delivery is not None:
        delivery.attempts += 1
        delivery.next_at = now + dt.timedelta(seconds=CLAIM_S)
        delivery.save(update_fields=["attempts", "next_at"])
    return delivery


def _send(delivery: Delivery, told: Told, now: dt.datetime) -> None:
    channel = delivery.channel
    facts = _facts(delivery.alert, told)
    if channel is None or channel.kind == Channel.Kind.EMAIL:
        subject, text = messages.as_text(facts, event=delivery.event)
        target = channel.target if channel is not None else delivery.address
        mail.send(mail.parse_addresses(target), subject, text, {signing.DELIVERY_HEADER: str(delivery.pk)})
        return
    if channel.kind in chats.CHATS:
        said = chats.chat_body(channel.kind, facts, event=delivery.event, target=channel.target)
    else:
        said = messages.as_json(facts, event=delivery.event, delivery=str(delivery.pk))
    body = json.dumps(said).encode()
    key = signing.signing_key(told.secret_key, channel_id=channel.pk, key_number=channel.key_number)
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "Overstory",
        signing.DELIVERY_HEADER: str(delivery.pk),
        signing.HEADER: signing.signature(key, at=int(now.timestamp()), body=body),
    }
    webhook.send(webhook.parse_target(channel.target), body, headers, allowed=told.networks)


def _failed(delivery: Delivery, error: str, now: dt.datetime) -> None:
    wait = wait_s(delivery.attempts)
    Delivery.objects.filter(pk=delivery.pk).update(
        last_error=error[:500],
        state=Delivery.State.FAILED if wait is None else Delivery.State.PENDING,
        next_at=now + dt.timedelta(seconds=wait or 0),
    )


def page_of(alert: Alert) -> str:
    """The page that shows what an alert is about: the member, the tree's history, the nodes, else the overview."""
    if alert.kind in (Kind.RULE_CROSSED, Kind.BUDGET_BURNS):
        return "/rules"
    if alert.kind in (Kind.ISSUE_FOUND, Kind.ISSUE_NEWS, Kind.ERROR_SPIKE):
        issues = list(alert.data.get("issues", ()))
        return f"/errors/{quote(str(issues[0]))}" if len(issues) == 1 else "/errors"
    if alert.kind == Kind.ROLLED_BACK:
        return f"/trees/{quote(alert.tree)}/history"
    if alert.tree:
        return f"/process/{quote(alert.subject if alert.subject.startswith(alert.tree) else alert.tree)}"
    return "/nodes" if alert.node_id else "/"


def _facts(alert: Alert, told: Told) -> messages.Facts:
    rule = AlertRule.objects.filter(kind=alert.kind).first()
    own = alert.runbook_url or (rule.runbook_url if rule is not None else "")
    name = MEANINGS[Kind(alert.kind)].runbook
    page = f"{told.public_url}/runbooks/{name}" if told.public_url else f"docs/runbooks/{name}.md"
    return messages.Facts(
        id=alert.pk,
        kind=alert.kind,
        severity=alert.severity,
        title=alert.title,
        body=alert.body,
        subject=alert.subject,
        tree=alert.tree,
        node_id=alert.node_id,
        state=alert.state,
        count=alert.count,
        raised_at=alert.raised_at,
        last_at=alert.last_at,
        resolved_at=alert.resolved_at,
        data=alert.data,
        url=f"{told.public_url}{page_of(alert)}" if told.public_url else "",
        runbook=own or page,
    )
