"""What can go wrong with an alert, by what the caller can do about it."""

from supervision.exceptions import SupervisionError


class AlertsError(SupervisionError):
    """Base of this room's errors."""


class NotFound(AlertsError):  # noqa: N818 names what it is, as everywhere in the API
    """There is no such alert or channel."""


class IllegalTransition(AlertsError):  # noqa: N818
    """The alert's state does not allow it."""


class InvalidChannel(AlertsError):  # noqa: N818
    """A channel's target cannot be used; `field` names what is wrong."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


class DeliveryError(AlertsError):
    """The message was not taken; the text goes to the operator and never holds a secret."""
