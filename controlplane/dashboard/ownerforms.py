"""Rules of ownership as lines of text, and back: `path:*/billing/* tag.region:eu #billing`, the first that matches counts.

A line has conditions, and whose such issues are: a user, or a team with a #.
"""

import shlex
from collections.abc import Iterable

from controlplane.dashboard.conditionlines import condition, numbered, words_of
from supervision.errors.exceptions import InvalidFieldError
from supervision.errors.store.owner_models import ErrorOwner
from supervision.errors.store.owning import OwnerFields, owner_words


def lines_of(owners: Iterable[ErrorOwner]) -> str:
    """One line for each rule."""
    return "\n".join(" ".join([*words_of(row.match), owner_words(row)]) for row in owners)


def owners_of_lines(text: str) -> list[OwnerFields]:
    """InvalidFieldError, which names the line."""
    return [_of_line(number, line) for number, line in numbered(text)]


def _of_line(number: int, line: str) -> OwnerFields:
    try:
        words = shlex.split(line)
    except ValueError:
        raise InvalidFieldError("owners", f"line {number}: a quote is not closed") from None
    if len(words) < 2:
        raise InvalidFieldError(
            "owners", f"line {number}: a condition like path:*/billing/*, then whose it is"
        )
    *conditions, owner = words
    try:
        match = tuple(condition(word) for word in conditions)
    except ValueError as error:
        raise InvalidFieldError("owners", f"line {number}: {error}") from None
    is_team = owner.startswith("#")
    return OwnerFields(match, user="" if is_team else owner, team=owner[1:] if is_team else "")
