"""The request behind a button, as a line for a terminal."""

import json
import shlex
from collections.abc import Mapping
from typing import Any

CHILD_VERBS = frozenset(
    {"start", "stop", "restart", "recycle", "terminate", "hold", "release", "reload", "signal"}
)
NOT_TWICE = frozenset({"restart", "recycle", "signal", "reload", "terminate", "start_child"})
"""Verbs whose request needs an Idempotency-Key."""
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


def request_curl(
    *, url: str, method: str, body: object = None, file: str = "", versioned: bool = False, once: bool = False
) -> str:
    """Any request of the API. body: JSON; file: sent instead; versioned: whatever version is there; once: not carried out
    twice."""
    kind = "-H 'Content-Type: application/yaml'" if file else "-H 'Content-Type: application/json'"
    words = ["curl", f"-X {method}", shlex.quote(url), _BEGIN[0]]
    if body is not None or file:
        words.append(kind)
    if versioned:
        words.append("-H 'If-Match: *'")
    if once:
        words.append('-H "Idempotency-Key: $(uuidgen)"')
    if file:
        words.append(f"--data-binary @{shlex.quote(file)}")
    elif body is not None:
        words.append(f"-d {shlex.quote(json.dumps(body))}")
    return " ".join(words)
