"""Rules of ownership as lines of text, and back: `path:*/billing/* tag.region:eu #billing`, the first that matches counts.

A line has conditions, `field:pattern`, in quotes where there is a space, and whose such issues are: a user, or a team
with a #.
"""

import re
import shlex
from collections.abc import Iterable

from supervision.errors.exceptions import InvalidFieldError
from supervision.errors.store.owner_models import ErrorOwner
from supervision.errors.store.owning import OwnerFields, owner_words

NEEDS_QUOTES = re.compile(r"[\s'\"\\]")


def lines_of(owners: Iterable[ErrorOwner]) -> str:
    """One line for each rule."""
    return "\n".join(
        " ".join([*(_quoted(f"{field}:{pattern}") for field, pattern in row.match), owner_words(row)])
        for row in owners
    )


def owners_of_lines(text: str) -> list[OwnerFields]:
    """Empty lines are none, as are those that begin with `//`. InvalidFieldError, which names the line."""
    found = []
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip() and not line.lstrip().startswith("//"):
            found.append(_of_line(number, line))
    return found


def _quoted(word: str) -> str:
    return shlex.quote(word) if NEEDS_QUOTES.search(word) else word


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
    match = []
    for word in conditions:
        field, colon, pattern = word.partition(":")
        if not colon:
            raise InvalidFieldError(
                "owners", f"line {number}: {word[:100]!r} is no condition like path:*/billing/*"
            )
        match.append((field, pattern))
    is_team = owner.startswith("#")
    return OwnerFields(tuple(match), user="" if is_team else owner, team=owner[1:] if is_team else "")
