"""What varies in a message, replaced by what kind of thing it is: `order 17 of a@b.example` is `order <int> of <email>`.

The order matters: what holds smaller things comes first (a URL holds a host and numbers). Every repetition is bounded, and
the text is cut at MOST_TEXT before.
"""

import re

MOST_TEXT = 1024
MOST_LINES = 2

_KINDS: tuple[tuple[str, str], ...] = (
    ("email", r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,8}"),
    ("url", r"\b[a-z][a-z0-9+.-]{1,15}://[^\s'\"<>)\]]{1,512}"),
    ("date", r"\b\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:[.,]\d{1,9})?)?(?:Z|[+-]\d{2}:?\d{2})?)?\b"),
    ("uuid", r"\b[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}\b"),
    ("hash", r"\b(?=[0-9a-fA-F]{0,63}[0-9])(?:[0-9a-fA-F]{64}|[0-9a-fA-F]{40}|[0-9a-fA-F]{32})\b"),
    ("time", r"\b\d{1,2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?\b"),
    (
        "ip",
        r"\b\d{1,3}(?:\.\d{1,3}){3}(?::\d{1,5})?\b|(?<![0-9A-Fa-f:])(?:[0-9a-fA-F]{1,4}:){2,7}:?[0-9a-fA-F]{1,4}(?![0-9A-Fa-f:])",
    ),
    ("hex", r"\b0[xX][0-9a-fA-F]{1,64}\b"),
    (
        "duration",
        r"\b\d{1,12}(?:\.\d{1,9})? ?(?:ns|us|µs|ms|s|sec|secs|seconds?|min|minutes?|h|hours?|days?)\b",
    ),
    ("path", r"(?<![\w/.])(?:/[\w.+@-]{1,128}){2,32}/?"),
    ("float", r"(?<![\w.])[+-]?\d{1,32}\.\d{1,32}(?:[eE][+-]?\d{1,4})?(?![\w.])"),
    ("int", r"(?<![A-Za-z0-9.])[+-]?\d{1,64}(?![A-Za-z0-9])|(?<=[_-])\d{1,64}\b"),
    ("bool", r"\b(?:True|False|true|false)\b"),
    ("quoted", r"'[^'\n]{1,256}'|\"[^\"\n]{1,256}\""),
)
_ANY = re.compile("|".join(f"(?P<{name}>{pattern})" for name, pattern in _KINDS))
_SPACE = re.compile(r"\s+")


def parameterized(message: str) -> str:
    """The first two lines that hold something, with what varies replaced and every run of white space one blank."""
    lines = [line for line in message[:MOST_TEXT].splitlines() if line.strip()][:MOST_LINES]
    text = _SPACE.sub(" ", " ".join(lines)).strip()
    return _ANY.sub(lambda match: f"<{match.lastgroup}>", text)
