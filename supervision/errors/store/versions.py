"""Which of two releases is the later one, where their names say so: `1.10.0`, `v2.1-rc.1`, `shop@1.4.0+build7`. Pure."""

import re
from dataclasses import dataclass

_NAME = re.compile(
    r"(?:(?P<package>[^@]+)@)?[vV]?(?P<numbers>[0-9]{1,9}(?:\.[0-9]{1,9}){1,3})"
    r"(?:-(?P<pre>[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?(?:\+[0-9A-Za-z.-]+)?"
)


@dataclass(frozen=True, slots=True)
class Version:
    """`key` is in the order of semantic versions; what is before a release (`-rc.1`) is part of it."""

    package: str
    key: tuple[tuple[int, ...], bool, tuple[tuple[bool, int, str], ...]]


def version_of(release: str) -> Version | None:
    """None where the name is no version: a commit, a word, a single number."""
    found = _NAME.fullmatch(release)
    if found is None:
        return None
    numbers = [int(number) for number in found["numbers"].split(".")]
    pre = found["pre"]
    parts = tuple(_part(part) for part in pre.split(".")) if pre else ()
    return Version(found["package"] or "", ((*numbers, *[0] * (4 - len(numbers))), not pre, parts))


def is_no_older(release: str, than: str) -> bool | None:
    """None where the names do not say."""
    if release == than:
        return True
    one, other = version_of(release), version_of(than)
    if one is None or other is None or (one.package and other.package and one.package != other.package):
        return None
    return one.key >= other.key


def _part(text: str) -> tuple[bool, int, str]:
    """Numbers come before words, and are compared as numbers."""
    is_number = text.isdecimal()
    return not is_number, int(text[:18]) if is_number else 0, "" if is_number else text
