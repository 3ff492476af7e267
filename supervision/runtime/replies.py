"""A kernel's reply as the control socket answers it."""

from collections.abc import Mapping
from typing import Any


def outcome_of(value: Any, result: Mapping[str, Any]) -> dict[str, Any]:
    """`{"ok": true, "result"}` with the reply beside `result`, or `{"ok": false, "error": {"code", "message"}}`."""
    if isinstance(value, list) and value and value[0] == "ok":
        return {"ok": True, "result": {**result, "reply": value}}
    reason = value[1] if isinstance(value, list) and len(value) > 1 else value
    code = "not_found" if reason in ("not_found", "noproc") else "conflict"
    return {"ok": False, "error": {"code": code, "message": words_of(reason)}}


def words_of(reason: Any) -> str:
    """A kernel's reason as a sentence fragment."""
    if reason == "stopped":
        return "stopped: somebody stopped it meanwhile, and it stays so until it is started again"
    if isinstance(reason, list):
        return ": ".join(str(part) for part in reason)
    return str(reason)
