"""What chats are told: short, plain, and nobody is called by what a program wrote."""

import dataclasses
from typing import Any

import pytest

from supervision.alerts.chats import APART, CHATS, MOST_TEXT, chat_body, check_chat, text_of
from supervision.alerts.exceptions import InvalidChannel
from supervision.alerts.models import Channel
from tests.supervision.alerts.test_pure import FACTS

TELEGRAM = "https://api.telegram.org/botT/sendMessage?chat_id=-1007"


def said(kind: str, target: str = TELEGRAM, **facts: Any) -> dict[str, Any]:
    return chat_body(kind, dataclasses.replace(FACTS, **facts), event="raised", target=target)


def test_the_text_says_what_how_bad_and_where_to_look() -> None:
    assert text_of(FACTS, event="repeated").split("\n") == [
        "Still: node lost: a",
        "words",
        "critical, since 2026-11-28 16:00 UTC, 2 times",
        "https://o/alerts/7",
        "What to do: docs/runbooks/node-lost.md",
    ]


def test_every_chat_is_a_kind_of_channel() -> None:
    assert set(CHATS) == set(Channel.Kind.values) - {"webhook", "email"}


@pytest.mark.parametrize("kind", CHATS)
def test_a_long_report_is_cut(kind: str) -> None:
    body = said(kind, body="x" * 10_000)
    text = next(body[name] for name in ("text", "content") if name in body)
    assert len(text) <= MOST_TEXT + 100
    assert "…" in text
    assert "https://o/alerts/7" in text


def test_what_a_program_wrote_calls_nobody_and_is_no_markup() -> None:
    wrote = "<!channel> @everyone @here <https://evil|click> *bold* & `code`"
    slack = said("slack", body=wrote)
    assert "&lt;!channel&gt;" in slack["text"]
    assert "<" not in slack["text"]
    assert slack["mrkdwn"] is False
    discord = said("discord", body=wrote)
    assert discord["allowed_mentions"] == {"parse": []}
    assert "@everyone" not in discord["content"]
    mattermost = said("mattermost", body=wrote)
    assert f"@{APART}here" in mattermost["text"]
    assert all(line.startswith("    ") for line in mattermost["text"].split("\n"))
    telegram = said("telegram", body=wrote)
    assert telegram["chat_id"] == "-1007"
    assert "parse_mode" not in telegram


def test_telegram_needs_to_know_the_chat() -> None:
    check_chat("telegram", TELEGRAM)
    check_chat("slack", "https://hooks.slack.com/services/T/B/X")
    with pytest.raises(InvalidChannel) as caught:
        check_chat("telegram", "https://api.telegram.org/botT/sendMessage")
    assert caught.value.field == "target"
