"""Secrets inside a text: written as `name=value` or `'name': 'value'`, or known by their own look.

Every repetition in the patterns is bounded, or starts only where a run of such letters starts and gives nothing back: no
text costs more than its length.
"""

import re
from collections.abc import Callable

from supervision.errors.scrubbing.encoded import MOST_LAYERS, layer
from supervision.errors.scrubbing.looks import (
    ADDRESSES,
    EMAILS,
    FILTERED,
    LOOKS,
    Looks,
    is_card_number,
    without_cards,
    without_looks,
)
from supervision.errors.scrubbing.options import NOTHING_OWN, Names
from supervision.errors.scrubbing.shapes import without_shaped

__all__ = ["DEFAULT", "FILTERED", "Texts", "is_card_number", "scrub_source", "scrub_text"]

_QUOTED = r'"(?:[^"\\\n]|\\.){0,4096}"|' r"'(?:[^'\\\n]|\\.){0,4096}'"
_NAME = r"(?P<quote>\\{0,15}+[\"'])?(?<![A-Za-z0-9_.\[\]-])(?P<name>[A-Za-z0-9_.\[\]-]++)(?(quote)(?P=quote))"
_NAMED = re.compile(rf"{_NAME}\s{{0,4}}(?:=>|:=|=|:)\s{{0,4}}(?![=:])")
NAME_LETTERS = 128
"""What a name ends with tells whether it is a secret's."""
_LITERAL = re.compile(
    rf"[bruBRUfF]{{0,2}}(?P<value>{_QUOTED}|\\{{1,15}}+[\"'](?:[^\"'\\]|\\(?![\"'\\])){{0,4096}}\\{{1,15}}[\"'])"
)
_PIECE = re.compile(r"[^\s,;&'\"{}\[\]()<>]{1,4096}")
_MORE = re.compile(r"[,;&][^\s,;&'\"{}\[\]()<>=:]{1,256}+(?=[\s,;&'\"}\])>]|\Z)")
_REST = re.compile(r"[^\S\n][^\n=:&'\"{}\[\]()<>]{1,200}(?=\r?(?:\n|\Z))")
_HEADER = re.compile(r"[^\r\n\"'<>{}]{1,4096}")
_HEADERS = ("authorization", "cookie", "cookies")
_CLOSING = {"(": ")", "[": "]", "{": "}", "<": ">"}
_BRACKETS = re.compile(r"[()\[\]{}<>]")
MOST_BRACKETED = 4096
_BEFORE = re.compile(r"(?<![A-Za-z0-9_])[A-Za-z0-9_]{1,20}(?= $)")
_SECONDS = frozenset(
    {"key", "keys", "id", "number", "code", "codes", "string", "url", "word", "phrase", "token", "tokens"}
)
"""What the second of two words may be that stand apart: `api key: …`."""
MOST_REMEMBERED, REMEMBERED_LETTERS = 8000, 160
_NOTHING = frozenset({"None", "null", "True", "False", "true", "false", "''", '""', FILTERED})


class Texts:
    """Ways to look at texts by a project's options: `text` at any, `source` at a line of a program, of which only what is
    written there itself goes, as `token = get_token()` tells nothing, `release` at the name of a version."""

    def __init__(self, names: Names) -> None:
        self.names, looks = names, LOOKS
        if names.options.emails:
            looks += EMAILS
        if names.options.addresses:
            looks += ADDRESSES
        self.text = _Scrubber(_value, names, looks)
        self.source = _Scrubber(_literal, names, looks)
        self.release = _Scrubber(_value, names, LOOKS, cards=False)
        self.plain: set[str] = set()
        """Keys that were seen to be neither a secret's name, nor safe, nor to hold anything themselves."""

    def remember_plain(self, key: str) -> None:
        if len(key) <= REMEMBERED_LETTERS:
            _remember(self.plain, key)


def _remember(known: set[str], text: str) -> None:
    if len(known) >= MOST_REMEMBERED:
        known.clear()  # what is frequent is there again at once
    known.add(text)


class _Scrubber:
    """One way to look at texts, which remembers the short ones that told nothing.

    Names of files, functions and variables and lines of source are the same in each event of a program: looking at them
    once makes an event five times cheaper. Only what is stored as it is is remembered, so no secret.
    """

    def __init__(self, value: "ValueOf", names: Names, looks: Looks, *, cards: bool = True) -> None:
        self._value, self._names, self._looks, self._cards = value, names, looks, cards
        self.harmless: set[str] = set()
        self.apart: set[str] = set()
        """Those that tell nothing of what stands behind them in a list either."""

    def remember_apart(self, text: str) -> None:
        """One that is no option, if it is harmless: a beginning of a private key is not, and an end alone ends nothing."""
        if text in self.harmless:
            _remember(self.apart, text)

    def __call__(self, text: str) -> str:
        if text in self.harmless:
            return text
        look = self._around_safe if self._names.options.never else self._scrubbed
        made = inner = look(text)
        for _ in range(MOST_LAYERS):
            before, inner = inner, layer(inner)
            if inner == before:
                break
            before, inner = inner, look(inner)
            if inner != before:
                made = inner
        if made == text and len(text) <= REMEMBERED_LETTERS:
            _remember(self.harmless, text)
        return made

    def _scrubbed(self, text: str) -> str:
        text = without_looks(text, self._looks)
        if "=" in text or ":" in text:
            text = _without_named(text, self._value, self._names.is_secret)
        text = without_shaped(text, self._names.is_secret)
        return without_cards(text) if self._cards else text

    def _around_safe(self, text: str) -> str:
        """Values behind names that are never scrubbed stay; `://name:value@` is an address with a password."""
        made: list[str] = []
        done = at = 0
        while (named := _NAMED.search(text, at)) is not None:
            at = named.end()
            is_safe = self._names.is_safe(named["name"][-NAME_LETTERS:])
            if not is_safe or text.endswith("://", 0, named.start("name")):
                continue
            found = self._value(text, at, "")
            if found is not None:
                made += (self._scrubbed(text[done:at]), text[at : found[1]])
                done = at = found[1]
        return "".join([*made, self._scrubbed(text[done:])])


ValueOf = Callable[[str, int, str], tuple[int, int] | None]
"""Of a text, the place behind a name and the name's last word: where the value begins and ends; None: there is none."""


def _without_named(text: str, value_of: ValueOf, is_secret: Callable[[str], bool]) -> str:
    """Values behind a secret's name are replaced; whatever stands behind another name is looked at in its turn."""
    made: list[str] = []
    done = at = 0
    while (named := _NAMED.search(text, at)) is not None:
        at = named.end()
        name = _told(text, named)
        if not is_secret(name) or text.startswith(FILTERED, at):
            continue
        found = value_of(text, at, name)
        if found is None or text[found[0] : found[1]] in _NOTHING:
            continue
        start, end = found
        quote = re.match(r"\\{0,15}[\"']", text[start:end])
        made += (text[done:start], quote[0] if quote else "", FILTERED, quote[0] if quote else "")
        done = at = end
    return "".join([*made, text[done:]])


def _told(text: str, named: re.Match[str]) -> str:
    """The end of the name, without the letter of an escape before it (`\\npassword`), with a word that belongs to it."""
    start, name = named.start("name"), named["name"][-NAME_LETTERS:]
    if start and text[start - 1] == "\\" and name[0] in "nrtfbv" and len(name) > 1:
        return name[1:]
    if name.lower() in _SECONDS and (before := _BEFORE.search(text, max(0, start - 24), start)) is not None:
        return f"{before[0]}_{name}"
    return name


def _literal(text: str, at: int, name: str) -> tuple[int, int] | None:
    """Of source: what is written there itself, also within brackets."""
    found = _LITERAL.match(text, at)
    if found is not None:
        return found.span("value")
    if at < len(text) and text[at] in "([{":
        end = _closed(text, at, most=256)
        return (at, end) if re.search("[\"']", text[at:end]) else None
    return None


def _value(text: str, at: int, name: str) -> tuple[int, int] | None:
    """A quoted text, or all up to a sign that ends it; of what is written in brackets all that is in them."""
    found = _LITERAL.match(text, at)
    if found is not None:
        return found.span("value")
    is_header = ":" in text[max(0, at - 5) : at] and name.lower().endswith(_HEADERS)
    if is_header and (whole := _HEADER.match(text, at)) is not None:
        return at, at + len(whole[0].rstrip())
    end = at
    while end < len(text) and end - at < MOST_BRACKETED:
        if (piece := _PIECE.match(text, end)) is not None:
            end = piece.end()
        elif text[end] in _CLOSING:
            end = _closed(text, end)
        elif end > at and (more := _MORE.match(text, end)) is not None:
            end = more.end()
        else:
            break
    if end == at:
        return None
    begins_line = text.rfind("\n", 0, at) + 1
    if at - begins_line <= NAME_LETTERS and _LINE.fullmatch(text, begins_line, at) is not None:
        rest = _REST.match(text, end)
        end = rest.end() if rest is not None else end
    return at, end


_LINE = re.compile(rf"\s{{0,32}}(?:export\s|-\s)?{_NAME}\s{{0,4}}(?:=>|:=|=|:)\s{{0,4}}")
"""A line up to the value of a name that it begins with."""


def _closed(text: str, at: int, *, most: int = MOST_BRACKETED) -> int:
    """Behind the bracket that closes the one at `at`; where none does, behind `most` letters."""
    open_ones: list[str] = []
    for found in _BRACKETS.finditer(text, at, at + most):
        if found[0] in _CLOSING:
            open_ones.append(_CLOSING[found[0]])
        elif open_ones and found[0] == open_ones[-1]:
            open_ones.pop()
            if not open_ones:
                return found.end()
    return min(len(text), at + most)


DEFAULT = Texts(Names(NOTHING_OWN))
scrub_text, scrub_source = DEFAULT.text, DEFAULT.source
"""As for a project that wants nothing of its own."""
