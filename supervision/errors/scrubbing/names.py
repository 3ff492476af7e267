"""Whether a name says that its value is a secret: `auth_token` does, `author` and `max_tokens` do not."""

import re
from functools import lru_cache

_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_SECRET_WORDS = frozenset(
    {
        "password", "passwd", "passphrase", "passcode", "pwd", "passwort", "secret", "secrets", "token", "apikey",
        "authorization", "auth", "credential", "credentials", "cookie", "cookies", "csrf", "xsrf", "csrftoken",
        "csrfmiddlewaretoken", "sessionid", "jwt", "bearer", "privatekey", "secretkey", "accesskey", "cvv", "cvc", "ssn",
        "iban", "pin", "otp", "signature", "dsn", "apikeys", "accesstoken", "authtoken", "refreshtoken", "dbpass",
        "userpass", "smtppass", "mailpass", "pw", "psw", "pwds", "cred", "creds", "sig", "hmac", "passkey", "totp",
        "mnemonic", "kennwort", "senha", "contrasena", "wachtwoord", "motdepasse",
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
        ("account", "key"), ("storage", "key"), ("shared", "key"), ("shared", "access"), ("subscription", "key"),
        ("functions", "key"), ("function", "key"), ("app", "key"), ("application", "key"), ("master", "key"),
        ("root", "key"), ("service", "key"), ("deploy", "key"), ("license", "key"), ("licence", "key"), ("hmac", "key"),
        ("aes", "key"),
        ("rsa", "key"), ("pgp", "key"), ("gpg", "key"), ("fernet", "key"), ("crypt", "key"), ("decryption", "key"),
        ("cipher", "key"), ("vault", "key"), ("consumer", "key"), ("server", "key"), ("client", "key"),
        ("client", "assertion"), ("saml", "response"), ("saml", "assertion"), ("verification", "code"), ("reset", "code"),
        ("access", "code"), ("recovery", "code"), ("recovery", "codes"), ("backup", "code"), ("backup", "codes"),
        ("recovery", "phrase"), ("seed", "phrase"), ("security", "answer"), ("secret", "answer"), ("connect", "sid"),
        ("mongo", "uri"), ("mongodb", "uri"), ("database", "uri"), ("db", "url"), ("db", "uri"), ("webhook", "url"),
    }
)  # fmt: skip
_SECRET_ENDS = (
    "password", "passwords", "passwd", "passphrase", "passwort", "token", "secret", "apikey", "secretkey", "privatekey",
    "accesskey", "sessionid", "sessid", "authkey",
)  # fmt: skip
"""Of a word, as in PGPASSWORD: names that are written in one."""
_OTHER_PASSES = frozenset(
    {
        "first", "second", "third", "last", "next", "previous", "prev", "current", "final", "single", "multi", "one", "two",
        "by", "did", "is", "will", "can", "should", "must", "all", "full", "low", "high", "band", "forward", "backward",
        "render", "shader", "compiler", "test", "tests", "boarding", "season", "day", "ski", "bus", "mountain", "num",
    }
)  # fmt: skip
"""Before `pass`: it is a way through or a ticket."""
_HARMLESS_BEHIND = frozenset(
    {
        "count", "counts", "length", "size", "limit", "max", "min", "used", "type", "expires", "expiry", "changed", "age",
        "ttl", "kind",
    }
)  # fmt: skip
"""Behind a secret word they say that the value is about it, and not it: `token_type`, not `last_used_token`."""
_HARMLESS_BEFORE = frozenset({"count", "length", "size", "limit", "max", "min"})
MOST_NAME = 256


def words_of(name: str) -> list[str]:
    """In lower case: `apiKey`, `API_KEY` and `api-key` have the same."""
    return [word.lower() for word in _WORDS.findall(name[:MOST_NAME])]


@lru_cache(8192)
def is_secret_name(name: str) -> bool:
    words = words_of(name)
    place = max((place for place, word in enumerate(words) if _is_secret(words, place, word)), default=None)
    return place is not None and not (
        _HARMLESS_BEHIND.intersection(words[place + 1 :]) or _HARMLESS_BEFORE.intersection(words[:place])
    )


def _is_secret(words: list[str], place: int, word: str) -> bool:
    """By itself, with the one before it, or by how it ends."""
    return (
        word in _SECRET_WORDS
        or (place > 0 and (words[place - 1], word) in _SECRET_PAIRS)
        or word.endswith(_SECRET_ENDS)
        or (word == "pass" and _ends_with_pass(words, place))
    )


def _ends_with_pass(words: list[str], place: int) -> bool:
    """`db_pass` and `pass2`, not `pass_rate` nor `first_pass`."""
    told = [word for word in words if not word.isdecimal()]
    return told[-1:] == ["pass"] and place >= len(told) - 1 and not _OTHER_PASSES.intersection(told[-2:-1])
