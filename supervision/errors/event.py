"""An error event as the rooms of this package see it: typed, and no larger than its bounds.

`protocol/reading.py` makes one of what an SDK sent, `tracebacks.py` of what a program wrote before it died.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Frame:
    """One call. `in_app` is None where nobody said whether it is the program's own code. `number` counts from the oldest."""

    module: str = ""
    function: str = ""
    path: str = ""
    line: int | None = None
    context_line: str = ""
    in_app: bool | None = None
    number: int = 0


@dataclass(frozen=True, slots=True)
class Raised:
    """One exception of a chain. `frames` from the oldest call to where it was raised.

    `id`, `parent`, `source` and `is_group` are the mechanism's: a member of an exception group names the group as its parent
    and `exceptions[n]` as where it stood there; a cause names `__cause__` or `__context__`.
    """

    type: str
    value: str = ""
    module: str = ""
    frames: tuple[Frame, ...] = ()
    handled: bool | None = None
    mechanism: str = ""
    id: int | None = None
    parent: int | None = None
    source: str = ""
    is_group: bool = False


@dataclass(frozen=True, slots=True)
class ErrorEvent:
    """What is known of one error. `raised` has the oldest cause first and the one that was reported last.

    `template` is the message before its arguments were put in ("" where there is none); times are seconds since the epoch.
    `data` is the rest of the report, scrubbed, for people.
    """

    event_id: str
    level: str = "error"
    platform: str = "python"
    raised: tuple[Raised, ...] = ()
    message: str = ""
    template: str = ""
    logger: str = ""
    transaction: str = ""
    fingerprint: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    environment: str = ""
    release: str = ""
    server_name: str = ""
    user: str = ""
    timestamp: float | None = None
    data: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_seen(self) -> bool:
        """Whether Overstory saw it itself, and nobody told it."""
        sdk = self.data.get("sdk")
        return isinstance(sdk, Mapping) and sdk.get("name") == "overstory"

    @property
    def culprit(self) -> str:
        """Where it happened, in one line: the transaction, else the innermost call of the program's own code."""
        if self.transaction:
            return self.transaction
        for raised in reversed(self.raised):
            frames = [frame for frame in raised.frames if frame.in_app] or list(raised.frames)
            if frames:
                return f"{frames[-1].module or frames[-1].path} in {frames[-1].function}"
        return self.logger
