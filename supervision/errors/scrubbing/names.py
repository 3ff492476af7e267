"""Whether a name says that its value is a secret: `auth_token` does, `author` and `max_tokens` do not."""

import itertools
import re
from functools import lru_cache

_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_SECRET_WORDS = frozenset(
    {
        "password", "passwd", "passphrase", "passcode", "pwd", "passwort", "secret", "secrets", "token", "apikey",
        "authorization", "auth", "credential", "credentials", "cookie", "cookies", "csrf", "xsrf", "csrftoken",
        "csrfmiddlewaretoken", "sessionid", "jwt", "bearer", "privatekey", "secretkey", "accesskey", "cvv", "cvc", "ssn",
        "iban", "pin", "otp", "signature", "dsn", "apikeys", "accesstoken", "authtoken", "refreshtoken", "dbpass",
        "userpass", "smtppass", "mailpass",
    }
)  # fmt: skip
_SECRET_PAIRS = frozenset(
    {
        ("api", "key"), ("access", "key"), ("private", "key"), ("secret", "key"), ("encryption", "key"),
        ("signing", "key"),
        ("card", "number"), ("credit", "card"), ("session", "id"), ("session", "key"), ("security", "code"),
        ("account", "number"), ("connection", "string"), ("ssh", "key"), ("database", "url"), ("redis", "url"),
        ("broker", "url"), ("pass", "phrase"), ("pass", "word"), ("pass", "code"),
        ("api", "keys"), ("access", "keys"), ("private", "keys"), ("secret", "keys"), ("encryption", "keys"),
        ("signing", "keys"), ("ssh", "keys"),
        ("access", "tokens"), ("auth", "tokens"), ("refresh", "tokens"), ("api", "tokens"), ("bearer", "tokens"),
        ("session", "tokens"),
    }
)  # fmt: skip
_SECRET_ENDS = ("password", "passwords", "passwd", "passphrase")
"""Of a word, as in PGPASSWORD: names that are written in one."""
_OTHER_PASSES = frozenset(
    {
        "first", "second", "third", "last", "next", "previous", "prev", "current", "final", "single", "multi", "one", "two",
        "by", "did", "is", "will", "can", "should", "must", "all", "full", "low", "high", "band", "forward", "backward",
        "render", "shader", "compiler", "test", "tests", "boarding", "season", "day", "ski", "bus", "mountain", "num",
    }
)  # fmt: skip
"""Before `pass`: it is a way through or a ticket."""
_HARMLESS_WORDS = frozenset(
    {
        "count", "counts", "length", "size", "limit", "max", "min", "used", "type", "expires", "expiry", "changed", "age",
        "ttl", "kind",
    }
)  # fmt: skip
"""Beside a secret word they say that the value is about it, and not it."""
MOST_NAME = 256


def words_of(name: str) -> list[str]:
    """In lower case: `apiKey`, `API_KEY` and `api-key` have the same."""
    return [word.lower() for word in _WORDS.findall(name[:MOST_NAME])]


@lru_cache(8192)
def is_secret_name(name: str) -> bool:
    words = words_of(name)
    if _HARMLESS_WORDS.intersection(words):
        return False
    return (
        bool(_SECRET_WORDS.intersection(words))
        or any(pair in _SECRET_PAIRS for pair in itertools.pairwise(words))
        or any(word.endswith(_SECRET_ENDS) for word in words)
        or _ends_with_pass(words)
    )


def _ends_with_pass(words: list[str]) -> bool:
    """`db_pass` and `pass2`, not `pass_rate` nor `first_pass`."""
    told = [word for word in words if not word.isdecimal()]
    return told[-1:] == ["pass"] and not _OTHER_PASSES.intersection(told[-2:-1])
