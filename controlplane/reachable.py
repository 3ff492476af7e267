"""Where the web server can be reached, and which proxies stand before it: read from the environment once, checked at
once."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

DEFAULT_PORT = 8400
LOOPBACK = ("localhost", "127.0.0.1", "[::1]")


class ReachableError(ValueError):
    """A variable of the environment is wrong; the message names it."""


@dataclass(frozen=True, slots=True)
class Reachable:
    """`public_url` is what people type, without a slash at the end; `prefix` its path, "" at the root. `local_url` is what
    this host itself reaches; `given_url` the public one where one was given."""

    public_url: str
    prefix: str
    hosts: tuple[str, ...]
    only_tls: bool
    local_url: str
    given_url: str

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> "Reachable":
        """Raises ReachableError for a URL or path that cannot be meant."""
        given = environ.get("OVERSTORY_PUBLIC_URL", "").strip().rstrip("/")
        parts = urlsplit(given)
        if given and (
            parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment
        ):
            raise ReachableError(
                f"OVERSTORY_PUBLIC_URL: {given!r} is not like https://ops.example.com/overstory"
            )
        prefix = _prefix(environ, parts.path if given else "")
        port = environ.get("OVERSTORY_PORT", "") or str(DEFAULT_PORT)
        hosts = [*LOOPBACK, *_words(environ.get("OVERSTORY_ALLOWED_HOSTS", ""))]
        if parts.hostname:
            hosts.append(f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname)
        return cls(
            public_url=given or f"http://127.0.0.1:{port}{prefix}",
            prefix=prefix,
            hosts=tuple(dict.fromkeys(hosts)),
            only_tls=parts.scheme == "https",
            local_url=f"http://127.0.0.1:{port}{prefix}",
            given_url=given,
        )


def _prefix(environ: Mapping[str, str], from_url: str) -> str:
    given = environ.get("OVERSTORY_ROOT_PATH") or from_url
    prefix = "/" + given.strip().strip("/") if given.strip().strip("/") else ""
    if prefix and not re.fullmatch(r"(/[A-Za-z0-9._~-]+)+", prefix):
        raise ReachableError(f"OVERSTORY_ROOT_PATH: {given!r} is not a path like /overstory")
    return prefix


def _words(text: str) -> tuple[str, ...]:
    """Separated by commas or spaces."""
    return tuple(text.replace(",", " ").split())
