"""What can go wrong with a plan, by what the caller can do about it."""

from supervision.exceptions import SupervisionError


class RemediationError(SupervisionError):
    """Base of this room's errors."""


class NoSuchPlanError(RemediationError):
    """There is no such plan or phase."""


class InvalidPlanError(RemediationError):
    """The plan cannot be meant; `pointer` says what of it."""

    def __init__(self, pointer: str, message: str) -> None:
        super().__init__(message)
        self.pointer = pointer


class IllegalStepError(RemediationError):
    """The phase's state does not allow it."""
