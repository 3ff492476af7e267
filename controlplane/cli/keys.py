"""Which supervisors and children the words of a command line mean.

A key is taken literally. A pattern has `*`, `?` or `[...]`: `*` stays within one part of a key (`shop/web/*` are the direct
children of `shop/web`), `**` crosses parts. Of what a pattern matches, whatever stands under a supervisor that matches too
is left out: asking the supervisor is asking for all of it.
"""

import difflib
import re
from collections.abc import Iterable
from functools import lru_cache

from controlplane.cli.exits import CliError, ExitCode
from supervision.runtime.observed import Observed


def is_pattern(word: str) -> bool:
    """True when `word` names by pattern rather than literally."""
    return any(c in word for c in "*?[")


@lru_cache(maxsize=64)
def _compiled(pattern: str) -> re.Pattern[str]:
    parts: list[str] = []
    at = 0
    while at < len(pattern):
        c = pattern[at]
        if pattern.startswith("**", at):
            parts.append(".*")
            at += 2
            continue
        if c == "*":
            parts.append("[^/]*")
        elif c == "?":
            parts.append("[^/]")
        elif c == "[" and (end := pattern.find("]", at + 2)) > 0:
            inside = pattern[at + 1 : end].replace("\\", "\\\\").replace("[", "\\[")
            parts.append("[^" + inside[1:] + "]" if inside[0] in "!^" else "[" + inside + "]")
            at = end
        else:
            parts.append(re.escape(c))
        at += 1
    try:
        return re.compile("".join(parts) + r"\Z")
    except re.error:
        raise CliError(
            f"{pattern}: not a pattern this command understands", exit_code=ExitCode.USAGE
        ) from None


def matches(pattern: str, key: str) -> bool:
    """True when `key` is what `pattern` means."""
    return _compiled(pattern).match(key) is not None if is_pattern(pattern) else pattern == key


def covers(word: str, key: str) -> bool:
    """As `matches`, and also everything below: how filters of `tree`, `logs` and `events` read their words."""
    if not is_pattern(word):
        return key == word or key.startswith(word.rstrip("/") + "/") or _instance_of(key, word)
    parts = key.split("/")
    return any(matches(word, "/".join(parts[:n])) for n in range(1, len(parts) + 1))


def _instance_of(key: str, word: str) -> bool:
    """`shop/web/api` also means its instances `shop/web/api@1`, `shop/web/api@2` ..., as the tree file calls them."""
    return key.startswith(word + "@")


def resolve(words: Iterable[str], observed: Observed) -> list[str]:
    """The keys that `words` mean, in tree order, each once.

    CliError (not found, with the nearest names) for a word that means nothing.
    """
    known = [member.key for member in observed.walk()]
    chosen: set[str] = set()
    for word in words:
        word = word.rstrip("/") or word
        if is_pattern(word):
            found = topmost(key for key in known if matches(word, key))
        elif word in known:
            found = [word]
        else:
            found = [key for key in known if _instance_of(key, word)]
        if not found:
            raise not_found(word, known)
        chosen.update(found)
    return [key for key in known if key in chosen]


def topmost(keys: Iterable[str]) -> list[str]:
    """`keys` without those that stand below another of them; parents must come before what is below them."""
    kept: list[str] = []
    seen: set[str] = set()
    for key in keys:
        parts = key.split("/")
        if not any("/".join(parts[:n]) in seen for n in range(1, len(parts))):
            kept.append(key)
            seen.add(key)
    return kept


def not_found(word: str, known: Iterable[str]) -> CliError:
    """There is no such key; names those that look like it."""
    names = list(known)
    if not names:
        return CliError(f"{word}: no tree is applied", exit_code=ExitCode.NOT_FOUND)
    if is_pattern(word):
        return CliError(f"{word}: matches nothing", exit_code=ExitCode.NOT_FOUND)
    last = word.rpartition("/")[2]
    near = [key for key in names if key.rpartition("/")[2] == last] or difflib.get_close_matches(
        word, names, 3, 0.75
    )
    hint = f"Did you mean {' or '.join(near[:3])}?" if near else "`manage.py tree` shows every key."
    return CliError(f"{word}: no such tree, supervisor or child", exit_code=ExitCode.NOT_FOUND, hint=hint)
