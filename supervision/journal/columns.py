"""From records to columns: which tree and key a record is about, and text that PostgreSQL takes."""

import json
import re
from datetime import UTC, datetime
from typing import Any

from supervision.journal.facts import Record
from supervision.journal.models import KEY_LENGTH, JournalRecord

HEADER = ("v", "seq", "t", "b", "k")
_SUSPECT = re.compile(r"\\u0000|\\ud[89a-f]", re.IGNORECASE)
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


def storable(value: Any) -> Any:
    """`value` with U+FFFD for what jsonb refuses: NUL and lone surrogates, which output of programs may hold."""
    if isinstance(value, str):
        return _UNSTORABLE.sub("\ufffd", value)
    if isinstance(value, dict):
        return {storable(key): storable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [storable(item) for item in value]
    return value


def body_of(record: Record) -> dict[str, Any]:
    """The record without its header, fit for jsonb."""
    body = {name: value for name, value in record.items() if name not in HEADER}
    clean: dict[str, Any] = storable(body) if _SUSPECT.search(json.dumps(body)) else body
    return clean


def record_of(row: JournalRecord) -> Record:
    """The record a row was made of, in the journal's own form; its time to the microsecond."""
    return {**row.body, "seq": row.seq, "t": row.at.timestamp(), "b": row.boot, "k": row.kind}


def subject_of(record: Record) -> tuple[str, str]:
    """(tree, key) that a record is about, fit for their columns; empty where it is about the node.

    Cut where it is longer than any that exists: a request that a node refused stands in its journal as it was asked, and
    one record that the database refuses would stop all that follow.
    """
    tree, key = _subject(record)
    return storable(tree)[:64], storable(key).encode()[:KEY_LENGTH].decode(errors="ignore")


def _subject(record: Record) -> tuple[str, str]:
    kind = record["k"]
    if kind == "step":
        event = record["event"]
        key = event[1] if len(event) > 1 and isinstance(event[1], str) and "/" in event[1] else ""
        return str(record["tree"]), key
    if kind in ("process", "exit", "stray"):
        key = str(record.get("key") or "")
        return key.partition("/")[0], key
    if kind == "command":
        args = record.get("args") or {}
        key = str(args.get("key") or args.get("supervisor") or "")
        return str(record.get("tree") or args.get("tree") or key.partition("/")[0]), key
    return str(record.get("tree") or ""), ""


def moment(seconds: float | None) -> datetime | None:
    """Unix seconds to an aware time; None for none and for what no calendar holds."""
    if seconds is None:
        return None
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None
