"""What the desired state refuses, named for what the caller can do about it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from supervision.exceptions import SupervisionError


class TreesError(SupervisionError):
    """The desired state refused."""


class NotFoundError(TreesError):
    """There is no such thing."""


class StaleVersionError(TreesError):
    """The tree was changed meanwhile; `current` is its version now."""

    def __init__(self, name: str, expected: int, current: int) -> None:
        super().__init__(f"{name} is at version {current}, not at {expected}: look again, then decide")
        self.current = current


class IllegalTransitionError(TreesError):
    """What was asked makes no sense in the present state."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault of a document: where (a JSON pointer, and line and column when it came as text), and what."""

    pointer: str
    detail: str
    line: int | None = None
    column: int | None = None

    def to_json(self) -> dict[str, Any]:
        place = {} if self.line is None else {"line": self.line, "column": self.column}
        return {"pointer": self.pointer, "detail": self.detail, **place}


class InvalidDocumentError(TreesError):
    """The document is no valid tree; `faults` names each fault."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(f"{fault.pointer}: {fault.detail}" for fault in faults))
