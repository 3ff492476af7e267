"""What can be wrong with a view."""


class SavedViewError(Exception):
    """Base of the errors of saved views."""


class InvalidViewError(SavedViewError):
    """A field cannot be meant. `field` is its name."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


class NameTakenError(SavedViewError):
    """The owner has a view of that name in that list."""


class NoViewError(SavedViewError):
    """There is no such view, or it is not yours to see."""
