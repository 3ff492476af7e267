"""What a specification may not say, as small checks.

The order in which OTP checks the fields of a child specification is part of its behaviour (the first error is the
answer), so each check is a function of its own and `spec.py` calls them in OTP's order.
"""

from enum import StrEnum
from math import isfinite

from supervision.exceptions import SupervisionError
from supervision.kernel.reasons import Term


class SpecError(SupervisionError):
    """The specification is not valid.

    pointer  JSON pointer to the faulty value, from the document that was being read
    message  what is wrong, in words
    reason   the term OTP's supervisor answers for it, such as `["invalid_shutdown", -10]`
    """

    def __init__(self, pointer: str, message: str, reason: Term = None) -> None:
        super().__init__(f"{pointer or '/'}: {message}")
        self.pointer = pointer
        self.message = message
        self.reason: Term = reason if reason is not None else ["invalid", message]

    def under(self, prefix: str) -> "SpecError":
        """The same error, seen from a document that holds this one at `prefix`."""
        return SpecError(prefix + self.pointer, self.message, self.reason)


def is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)


def is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def check(valid: bool, pointer: str, value: object, expected: str, reason: Term = None) -> None:
    """Raise SpecError unless valid."""
    if not valid:
        raise SpecError(pointer, f"{value!r} is not {expected}", reason)


def check_word(word: object, words: type[StrEnum], field: str, term: str) -> None:
    if isinstance(word, words):
        return  # as nearly always; to list the words takes far longer
    known = tuple(words)
    check(
        isinstance(word, str) and word in known,
        f"/{field}",
        word,
        f"one of {', '.join(known)}",
        [term, _term(word)],
    )


def _term(value: object) -> Term:
    """A faulty value inside an error term; anything that is not JSON is named by its repr."""
    return value if value is None or isinstance(value, str | int | float | list | dict) else repr(value)
