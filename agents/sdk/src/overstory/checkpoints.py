"""Keeping a program's state so that its next life goes on from it: whole, newest, and never over a newer life's.

    checkpoints.save(channel, {"position": 7}, schema=2)
    state = checkpoints.restore(channel, schema=2, migrate=lambda state, schema: upgraded(state))

A save returns once the state is on the node's disk; kill -9 at any moment leaves the one before. A state is anything that
JSON can say, or bytes. Outside Overstory there is nobody to keep it: save answers None and restore finds nothing.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .channel import Channel
from .errors import OverstoryError

SAVE_LIMIT_S = 30.0
"""A disk may take its time; a program that cannot wait saves in a thread."""

Migrate = Callable[[Any, int], Any]
"""(state, schema it was saved under) -> the state as it is now."""


class SchemaTooNew(OverstoryError):  # noqa: N818
    """The state was saved by a newer program: this one would destroy what it does not know."""

    def __init__(self, found: int, known: int) -> None:
        super().__init__(f"the checkpoint has schema {found}, this program knows {known}")
        self.found = found
        self.known = known


@dataclass(frozen=True, slots=True)
class Restored:
    """A state, and what is known of it. `version` grows with each save; `at` is Unix seconds."""

    state: Any
    version: int
    schema: int
    incarnation: int
    at: float


def save(channel: Channel, state: Any, *, schema: int = 1, timeout_s: float = SAVE_LIMIT_S) -> int | None:
    """Keep `state`; its version, or None outside Overstory.

    Raises Refused: `stale_incarnation` (a newer life has begun), `too_large`, `disk_full`; Unavailable when the node did not
    answer in time, and then it may have been kept. ValueError, TypeError for what JSON cannot say.
    """
    if not channel.is_supervised:
        return None
    is_bytes = isinstance(state, bytes | bytearray | memoryview)
    data = bytes(state) if is_bytes else json.dumps(state, separators=(",", ":"), allow_nan=False).encode()
    fields = {"schema": schema, "content": "bytes" if is_bytes else "json"}
    result, _ = channel.request("checkpoint.save", fields, timeout_s, data)
    return int(result["version"])


def restore(
    channel: Channel, *, schema: int = 1, migrate: Migrate | None = None, timeout_s: float = SAVE_LIMIT_S
) -> Restored | None:
    """The newest whole state; None where there is none, or outside Overstory.

    One that was saved under an older schema goes through `migrate`. Raises SchemaTooNew, and what `migrate` raises; Refused
    with `stale_incarnation`; Unavailable where nothing is on this node and the store cannot be asked.
    """
    if not channel.is_supervised:
        return None
    found, data = channel.request("checkpoint.load", {}, timeout_s)
    if "version" not in found:
        return None
    saved = int(found["schema"])
    if saved > schema:
        raise SchemaTooNew(saved, schema)
    state: Any = data if found["content"] == "bytes" else json.loads(data)
    if saved < schema and migrate is not None:
        state = migrate(state, saved)
    return Restored(state, int(found["version"]), saved, int(found["incarnation"]), float(found["at"]))
