"""Names and values that stand in other shapes than `name=value`: tags, forms, tuples, arguments of commands, sentences.

Each pattern begins where a rare sign or word stands, and its repetitions are bounded.
"""

import re
from collections.abc import Callable

from supervision.errors.scrubbing.looks import FILTERED

IsSecret = Callable[[str], bool]
_TEXT = r"[bruBRU]{0,2}(?P<quote>\\{0,7}+[\"'])(?P<value>(?:(?!(?P=quote)).){1,4096}?)(?P=quote)"
_XML = re.compile(
    r"<(?:[\w-]{1,64}:)?(?P<name>[\w.-]{1,128})(?:\s[^<>]{0,512})?>(?P<value>[^<]{1,8192})(?=</)"
)
_FIELD = re.compile(
    r"(?<![A-Za-z0-9_])\\{0,7}[\"']?(?:name|key|id|field|header|param|Name|Key)\\{0,7}[\"']?\s{0,2}[=:]\s{0,2}\\{0,7}[\"']"
    r"(?P<name>[^\"'\\\n]{1,128})\\{0,7}[\"'][^<>{}\n]{0,256}?"
    rf"\b[vV]alue\\{{0,7}}[\"']?\s{{0,2}}[=:]\s{{0,2}}{_TEXT}"
)
_FORM = re.compile(
    r"form-data;[^\n]{0,256}?\bname=\"?(?P<name>[^\"\r\n;]{1,128})\"?[^\n]{0,512}\n(?:[^\r\n]{1,512}\r?\n){0,8}\r?\n"
    r"(?P<value>(?:(?!\r?\n--).){1,8192})",
    re.DOTALL,
)
_ESCAPED_FORM = re.compile(
    r"form-data;[^\n]{0,256}?\bname=\\{0,7}\"?(?P<name>[^\"\\;]{1,128})\\{0,7}\"?.{0,512}?\\r\\n\\r\\n"
    r"(?P<value>(?:(?!\\r\\n--).){1,8192})"
)
_TUPLE = re.compile(
    rf"[(\[]\s{{0,4}}[bruBRU]{{0,2}}(?P<first>\\{{0,7}}+[\"'])(?P<name>[^\"'\\\n]{{1,128}})(?P=first),\s{{0,4}}{_TEXT}"
)
_ARGUMENT = re.compile(
    r"(?<![^\s\"'\[(,=])--?(?P<name>[A-Za-z][A-Za-z0-9_.-]{2,128})(?:[\"'],)?[ \t]{1,4}[\"']?"
    r"(?P<value>[^\s\"'\[\]-][^\s\"'\]]{0,4095})"
)
_LOGIN = re.compile(
    r"(?<!\S)(?:-u|--user|--proxy-user|-U)(?:[\"'],)?[ \t=]{1,4}[\"']?[^\s:\"'@/]{1,128}:(?!//|\d{1,9}(?:\s|$))"
    r"(?P<value>[^\s\"'\]]{1,1024})"
    r"|\blogin\s{1,4}\S{1,128}\s{1,8}password\s{1,4}(?P<netrc>\S{1,1024})"
    r"|\bsshpass\s{1,4}-p\s{0,4}[\"']?(?P<sshpass>[^\s\"']{1,1024})"
)
_SAID = re.compile(
    r"(?i)\b(?:pass(?:word|wd|phrase|code)|pwd|secret|api[ _-]?key|access[ _-]?key|identified\s{1,2}by|kennwort|passwort)"
    r"\s{1,2}(?:is\s|was\s|of\s)?[\"'](?P<value>[^\"'\n]{1,1024})[\"']"
)


def without_shaped(text: str, is_secret: IsSecret) -> str:
    """The text without values in these shapes."""
    if not _SIGNS.search(text):
        return text
    for need, pattern in _NAMED:
        if need in text:
            text = pattern.sub(lambda found: _named(found, is_secret), text)
    return _SAID.sub(_said, _LOGIN.sub(_said, text))


_NAMED = (
    ("</", _XML),
    ("alue", _FIELD),
    ("form-data", _FORM),
    ("form-data", _ESCAPED_FORM),
    (",", _TUPLE),
    ("-", _ARGUMENT),
)
"""Each with a sign without which the pattern is not looked for."""
_SIGNS = re.compile("[\\s\"'<]")
"""Without any of these a text has none of the shapes."""


def _named(found: re.Match[str], is_secret: IsSecret) -> str:
    return _instead(found, "value") if is_secret(found["name"]) else found[0]


def _said(found: re.Match[str]) -> str:
    return _instead(found, found.lastgroup or "value")


def _instead(found: re.Match[str], group: str) -> str:
    if found[group].startswith(FILTERED[:-1]):
        return found[0]
    start, end = found.start(group) - found.start(), found.end(group) - found.start()
    return found[0][:start] + FILTERED + found[0][end:]
