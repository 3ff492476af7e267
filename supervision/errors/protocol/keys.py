"""Which key a request brings: in a header, in the query, or in the envelope as a DSN."""

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

_PAIR = re.compile(r"\b(sentry_[a-z]+)\s*=\s*([^\s,]+)")
_KEY = re.compile(r"[A-Za-z0-9_-]{1,64}")


def key_of(headers: Mapping[str, str], query: Mapping[str, str], dsn: object = None) -> str | None:
    """The public key; None where none is given or it is no key. `headers` by lower-case name; `dsn` is the envelope's."""
    for name in ("x-sentry-auth", "authorization"):
        given = headers.get(name, "")
        if given.lower().startswith("sentry ") or (name == "x-sentry-auth" and given):
            found = dict(_PAIR.findall(given)).get("sentry_key")
            if found:
                return _valid(found)
    if query.get("sentry_key"):
        return _valid(query["sentry_key"])
    if isinstance(dsn, str):
        try:
            return _valid(urlsplit(dsn).username or "")
        except ValueError:
            return None
    return None


def _valid(key: str) -> str | None:
    return key if _KEY.fullmatch(key) else None
