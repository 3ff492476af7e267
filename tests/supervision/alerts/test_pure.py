"""Signatures, waits and messages."""

import datetime as dt
import hashlib
import hmac

from supervision.alerts.backoff import CAP_S, MOST_ATTEMPTS, wait_s
from supervision.alerts.kinds import MEANINGS, Kind
from supervision.alerts.messages import Facts, as_json, as_text
from supervision.alerts.signing import signature, signing_key

AT = dt.datetime(2026, 11, 28, 16, 0, tzinfo=dt.UTC)
FACTS = Facts(
    id=7, kind="node_lost", severity="critical", title="node lost: a", body="words", subject="a", tree="", node_id="a",
    state="open", count=2, raised_at=AT, last_at=AT, resolved_at=None, data={"x": 1}, url="https://o/alerts/7",
    runbook="docs/runbooks/node-lost.md",
)  # fmt: skip


def test_a_receiver_can_check_the_signature_as_the_docstring_says() -> None:
    key = signing_key("secret", channel_id=1, key_number=1)
    made = dict(part.split("=") for part in signature(key, at=1000, body=b"{}").split(","))
    assert made["t"] == "1000"
    assert made["v1"] == hmac.new(key.encode(), b"1000.{}", hashlib.sha256).hexdigest()


def test_keys_differ_by_instance_channel_and_number() -> None:
    keys = {
        signing_key(secret, channel_id=channel, key_number=number)
        for secret in ("a", "b")
        for channel in (1, 2)
        for number in (1, 2)
    }
    assert len(keys) == 8


def test_waits_grow_to_the_cap_and_end() -> None:
    waits = [wait_s(attempt) for attempt in range(1, MOST_ATTEMPTS)]
    assert waits[:3] == [5, 15, 45]
    assert max(wait for wait in waits if wait is not None) == CAP_S
    assert wait_s(MOST_ATTEMPTS) is None


def test_the_webhooks_body_names_event_and_delivery() -> None:
    body = as_json(FACTS, event="raised", delivery="d-1")
    assert (body["event"], body["delivery"], body["alert"]["tree"]) == ("alert.raised", "d-1", None)
    assert body["alert"]["raised_at"] == "2026-11-28T16:00:00+00:00"


def test_a_mail_says_what_it_is_about_and_what_to_do() -> None:
    subject, text = as_text(FACTS, event="resolved")
    assert subject == "[Overstory] Resolved: node lost: a"
    assert "docs/runbooks/node-lost.md" in text
    assert "https://o/alerts/7" in text


def test_every_kind_has_a_meaning() -> None:
    assert set(MEANINGS) == set(Kind)
