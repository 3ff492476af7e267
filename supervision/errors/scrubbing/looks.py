"""Secrets that are known by their own look, wherever they stand. Patterns cost no more than the text's length."""

import ipaddress
import re
from collections.abc import Callable

FILTERED = "[Filtered]"
Looks = tuple[tuple[tuple[str, ...], re.Pattern[str], str | Callable[[re.Match[str]], str]], ...]
"""Each with what a text in lower case has, one of them at least, where the pattern can be found: to look for that costs a
tenth."""

_PEM = r"-{4,5} ?BEGIN [A-Z0-9 ]{0,48}PRIVATE KEY(?: BLOCK)? ?-{4,5}"
PEM_BEGINS = re.compile(_PEM)
PEM_ENDS = re.compile(r"-{4,5} ?END [A-Z0-9 ]{0,48}PRIVATE KEY(?: BLOCK)? ?-{4,5}")
_EMAIL = re.compile(
    r"(?<![\w.+-])[\w.+-]++(?:@|%40)[A-Za-z0-9\u00a1-\uffff-]{1,63}+(?:\.[A-Za-z0-9\u00a1-\uffff-]{1,63}+){1,8}+"
)
_IPV4 = re.compile(r"(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?!\d|\.\d)")
_IPV6 = re.compile(r"(?<![\w:.])(?=[0-9A-Fa-f]{0,4}:)[0-9A-Fa-f:.]{2,46}+(?:%\w{1,16}+)?(?!\w)")
_DIGITS = re.compile(r"(?<![\d.])\d(?:[ \u00a0\u2009\u202f\u2011-]?\d){12,}+")
_CARDS = re.compile(
    r"(?<!\d)(?:\d{13,19}|\d{4}(?P<a>\D)\d{4}(?P=a)\d{4}(?P=a)\d{1,7}|\d{4}(?P<b>\D)\d{6}(?P=b)\d{4,5})(?!\d)"
)

_GROUPS = re.compile(r"\d+")


def is_card_number(digits: str) -> bool:
    """Whether 13 to 19 digits have the check digit of ISO/IEC 7812 (Luhn)."""
    if not 13 <= len(digits) <= 19 or not digits.isdecimal() or len(set(digits)) == 1:
        return False
    doubled = (int(digit) * (2 if index % 2 else 1) for index, digit in enumerate(reversed(digits)))
    return sum(value - 9 if value > 9 else value for value in doubled) % 10 == 0


def without_cards(text: str) -> str:
    """Numbers of cards go, written in one or in groups, also behind other numbers."""
    return _DIGITS.sub(_digits, text)


def _digits(match: re.Match[str]) -> str:
    rest = match.string[match.end() : match.end() + 2]
    is_fraction = rest[:1] == "." and rest[1:].isdecimal()
    if not is_fraction and is_card_number(re.sub(r"\D", "", match[0])):
        return FILTERED
    made: list[str] = []
    done = 0
    for group in _GROUPS.finditer(match[0]):  # a card may begin with any: `2026 4111 1111 1111 1111`
        part = _CARDS.match(match[0], group.start()) if group.start() >= done else None
        if part is not None and is_fraction and part.end() == len(match[0]):
            continue
        if part is not None and is_card_number(re.sub(r"\D", "", part[0])):
            made += (match[0][done : part.start()], FILTERED)
            done = part.end()
    return "".join([*made, match[0][done:]])


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


_CREDENTIALS = r"[A-Za-z0-9._~+/=-]"
_URL = ("://",)
LOOKS: Looks = (
    (
        ("private key",),
        re.compile(
            rf"{_PEM}(?:.{{0,16384}}?(?:{PEM_ENDS.pattern}|\Z)|[A-Za-z0-9+/=\s\\,:\"'-]*+)",
            re.DOTALL,
        ),
        FILTERED,
    ),
    (
        ("eyj",),
        re.compile(
            r"\beyJ[A-Za-z0-9_-]{5,2048}\.(?:[A-Za-z0-9_-]{4,}+|(?=\.[A-Za-z0-9_-]{4}))(?:\.[A-Za-z0-9_-]*+){0,3}"
        ),
        FILTERED,
    ),
    (
        ("bearer", "basic", "digest"),
        re.compile(
            rf"(?i)\b(bearer|basic|digest)\s{{1,4}}"
            rf"(?-i:(?={_CREDENTIALS}{{0,256}}[0-9A-Z=])|(?={_CREDENTIALS}{{24}})){_CREDENTIALS}{{6,4096}}"
        ),
        rf"\1 {FILTERED}",
    ),
    (
        ("token ", "apikey "),
        re.compile(
            rf"(?i)\b(token|apikey)\s{{1,2}}(?={_CREDENTIALS}{{20}})(?=[A-Za-z._~+/=-]{{0,256}}\d){_CREDENTIALS}{{20,4096}}"
        ),
        rf"\1 {FILTERED}",
    ),
    (
        _URL,
        re.compile(r"(://[^\s/:@'\"]{0,256}):(?!\d{1,5}(?:[/?#]|$))[^\s/'\"]{1,512}@"),
        rf"\1:{FILTERED}@",
    ),
    (_URL, re.compile(r"(://)[0-9a-f]{32}(?::[0-9a-f]{32})?(@)"), rf"\1{FILTERED}\2"),
    (_URL, re.compile(r"(://)(?=[^\s/:@'\"]{0,256}\d)[^\s/:@'\"\[\]]{20,256}@"), rf"\1{FILTERED}@"),
    (_URL, re.compile(r"(://hooks\.slack\.com/services/)[\w/]{8,256}"), rf"\1{FILTERED}"),
    (
        _URL,
        re.compile(r"(://(?:\w{1,32}\.)?discord(?:app)?\.com/api/webhooks/)[\w/-]{8,256}"),
        rf"\1{FILTERED}",
    ),
    (
        ("@tcp(", "@unix(", "@udp("),
        re.compile(r"(?<![\w.-])([\w.-]{1,128}):[^\s:@/'\"]{1,256}@(?=(?:tcp|unix|udp)\()"),
        rf"\1:{FILTERED}@",
    ),
    (
        ("sk_", "pk_", "rk_", "whsec_"),
        re.compile(r"\b(?:sk|pk|rk|whsec)_(?:live|test)?_?[A-Za-z0-9]{6,256}"),
        FILTERED,
    ),
    (
        ("sk-",),
        re.compile(r"\bsk-(?=[\w-]{0,128}\d)(?=[\w-]{0,128}[A-Z])(?:[a-z]{2,8}-)?[\w-]{16,256}"),
        FILTERED,
    ),
    (("akia", "asia"), re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"), FILTERED),
    (
        ("gh", "github", "gl", "xox", "xapp"),
        re.compile(r"\b(?:gh[opsur]|github_pat|glpat|gldt|glrt|xox[abeoprs]|xapp)[_-][A-Za-z0-9_-]{10,256}"),
        FILTERED,
    ),
    (
        ("npm_", "hf_", "shp", "dop_"),
        re.compile(r"\b(?:npm|hf|shp(?:at|ca|pa|ss)|dop_v1)_[A-Za-z0-9]{30,128}"),
        FILTERED,
    ),
    (
        ("aiza", "ya29.", "gocspx-"),
        re.compile(r"\bAIza[0-9A-Za-z_-]{35}|\bya29\.[0-9A-Za-z_-]{10,512}|\bGOCSPX-[0-9A-Za-z_-]{10,64}"),
        FILTERED,
    ),
    (
        ("sg.", "pypi-"),
        re.compile(r"\bSG\.[0-9A-Za-z_-]{16,64}\.[0-9A-Za-z_-]{16,128}|\bpypi-[0-9A-Za-z_-]{32,512}"),
        FILTERED,
    ),
    ((":aa",), re.compile(r"\b(?:bot)?\d{8,10}:AA[0-9A-Za-z_-]{30,64}"), FILTERED),
)
EMAILS: Looks = ((("@", "%40"), _EMAIL, _email),)
ADDRESSES: Looks = (((":",), _IPV6, _address), ((".",), _IPV4, _address))


def without_looks(text: str, looks: Looks) -> str:
    """The text without what looks like one of these."""
    lower = text.lower()
    for needs, pattern, instead in looks:
        for need in needs:  # half of what `any` costs, of which there are thousands in an event
            if need in lower:
                text = pattern.sub(instead, text)
                break
    return text
