"""Values as the database gives them back: only of those a hash can be taken that still holds when it is looked at again.

jsonb keeps numbers as decimals (1e16 comes back as an integer), knows no NUL and no half of a surrogate pair, and has texts
for keys; the type of addresses has one spelling for each. Whoever could get another spelling into an entry could break the
chain from outside.
"""

import ipaddress
import math
import re
from typing import Any

_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
_EXACT = 2.0**53
"""Integers up to here are floats without loss."""


def plain_text(text: str, most: int | None = None) -> str:
    """U+FFFD for what PostgreSQL has no character for; at most `most` characters."""
    return _UNSTORABLE.sub("\ufffd", text)[:most]


def plain(value: Any) -> Any:
    """JSON that jsonb gives back as it is. What is no JSON becomes its text."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, str):
        return plain_text(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            return str(value)
        return int(value) if value == 0 or abs(value) >= _EXACT else value
    if isinstance(value, dict):
        return {plain_text(str(key)): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return plain_text(str(value))


def plain_address(ip: str | None) -> str | None:
    """The spelling that the database has for it; None for what is no address."""
    if not ip:
        return None
    try:
        address = ipaddress.ip_address(ip.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(address)
