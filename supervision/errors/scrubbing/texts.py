"""Secrets inside a text: written as `name=value` or `'name': 'value'`, or known by their own look.

Every repetition in the patterns is bounded, or starts only where a run of such letters starts and gives nothing back: no
text costs more than its length.
"""

import ipaddress
import re
from collections.abc import Callable

from supervision.errors.scrubbing.options import NOTHING_OWN, Names

FILTERED = "[Filtered]"

_QUOTED = r'"(?:[^"\\\n]|\\.){0,4096}"|' r"'(?:[^'\\\n]|\\.){0,4096}'"
_NAME = r"(?P<quote>\\?[\"'])?(?<![A-Za-z0-9_.\[\]-])(?P<name>[A-Za-z0-9_.\[\]-]++)(?(quote)(?P=quote))"
_NAMED = re.compile(rf"{_NAME}\s{{0,4}}(?:=>|=|:)\s{{0,4}}(?![=:])")
NAME_LETTERS = 128
"""What a name ends with tells whether it is a secret's."""
_VALUE = re.compile(
    rf"[bruBRU]{{0,2}}(?P<value>{_QUOTED}|\\[\"'][^\"'\\]{{0,4096}}\\[\"']|[^\s,;&'\"{{}}\[\]()<>]{{1,4096}})"
)
_LITERAL = re.compile(rf"[bruBRU]{{0,2}}(?P<value>{_QUOTED})")
MOST_REMEMBERED, REMEMBERED_LETTERS = 8000, 160
_NOTHING = frozenset({"None", "null", "True", "False", "''", '""', FILTERED, FILTERED[:-1]})
_CARD = re.compile(r"(?<![\d.])\d(?:[ -]?\d){12,18}(?![\d.]\d)")
Looks = tuple[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]], ...]
_LOOKS: Looks = (
    (
        re.compile(
            r"-----BEGIN [A-Z ]{0,32}PRIVATE KEY-----.{0,16384}?(?:-----END [A-Z ]{0,32}PRIVATE KEY-----|\Z)",
            re.DOTALL,
        ),
        FILTERED,
    ),
    (re.compile(r"\beyJ[A-Za-z0-9_-]{5,2048}\.[A-Za-z0-9_-]{4,4096}(?:\.[A-Za-z0-9_-]{0,1024})?"), FILTERED),
    (
        re.compile(
            r"(?i)\b(bearer|basic|digest)\s{1,4}(?-i:(?=[A-Za-z0-9._~+/=-]{0,256}[0-9A-Z=]))[A-Za-z0-9._~+/=-]{6,4096}"
        ),
        rf"\1 {FILTERED}",
    ),
    (re.compile(r"(://[^\s/:@'\"]{0,256}):[^\s/@'\"]{1,512}@"), rf"\1:{FILTERED}@"),
    (re.compile(r"(://)[0-9a-f]{32}(?::[0-9a-f]{32})?(@)"), rf"\1{FILTERED}\2"),
    (re.compile(r"\b(?:sk|pk|rk|whsec)_(?:live|test)?_?[A-Za-z0-9]{6,256}"), FILTERED),
    (re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"), FILTERED),
    (re.compile(r"\b(?:gh[opsur]|glpat|xox[abeoprs])[_-][A-Za-z0-9_-]{10,256}"), FILTERED),
)


_EMAIL = re.compile(
    r"(?<![\w.+-])[\w.+-]++(?:@|%40)[A-Za-z0-9\u00a1-\uffff-]{1,63}+(?:\.[A-Za-z0-9\u00a1-\uffff-]{1,63}+){1,8}+"
)
_IPV4 = re.compile(r"(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?!\d|\.\d)")
_IPV6 = re.compile(r"(?<![\w:.])(?=[0-9A-Fa-f]{0,4}:)[0-9A-Fa-f:.]{2,46}+(?:%\w{1,16}+)?(?!\w)")


class Texts:
    """Ways to look at texts by a project's options: `text` at any, `source` at a line of a program, of which only what is
    written there itself goes, as `token = get_token()` tells nothing, `release` at the name of a version."""

    def __init__(self, names: Names) -> None:
        self.names, looks = names, _LOOKS
        if names.options.emails:
            looks += ((_EMAIL, _email),)
        if names.options.addresses:
            looks += ((_IPV6, _address), (_IPV4, _address))
        self.text = _Scrubber(_VALUE, names, looks)
        self.source = _Scrubber(_LITERAL, names, looks)
        self.release = _Scrubber(_VALUE, names, _LOOKS, cards=False)


class _Scrubber:
    """One way to look at texts, which remembers the short ones that told nothing.

    Names of files, functions and variables and lines of source are the same in each event of a program: looking at them
    once makes an event five times cheaper. Only what is stored as it is is remembered, so no secret.
    """

    def __init__(
        self, value: re.Pattern[str], names: Names, looks: Looks = _LOOKS, *, cards: bool = True
    ) -> None:
        self._value, self._names, self._looks, self._cards = value, names, looks, cards
        self.harmless: set[str] = set()

    def __call__(self, text: str) -> str:
        if text in self.harmless:
            return text
        made = self._around_safe(text) if self._names.options.never else self._scrubbed(text)
        if made == text and len(text) <= REMEMBERED_LETTERS:
            if len(self.harmless) >= MOST_REMEMBERED:
                self.harmless.clear()  # what is frequent is there again at once
            self.harmless.add(text)
        return made

    def _scrubbed(self, text: str) -> str:
        for pattern, instead in self._looks:
            if pattern.search(text) is not None:
                text = pattern.sub(instead, text)
        text = _without_named(text, self._value, self._names.is_secret)
        return _CARD.sub(_card, text) if self._cards else text

    def _around_safe(self, text: str) -> str:
        """Values behind names that are never scrubbed stay; `://name:value@` is an address with a password."""
        made: list[str] = []
        done = at = 0
        while (named := _NAMED.search(text, at)) is not None:
            at = named.end()
            is_safe = self._names.is_safe(named["name"][-NAME_LETTERS:])
            if not is_safe or text.endswith("://", 0, named.start("name")):
                continue
            found = self._value.match(text, at)
            if found is not None:
                made += (self._scrubbed(text[done : found.start()]), found[0])
                done = at = found.end()
        return "".join([*made, self._scrubbed(text[done:])])


DEFAULT = Texts(Names(NOTHING_OWN))
scrub_text, scrub_source = DEFAULT.text, DEFAULT.source
"""As for a project that wants nothing of its own."""


def is_card_number(digits: str) -> bool:
    """Whether 13 to 19 digits have the check digit of ISO/IEC 7812 (Luhn)."""
    if not 13 <= len(digits) <= 19 or not digits.isdecimal() or len(set(digits)) == 1:
        return False
    doubled = (int(digit) * (2 if index % 2 else 1) for index, digit in enumerate(reversed(digits)))
    return sum(value - 9 if value > 9 else value for value in doubled) % 10 == 0


def _without_named(text: str, value_of: re.Pattern[str], is_secret: Callable[[str], bool]) -> str:
    """Values behind a secret's name are replaced; whatever stands behind another name is looked at in its turn."""
    made: list[str] = []
    done = at = 0
    while (named := _NAMED.search(text, at)) is not None:
        at = named.end()
        found = value_of.match(text, at) if is_secret(named["name"][-NAME_LETTERS:]) else None
        if found is None or found["value"] in _NOTHING:
            continue
        value = found["value"]
        quote = value[0] if value[0] in "\"'" else value[:2] if value[0] == "\\" else ""
        made += (text[done : found.start("value")], quote, FILTERED, quote)
        done = at = found.end()
    return "".join([*made, text[done:]])


def _card(match: re.Match[str]) -> str:
    return FILTERED if is_card_number(re.sub(r"[ -]", "", match[0])) else match[0]


def _email(match: re.Match[str]) -> str:
    """`shop@1.2.3` is a release."""
    labels = re.split(r"@|%40", match[0])[-1].split(".")[1:]
    is_one = any(len(label) > 1 and label.replace("-", "").isalpha() for label in labels)
    return FILTERED if is_one else match[0]


def _address(match: re.Match[str]) -> str:
    """What only looks like an address (a time, a name with colons) stays."""
    text = match[0].rstrip(".")
    for written in dict.fromkeys((text, text.rstrip(":"))):
        try:
            ipaddress.ip_address(written)
        except ValueError:
            continue
        if any(letter.isdecimal() for letter in written):
            return FILTERED + match[0][len(written) :]
    return match[0]
