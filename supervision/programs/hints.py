"""Telling programs, on whatever node they run, that there is something to look at: by NOTIFY to every courier.

A hint may be lost, and then who subscribed finds out when it asks anyway; it never carries what must arrive.
"""

import json
from typing import Any

from django.db import connection, transaction

PUSH = "overstory_push"
"""NOTIFY channel. Payload: {"topic", "body", "key"?, "node"?}."""
MAX_PAYLOAD = 7000
"""PostgreSQL takes less than 8,000 bytes."""


def send_hint(topic: str, body: dict[str, Any], *, key: str = "", node_id: str = "") -> None:
    """On commit, push `topic` to the programs that subscribed to it: all, or those of child `key`, or of one node.

    ValueError for a body that does not fit.
    """
    payload = json.dumps({"topic": topic, "body": body, "key": key, "node": node_id}, separators=(",", ":"))
    if len(payload.encode()) > MAX_PAYLOAD:
        raise ValueError(
            f"a hint of {len(payload)} characters is too long: it names what to look at, no more"
        )
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_notify(%s, %s)", [PUSH, payload])


def parse_hint(payload: str, *, node_id: str) -> tuple[str, dict[str, Any], str] | None:
    """(topic, body, key); None for what is not for `node_id`, or no hint."""
    try:
        hint = json.loads(payload)
        if hint.get("node") not in ("", None, node_id):
            return None
        return str(hint["topic"]), dict(hint["body"]), str(hint.get("key") or "")
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
