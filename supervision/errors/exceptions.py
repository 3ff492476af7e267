"""What callers of the error store can do something about."""

from supervision.exceptions import SupervisionError


class UnknownIssueError(SupervisionError):
    """No issue has this short id."""


class InvalidFieldError(SupervisionError):
    """`field` says which value was refused."""

    def __init__(self, field: str, why: str) -> None:
        super().__init__(why)
        self.field = field


class TooManyToMergeError(SupervisionError):
    """More issues than are merged at once."""


class TooManyToCountError(SupervisionError):
    """More events than are counted one by one, or not all of them are stored."""
