"""Raising, telling, acknowledging, silencing and resolving, with rows."""

import datetime as dt
import hashlib
import hmac
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest
from django.core import mail
from django.db import connection

from controlplane.operations.mailserver import mail_settings
from supervision.alerts import services, silences
from supervision.alerts.addresses import Network, parse_networks
from supervision.alerts.backoff import MOST_ATTEMPTS
from supervision.alerts.delivery import deliver_due, page_of
from supervision.alerts.exceptions import IllegalTransition, InvalidChannel, NotFound
from supervision.alerts.kinds import Kind
from supervision.alerts.models import Alert, AlertRule, Channel, Delivery
from supervision.alerts.services import Subject, raise_alert
from supervision.alerts.signing import signing_key
from supervision.auditlog.actor import Actor, ActorKind
from supervision.auditlog.models import AuditEntry
from tests.support.http_sink import Sink, http_sink
from tests.support.smtp_sink import smtp_sink

NOW = dt.datetime(2026, 11, 28, 12, 0, tzinfo=dt.UTC)
LATER = NOW + dt.timedelta(hours=5)
ACTOR = Actor(kind=ActorKind.USER, id="1", name="ann")
LOST = Subject(Kind.NODE_LOST, "node-a", "7", node_id="node-a")


@dataclass(frozen=True, slots=True)
class Instance:
    """What sending needs to know."""

    secret_key: str = "s"
    public_url: str = "https://ops.example"
    networks: tuple[Network, ...] = parse_networks("127.0.0.0/8")


@pytest.fixture
def sink() -> Iterator[Sink]:
    with http_sink() as made:
        yield made


@pytest.fixture
def webhook(db: None, sink: Sink) -> Channel:
    return channel("hook", Channel.Kind.WEBHOOK, sink.url + "/in")


def channel(name: str, kind: str, target: str, **more: object) -> Channel:
    fields = {"kinds": [], "tree": "", "is_enabled": True, **more}
    return services.save_channel(
        channel=None,
        name=name,
        kind=kind,
        target=target,
        actor=ACTOR,
        **fields,  # type: ignore[arg-type]
    )


def raised(about: Subject = LOST, now: dt.datetime = NOW) -> Alert:
    alert = raise_alert(about=about, title="node lost: a", now=now)
    assert alert is not None
    return alert


def test_a_raised_alert_is_sent_once_signed_and_says_where_to_look(webhook: Channel, sink: Sink) -> None:
    alert = raised()
    assert deliver_due(told=Instance(), now=NOW) == 1
    assert deliver_due(told=Instance(), now=LATER) == 0
    [request] = sink.received
    body = json.loads(request.body)
    assert (body["event"], body["alert"]["id"], body["alert"]["node"]) == ("alert.raised", alert.pk, "node-a")
    assert body["url"] == "https://ops.example/nodes"
    assert body["delivery"] == request.headers["Overstory-Delivery"] == str(Delivery.objects.get().pk)
    made = dict(part.split("=") for part in request.headers["Overstory-Signature"].split(","))
    key = signing_key("s", channel_id=webhook.pk, key_number=1)
    expected = hmac.new(key.encode(), f"{made['t']}.".encode() + request.body, hashlib.sha256).hexdigest()
    assert made["v1"] == expected
    assert int(made["t"]) == int(NOW.timestamp())


def test_a_chat_gets_its_own_form(webhook: Channel, sink: Sink) -> None:
    services.save_channel(
        channel=webhook,
        name="chat",
        kind="slack",
        target=webhook.target,
        kinds=[],
        tree="",
        is_enabled=True,
        actor=ACTOR,
    )
    raised()
    assert deliver_due(told=Instance(), now=NOW) == 1
    [request] = sink.received
    text = json.loads(request.body)["text"]
    assert text.startswith("node lost: a\n")
    assert "https://ops.example/nodes" in text


def test_the_same_occurrence_is_raised_once_also_after_it_was_resolved(webhook: Channel) -> None:
    alert = raised()
    assert raise_alert(about=LOST, title="again", now=NOW) is None
    services.resolve_alert(alert_id=alert.pk, actor=ACTOR, reason="seen", now=NOW)
    assert raise_alert(about=LOST, title="again", now=NOW) is None
    assert Alert.objects.count() == 1


def test_another_occurrence_joins_the_alert_that_is_not_resolved_and_is_not_told_again(
    webhook: Channel,
) -> None:
    first = raised()
    second = raised(Subject(Kind.NODE_LOST, "node-a", "8"), LATER)
    assert second.pk == first.pk
    assert (second.count, second.last_at) == (2, LATER)
    assert Delivery.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_twenty_who_raise_at_once_make_one_alert(transactional_db: None) -> None:
    def attempt(number: int) -> None:
        try:
            raise_alert(about=Subject(Kind.STRAY_FOUND, "node-a:77", str(number)), title="stray", now=NOW)
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(attempt, range(20)))
    assert Alert.objects.get().count == 20


def test_resolving_a_subject_tells_it_and_a_new_occurrence_is_a_new_alert(
    webhook: Channel, sink: Sink
) -> None:
    raised()
    deliver_due(told=Instance(), now=NOW)
    assert services.resolve_subject(kind=Kind.NODE_LOST, subject="node-a", by="it is back", now=NOW) == 1
    assert services.resolve_subject(kind=Kind.NODE_LOST, subject="node-a", by="it is back", now=NOW) == 0
    deliver_due(told=Instance(), now=NOW)
    assert [json.loads(each.body)["event"] for each in sink.received] == ["alert.raised", "alert.resolved"]
    raised(Subject(Kind.NODE_LOST, "node-a", "8"))
    assert Alert.objects.count() == 2


def test_a_receiver_that_fails_is_tried_again_later_with_the_same_delivery(
    webhook: Channel, sink: Sink
) -> None:
    raised()
    sink.answers = [500]
    assert deliver_due(told=Instance(), now=NOW) == 0
    waiting = Delivery.objects.get()
    assert waiting.state == Delivery.State.PENDING
    assert "500" in waiting.last_error
    assert deliver_due(told=Instance(), now=NOW + dt.timedelta(seconds=4)) == 0
    assert deliver_due(told=Instance(), now=NOW + dt.timedelta(seconds=6)) == 1
    first, second = (each.headers["Overstory-Delivery"] for each in sink.received)
    assert first == second


def test_after_the_last_attempt_it_has_failed(webhook: Channel, sink: Sink) -> None:
    raised()
    Delivery.objects.update(attempts=MOST_ATTEMPTS - 1)
    sink.answers = [500]
    deliver_due(told=Instance(), now=NOW)
    assert Delivery.objects.get().state == Delivery.State.FAILED


def test_a_receiver_on_a_private_address_gets_nothing(webhook: Channel, sink: Sink) -> None:
    raised()
    assert deliver_due(told=Instance(networks=()), now=NOW) == 0
    assert sink.received == []
    assert "127.0.0.1" in Delivery.objects.get().last_error


def test_a_slow_receiver_uses_up_nobody_elses_claim_and_each_message_is_signed_when_it_is_sent(
    webhook: Channel, sink: Sink
) -> None:
    for number in "789":
        raised(Subject(Kind.NODE_LOST, f"node-{number}", number))
    passed = iter([0.0, 0.0, 40.0, 80.0])
    assert deliver_due(told=Instance(), now=NOW, seconds=lambda: next(passed)) == 2
    signed = [int(each.headers["Overstory-Signature"].split(",")[0][2:]) for each in sink.received]
    assert [at - int(NOW.timestamp()) for at in signed] == [0, 40]
    waiting = Delivery.objects.get(state=Delivery.State.PENDING)
    assert (waiting.attempts, waiting.next_at) == (0, NOW)


def test_one_broken_channel_does_not_hold_up_the_other(webhook: Channel, sink: Sink) -> None:
    channel("away", Channel.Kind.WEBHOOK, "http://127.0.0.1:1/")
    raised()
    assert deliver_due(told=Instance(), now=NOW) == 1
    assert len(sink.received) == 1


def test_an_email_goes_to_every_address(db: None) -> None:
    channel("mail", Channel.Kind.EMAIL, "ops@example.com, boss@example.com")
    raised()
    assert deliver_due(told=Instance(), now=NOW) == 1
    [message] = mail.outbox
    assert message.to == ["ops@example.com", "boss@example.com"]
    assert message.subject == "[Overstory] node lost: a"


def test_an_email_arrives_at_a_real_server_and_one_that_is_away_is_tried_again(
    db: None, settings: Any
) -> None:
    channel("mail", Channel.Kind.EMAIL, "ops@example.com")
    raised()
    letters: list[str] = []
    with smtp_sink(letters) as port:
        for name, value in mail_settings(f"smtp://127.0.0.1:{port}?from=o@example.com&tls=no").items():
            setattr(settings, name, value)
        settings.EMAIL_PORT = 1
        assert deliver_due(told=Instance(), now=NOW) == 0
        settings.EMAIL_PORT = port
        assert deliver_due(told=Instance(), now=LATER) == 1
    [letter] = letters
    assert "Subject: [Overstory] node lost: a" in letter
    assert "From: o@example.com" in letter
    assert f"Overstory-Delivery: {Delivery.objects.get().pk}" in letter


def test_a_channel_gets_what_it_asked_for_only(db: None) -> None:
    channel("strays", Channel.Kind.EMAIL, "a@example.com", kinds=["stray_found"])
    channel("shop", Channel.Kind.EMAIL, "b@example.com", tree="shop")
    channel("off", Channel.Kind.EMAIL, "c@example.com", is_enabled=False)
    raised()
    assert Delivery.objects.count() == 0
    raised(Subject(Kind.SUPERVISOR_GAVE_UP, "shop/web", "1", tree="shop"))
    told = Delivery.objects.get().channel
    assert told is not None
    assert told.name == "shop"


def test_a_silence_keeps_the_alert_and_tells_nobody(webhook: Channel) -> None:
    silence = silences.silence_alerts(
        kind="node_lost", subject="", tree="", until=LATER, reason="moving racks", actor=ACTOR
    )
    assert raised().is_silenced
    assert Delivery.objects.count() == 0
    silences.end_silence(silence_id=silence.pk, actor=ACTOR, now=NOW)
    raised(Subject(Kind.NODE_LOST, "node-b", "1"))
    assert Delivery.objects.count() == 1
    with pytest.raises(NotFound):
        silences.end_silence(silence_id=silence.pk, actor=ACTOR, now=NOW)


def test_an_open_alert_is_told_again_until_somebody_acknowledges_it(webhook: Channel, sink: Sink) -> None:
    alert = raised()
    deliver_due(told=Instance(), now=NOW)
    Delivery.objects.update(created_at=NOW)
    assert services.repeat_open(now=NOW + dt.timedelta(hours=1)) == 0
    assert services.repeat_open(now=LATER) == 1
    services.acknowledge_alert(alert_id=alert.pk, actor=ACTOR, reason="on it", now=LATER)
    assert deliver_due(told=Instance(), now=LATER) == 0, "what was waiting is taken back"
    assert services.repeat_open(now=LATER + dt.timedelta(hours=9)) == 0
    assert AuditEntry.objects.filter(action="alert.acknowledge").count() == 1


def test_acknowledging_and_resolving_keep_to_the_order_of_states(webhook: Channel) -> None:
    alert = raised()
    services.acknowledge_alert(alert_id=alert.pk, actor=ACTOR, reason="", now=NOW)
    with pytest.raises(IllegalTransition):
        services.acknowledge_alert(alert_id=alert.pk, actor=ACTOR, reason="", now=NOW)
    services.resolve_alert(alert_id=alert.pk, actor=ACTOR, reason="", now=NOW)
    with pytest.raises(IllegalTransition):
        services.resolve_alert(alert_id=alert.pk, actor=ACTOR, reason="", now=NOW)
    with pytest.raises(NotFound):
        services.resolve_alert(alert_id=0, actor=ACTOR, reason="", now=NOW)


def test_a_rule_turns_a_kind_off_or_gives_it_another_severity(db: None) -> None:
    rule = AlertRule.objects.create(kind=Kind.NODE_LOST, severity="info", is_enabled=False)
    assert raise_alert(about=LOST, title="x", now=NOW) is None
    rule.is_enabled = True
    rule.save()
    assert raised().severity == "info"


def test_a_test_message_goes_the_way_every_message_goes(webhook: Channel, sink: Sink) -> None:
    services.test_channel(channel_id=webhook.pk, actor=ACTOR, now=NOW)
    assert deliver_due(told=Instance(), now=NOW) == 1
    assert json.loads(sink.received[0].body)["alert"]["kind"] == "test"


@pytest.mark.parametrize(
    ("kind", "target", "field"),
    [
        ("webhook", "ftp://x/", "target"),
        ("email", "nobody", "target"),
        ("email", "a@example.com\r\nBcc: b@example.com", "target"),
        ("pager", "1", "kind"),
    ],
)
def test_a_channel_that_cannot_work_is_refused_with_its_field(
    db: None, kind: str, target: str, field: str
) -> None:
    with pytest.raises(InvalidChannel) as refused:
        channel("x", kind, target)
    assert refused.value.field == field


def test_the_audit_log_does_not_hold_the_path_of_a_webhook(db: None) -> None:
    channel("x", Channel.Kind.WEBHOOK, "https://hooks.example/T0/SECRET")
    assert "SECRET" not in json.dumps([entry.details for entry in AuditEntry.objects.all()])


def test_old_alerts_go_with_their_deliveries(webhook: Channel) -> None:
    alert = raised()
    services.resolve_alert(alert_id=alert.pk, actor=ACTOR, reason="", now=NOW)
    services.delete_old(now=NOW + dt.timedelta(days=services.KEEP_RESOLVED_DAYS - 1))
    assert Alert.objects.count() == 1
    services.delete_old(now=NOW + dt.timedelta(days=services.KEEP_RESOLVED_DAYS + 1))
    assert Delivery.objects.count() == 0


@pytest.mark.parametrize(
    ("kind", "subject", "tree", "node_id", "page"),
    [
        ("supervisor_gave_up", "shop/front", "shop", "n", "/process/shop/front"),
        ("rolled_back", "shop", "shop", "", "/trees/shop/history"),
        ("node_lost", "n", "", "n", "/nodes"),
        ("test", "t", "", "", "/"),
    ],
)
def test_a_message_links_to_the_page_of_what_it_is_about(
    kind: str, subject: str, tree: str, node_id: str, page: str
) -> None:
    assert page_of(Alert(kind=kind, subject=subject, tree=tree, node_id=node_id)) == page


def test_what_is_open_when_a_silence_begins_is_told_again_when_it_ends(webhook: Channel, sink: Sink) -> None:
    alert = raised()
    deliver_due(told=Instance(), now=NOW)
    until = LATER + dt.timedelta(hours=1)
    silences.silence_alerts(kind="node_lost", subject="", tree="", until=until, reason="known", actor=ACTOR)
    services.repeat_open(now=LATER)
    assert services.tell_unsilenced(now=LATER) == 0
    assert services.tell_unsilenced(now=until) == 1
    deliver_due(told=Instance(), now=until)
    assert [json.loads(request.body)["event"] for request in sink.received] == [
        "alert.raised",
        "alert.repeated",
    ]
    alert.refresh_from_db()
    assert not alert.is_silenced


def test_what_came_during_a_silence_is_told_when_it_ends(webhook: Channel, sink: Sink) -> None:
    silence = silences.silence_alerts(
        kind="", subject="node-a", tree="", until=LATER, reason="r", actor=ACTOR
    )
    raised()
    silences.end_silence(silence_id=silence.pk, actor=ACTOR, now=NOW)
    assert services.tell_unsilenced(now=NOW) == 1
    assert services.tell_unsilenced(now=NOW) == 0
    deliver_due(told=Instance(), now=NOW)
    assert [json.loads(request.body)["event"] for request in sink.received] == ["alert.raised"]
