"""What can go wrong with an audit project, by what the caller can do about it."""

from supervision.exceptions import SupervisionError


class AuditRunsError(SupervisionError):
    """Base of this room's errors."""


class NoSuchError(AuditRunsError):
    """There is no such project, run or finding."""


class InvalidReportError(AuditRunsError):
    """The report cannot be used; `pointer` says where in it."""

    def __init__(self, pointer: str, message: str) -> None:
        super().__init__(message)
        self.pointer = pointer


class InvalidFieldError(AuditRunsError):
    """A field's value cannot be used; `field` names it."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


class NotByHandError(AuditRunsError):
    """Only evidence changes this: a new scan, or the result of a linked test."""
