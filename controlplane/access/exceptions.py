"""Why somebody may not: named for what the edge answers."""

from datetime import timedelta


class AccessError(Exception):
    """The request is not permitted."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or self.__doc__)


class LoginRequiredError(AccessError):
    """Log in, or send a token."""


class HiddenError(AccessError):
    """There is no such tree."""


class ForbiddenError(AccessError):
    """Your role does not allow this."""


class TooManyAttemptsError(AccessError):
    """Too many attempts to log in."""

    def __init__(self, retry_after: timedelta) -> None:
        super().__init__()
        self.retry_after = retry_after


class WrongCredentialsError(AccessError):
    """The name or the password is wrong."""


class LinkSpentError(AccessError):
    """This login link was used already, or is older than ten minutes."""


class AccessConflictError(AccessError):
    """The change is not possible as things are."""


class InvalidAccessError(AccessError):
    """A field is wrong; `field` names it."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field
