"""What calls of this package raise."""

from typing import Any


class OverstoryError(Exception):
    """The base of all of them."""


class NotSupervised(OverstoryError):  # noqa: N818  the state's name, as in the documentation
    """The program does not run under Overstory: there is nobody to ask."""


class Refused(OverstoryError):  # noqa: N818
    """The answer is no: `code` for programs, the message for people, `details` with what else was said."""

    def __init__(self, code: str, message: str, details: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.details = details or {}


class Unavailable(Refused):
    """Nobody could answer in time: `store_unavailable`, `gateway_unavailable`. What was asked may have been done."""
