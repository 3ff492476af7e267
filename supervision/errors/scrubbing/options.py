"""What a project wants of scrubbing, beside what is done for all."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from supervision.errors.scrubbing.names import MOST_NAME, is_secret_name, words_of

_PARTS = re.compile(r"[.\[\]]+")
_EMAIL_ENDS = (
    ("email",),
    ("emails",),
    ("e", "mail"),
    ("email", "address"),
    ("mail", "address"),
    ("email", "addresses"),
)
_ADDRESS_ENDS = (
    ("ip",), ("ips",), ("ip", "address"), ("ip", "addresses"), ("ip", "addr"), ("ipaddress",), ("ipaddr",), ("ipv", "4"),
    ("ipv", "6"), ("remote", "addr"), ("remote", "address"), ("client", "address"), ("peer", "address"),
    ("forwarded", "for"), ("forwarded",), ("remote", "host"),
)  # fmt: skip


def spelled(name: str) -> str:
    """One spelling for `authorKey`, `author_key` and `Author-Key`; what has no letter and no digit is itself."""
    return "_".join(words_of(name)) or name


@dataclass(frozen=True, slots=True)
class Options:
    """`never` and `always`: names whose values always stay, or always go, as `spelled`; of a name in both they go.

    `emails`, `addresses`: e-mail and IP addresses are secrets too.
    """

    emails: bool = False
    addresses: bool = False
    never: frozenset[str] = frozenset()
    always: frozenset[str] = frozenset()

    @classmethod
    def of(
        cls,
        *,
        emails: bool = False,
        addresses: bool = False,
        never: Iterable[str] = (),
        always: Iterable[str] = (),
    ) -> "Options":
        """Of names as people write them."""
        return cls(emails, addresses, frozenset(map(spelled, never)), frozenset(map(spelled, always)))


NOTHING_OWN = Options()


class Names:
    """Which names say that their values are secrets, or that they are none, by a project's options."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.is_secret = is_secret_name if options == NOTHING_OWN else lru_cache(8192)(self._is_secret)
        self.is_safe = lru_cache(8192)(self._is_safe) if options.never else _none_is

    def _is_secret(self, name: str) -> bool:
        if self._named(name, self.options.always):
            return True
        if self._named(name, self.options.never):
            return False
        words = words_of(name)
        return (
            is_secret_name(name)
            or (self.options.emails and _ends(words, _EMAIL_ENDS))
            or (self.options.addresses and _ends(words, _ADDRESS_ENDS))
        )

    def _is_safe(self, name: str) -> bool:
        return self._named(name, self.options.never) and not self._named(name, self.options.always)

    @staticmethod
    def _named(name: str, names: frozenset[str]) -> bool:
        """As a whole, or by its last part: `user[note]` and `self.note` are a `note`."""
        if not names:
            return False
        name = name[-MOST_NAME:]
        last = next((part for part in reversed(_PARTS.split(name)) if part), "")
        return spelled(name) in names or spelled(last) in names


def _none_is(name: str) -> bool:
    return False


def _ends(words: list[str], ends: tuple[tuple[str, ...], ...]) -> bool:
    return any(tuple(words[-len(end) :]) == end for end in ends)
