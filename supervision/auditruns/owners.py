"""Who looks after a path: a project's rules, in order, the last match wins, as in a CODEOWNERS file. Pure."""

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache

MOST_RULES = 200
MOST_LENGTH = 200


def owner_of(path: str, rules: Iterable[Sequence[str]]) -> str:
    """The owner, or "". `*` stays within a name, `**` does not; a directory owns everything below it."""
    found = ""
    for pattern, owner in rules:
        if _pattern(pattern).fullmatch(path):
            found = owner
    return found


def fault(rules: object) -> str:
    """What is wrong with rules as they were given, or ""."""
    if not isinstance(rules, list) or len(rules) > MOST_RULES:
        return f"a list of at most {MOST_RULES} pairs of a pattern and an owner"
    for rule in rules:
        if not isinstance(rule, list) or len(rule) != 2 or not all(_is_word(word) for word in rule):
            return f"each rule is a pair of texts of at most {MOST_LENGTH} characters: a pattern and an owner"
    return ""


def _is_word(word: object) -> bool:
    return isinstance(word, str) and 0 < len(word) <= MOST_LENGTH


@lru_cache(maxsize=1024)
def _pattern(glob: str) -> re.Pattern[str]:
    words = {"**": ".*", "*": "[^/]*", "?": "[^/]"}
    parts = re.split(r"(\*\*|\*|\?)", glob.strip("/"))
    return re.compile("".join(words.get(part) or re.escape(part) for part in parts) + r"(/.*)?", re.DOTALL)
