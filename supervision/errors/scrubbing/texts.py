"""Secrets inside a text: written as `name=value` or `'name': 'value'`, or known by their own look.

Every repetition in the patterns is bounded, or starts only where a run of such letters starts and gives nothing back: no
text costs more than its length.
"""

import re

from supervision.errors.scrubbing.names import is_secret_name

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
_LOOKS: tuple[tuple[re.Pattern[str], str], ...] = (
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


class _Scrubber:
    """One way to look at texts, which remembers the short ones that told nothing.

    Names of files, functions and variables and lines of source are the same in each event of a program: looking at them
    once makes an event five times cheaper. Only what is stored as it is is remembered, so no secret.
    """

    def __init__(self, value: re.Pattern[str]) -> None:
        self._value = value
        self.harmless: set[str] = set()

    def __call__(self, text: str) -> str:
        if text in self.harmless:
            return text
        made = text
        for pattern, instead in _LOOKS:
            if pattern.search(made) is not None:
                made = pattern.sub(instead, made)
        made = _CARD.sub(_card, _without_named(made, self._value))
        if made == text and len(text) <= REMEMBERED_LETTERS:
            if len(self.harmless) >= MOST_REMEMBERED:
                self.harmless.clear()  # what is frequent is there again at once
            self.harmless.add(text)
        return made


scrub_text = _Scrubber(_VALUE)
"""The text without what it tells."""
scrub_source = _Scrubber(_LITERAL)
"""A line of a program: only what is written there itself, as `token = get_token()` tells nothing."""


def is_card_number(digits: str) -> bool:
    """Whether 13 to 19 digits have the check digit of ISO/IEC 7812 (Luhn)."""
    if not 13 <= len(digits) <= 19 or not digits.isdecimal() or len(set(digits)) == 1:
        return False
    doubled = (int(digit) * (2 if index % 2 else 1) for index, digit in enumerate(reversed(digits)))
    return sum(value - 9 if value > 9 else value for value in doubled) % 10 == 0


def _without_named(text: str, value_of: re.Pattern[str]) -> str:
    """Values behind a secret's name are replaced; whatever stands behind another name is looked at in its turn."""
    made: list[str] = []
    done = at = 0
    while (named := _NAMED.search(text, at)) is not None:
        at = named.end()
        found = value_of.match(text, at) if is_secret_name(named["name"][-NAME_LETTERS:]) else None
        if found is None or found["value"] in _NOTHING:
            continue
        value = found["value"]
        quote = value[0] if value[0] in "\"'" else value[:2] if value[0] == "\\" else ""
        made += (text[done : found.start("value")], quote, FILTERED, quote)
        done = at = found.end()
    return "".join([*made, text[done:]])


def _card(match: re.Match[str]) -> str:
    return FILTERED if is_card_number(re.sub(r"[ -]", "", match[0])) else match[0]
