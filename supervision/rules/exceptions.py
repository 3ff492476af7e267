"""What the rules room refuses."""

from supervision.exceptions import SupervisionError


class RulesError(SupervisionError):
    """Of every refusal of this room."""


class NotFoundError(RulesError):
    """There is no such rule or objective."""


class InvalidRuleError(RulesError):
    """A field of a rule or objective cannot be meant; `field` names it."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field
