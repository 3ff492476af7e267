"""An alert as a message of a chat: what Slack, Mattermost, Discord and Telegram take. Pure.

One short text each, that says the same everywhere: what happened, how bad, where to look. Whatever an alert quotes was
written by programs, so nothing in it may address people (`@channel`) or be taken for markup.
"""

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from supervision.alerts.exceptions import InvalidChannel
from supervision.alerts.messages import SUBJECT_PREFIX, Facts

MOST_BODY = 1200
MOST_TEXT = 1900
"""Discord takes 2000 characters, the others more."""
APART = "\u200b"
"""Behind an @ it keeps a name from being one."""

Say = Callable[[str, str], dict[str, Any]]


def text_of(facts: Facts, *, event: str) -> str:
    """The message without its escapes."""
    body = facts.body if len(facts.body) <= MOST_BODY else facts.body[:MOST_BODY].rstrip() + " …"
    lines = [
        f"{SUBJECT_PREFIX.get(event, '')}{facts.title}",
        *([body] if body and body != facts.title else []),
        f"{facts.severity}, since {facts.raised_at:%Y-%m-%d %H:%M} UTC"
        + (f", {facts.count} times" if facts.count > 1 else ""),
        *([facts.url] if facts.url else []),
        f"What to do: {facts.runbook}",
    ]
    return "\n".join(lines)[:MOST_TEXT]


def chat_body(kind: str, facts: Facts, *, event: str, target: str) -> dict[str, Any]:
    """What is posted to a channel of this kind. KeyError for a kind that is no chat."""
    return CHATS[kind](text_of(facts, event=event), target)


def check_chat(kind: str, target: str) -> None:
    """Raises InvalidChannel where a URL lacks what the chat needs."""
    if kind == "telegram" and not _chat_id(target):
        raise InvalidChannel(
            "target", "Telegram needs ?chat_id= in the URL: …/bot<token>/sendMessage?chat_id=-100…"
        )


def _slack(text: str, _target: str) -> dict[str, Any]:
    return {"text": text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"), "mrkdwn": False}


def _mattermost(text: str, _target: str) -> dict[str, Any]:
    return {"text": "\n".join("    " + line for line in text.replace("@", f"@{APART}").split("\n"))}


def _discord(text: str, _target: str) -> dict[str, Any]:
    return {"content": text.replace("@", f"@{APART}"), "allowed_mentions": {"parse": []}, "flags": 4}


def _telegram(text: str, target: str) -> dict[str, Any]:
    return {"chat_id": _chat_id(target), "text": text, "link_preview_options": {"is_disabled": True}}


def _chat_id(target: str) -> str:
    return dict(parse_qsl(urlsplit(target).query)).get("chat_id", "")


CHATS: Mapping[str, Say] = {
    "slack": _slack,
    "mattermost": _mattermost,
    "discord": _discord,
    "telegram": _telegram,
}
"""By the kind of channel. Mattermost shows indented lines as they are; elsewhere plain text is asked for or escaped."""
