"""Which control plane a command means, and with which token; from options or the environment."""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from controlplane.cli.exits import CliError, ExitCode

URL = "OVERSTORY_URL"
TOKEN = "OVERSTORY_TOKEN"  # noqa: S105  the variable's name


@dataclass(frozen=True, slots=True)
class Address:
    """A control plane. `prefix` is the path that its API stands below, without a slash at the end."""

    scheme: str
    host: str
    port: int
    prefix: str
    token: str = field(repr=False)
    node: str | None = None
    """Name or id of the node that is meant; None: all of them, or the only one."""

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}{self.prefix}"


def address_of(options: Mapping[str, object], environ: Mapping[str, str]) -> Address | None:
    """None: the instance on this host is meant. Raises CliError for a URL that cannot be meant, or a token that would travel
    in the open.

    `--data-dir` means this host, whatever the environment says.
    """
    given = options.get("url")
    if not given and options.get("data_dir"):
        return None
    text = str(given or environ.get(URL, "")).strip()
    if not text:
        return None
    token = str(options.get("token") or environ.get(TOKEN, "")).strip()
    parts = urlsplit(text)
    try:
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        port = 0
    if (
        parts.scheme not in ("http", "https")
        or not parts.hostname
        or not port
        or parts.query
        or parts.username
    ):
        raise _usage(f"{text!r} is no address of a control plane, such as https://ops.example.com")
    if not token:
        raise _usage(f"a token is needed: --token, or {TOKEN} in the environment")
    if not token.isascii() or not token.isprintable() or " " in token:
        raise _usage("the token holds characters that no token has")
    if parts.scheme == "http" and not _is_loopback(parts.hostname):
        raise _usage(f"a token is not sent to {parts.hostname} in the open: use https")
    node = options.get("node")
    path = parts.path.rstrip("/").removesuffix("/api/v1")
    return Address(parts.scheme, parts.hostname, port, path, token, None if node is None else str(node))


def _usage(words: str) -> CliError:
    return CliError(words, exit_code=ExitCode.USAGE)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
