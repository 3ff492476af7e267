"""How one item ended: `Ok(value)` or `Exit(reason)`, one for each, never an exception out of the blue.

Reasons are those of the whole product: `exception(ValueError)`, `timeout`, `signal(9)`, `lost`, `shutdown`.
"""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Ok:
    """The task ended well. Any: the JSON it answered."""

    value: Any = None


@dataclass(frozen=True, slots=True)
class Exit:
    """The task ended otherwise. `state`: failed, parked or revoked; `message`: what was said about it."""

    reason: str
    message: str = ""
    state: str = "failed"


Outcome = Ok | Exit


def of_row(row: dict[str, Any]) -> Outcome:
    """From what the control plane tells of a task that ended. Any: JSON."""
    state = str(row.get("state"))
    if state == "done":
        return Ok(row.get("result"))
    default = {"revoked": "shutdown", "parked": "lost"}.get(state, "lost")
    return Exit(str(row.get("reason") or default), str(row.get("message") or ""), state)
