"""What taking in a journal refuses."""

from supervision.exceptions import SupervisionError


class JournalError(SupervisionError):
    """The records cannot be taken in."""


class StreamGapError(JournalError):
    """Records between what is stored and what came are missing; `expected` is the number that is wanted next."""

    def __init__(self, expected: int, came: int) -> None:
        super().__init__(f"record {expected} is wanted next, {came} came")
        self.expected = expected


class NoHistoryError(JournalError):
    """Nothing is kept from which the state at that moment follows."""
