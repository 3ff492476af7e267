"""What callers of this room can do something about."""

from supervision.exceptions import SupervisionError


class TaskError(SupervisionError):
    """The task cannot be changed so."""


class NoSuchTaskError(TaskError):
    """There is no such task."""


class TaskStateError(TaskError):
    """The task's state does not allow that."""


class NoSuchRequestError(TaskError):
    """There is no such request to a worker."""


class NoSuchPoolError(TaskError):
    """There is no such pool of workers."""
