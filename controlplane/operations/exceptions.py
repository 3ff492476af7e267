"""What can be wrong with running Overstory itself, each with what to do about it."""


class OperationsError(Exception):
    """It was not done; the message is for the operator and says why."""
