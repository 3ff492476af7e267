"""Texts of tokens and login links: made from the system's randomness, kept as a hash."""

import hashlib
import secrets

TOKEN_PREFIX = "ovs_"  # noqa: S105  # how a token is recognised in a leak, not a secret
SHOWN = 10
"""Characters of a token that may be shown; the other 37 stay secret."""


def new_token() -> str:
    """A token's text: `ovs_` and 256 random bits."""
    return TOKEN_PREFIX + secrets.token_urlsafe(32)


def new_link() -> str:
    """The secret part of a login link."""
    return secrets.token_urlsafe(32)


def digest(text: str) -> str:
    """What is stored and looked up. Looking up by hash leaks no timing about the text."""
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()
