"""The request behind a button, as a line for a terminal."""

import json
import shlex
from collections.abc import Mapping
from typing import Any

CHILD_VERBS = frozenset({"start", "stop", "restart", "terminate", "hold", "release", "reload", "signal"})
NOT_TWICE = frozenset({"restart", "signal", "reload", "terminate", "start_child"})
"""Verbs whose request needs an Idempotency-Key."""
ALERT_VERBS = frozenset({"acknowledge", "resolve"})
_BEGIN = ('-H "Authorization: Bearer $OVERSTORY_TOKEN"', "-H 'Content-Type: application/json'")
"""The token is read from the environment: the line holds no secret."""


def command_curl(
    *, url: str, verb: str, key: str, node: str | None, args: Mapping[str, Any] | None = None
) -> str:
    """What asks for the same by REST."""
    body: dict[str, Any] = {"verb": verb, "key": key}
    if node:
        body["node"] = node
    if args:
        body["args"] = dict(args)
    words = ["curl", "-X POST", shlex.quote(url), *_BEGIN]
    if verb in NOT_TWICE:
        words.append('-H "Idempotency-Key: $(uuidgen)"')
    return " ".join([*words, "-d", shlex.quote(json.dumps(body))])


def alert_curl(url: str) -> str:
    """What does the same to an alert."""
    return " ".join(["curl", "-X POST", shlex.quote(url), *_BEGIN, "-d", "'{}'"])
