"""Sending one webhook: one request, to an address that was looked at first, within one deadline.

The host's name is resolved once and the connection made to that very address, so that a name which answers differently the
second time (DNS rebinding) gains nothing. TLS still checks the name. Redirects are not followed: a permitted host must not
send us to one that is not.
"""

import contextlib
import http.client
import socket
import ssl
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as LateError
from dataclasses import dataclass
from urllib.parse import urlsplit

from supervision.alerts.addresses import Network, refused
from supervision.alerts.exceptions import DeliveryError, InvalidChannel

DEADLINE_S = 10.0
"""For everything: name, connection, answer."""
MOST_ANSWER_BYTES = 4096
"""Nobody reads the answer; this much of it is taken so that the connection ends in order."""

Resolve = Callable[[str, int], Sequence[str]]


@dataclass(frozen=True, slots=True)
class Target:
    """A webhook's URL, taken apart."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def shown(self) -> str:
        """What may stand in a log or on a page: a path often holds a token."""
        return f"{self.scheme}://{self.host}"


def parse_target(url: str) -> Target:
    """Raises InvalidChannel, which says what is wrong with the URL."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise InvalidChannel("target", f"not a URL: {error}") from error
    if parts.scheme not in ("http", "https"):
        raise InvalidChannel("target", "the URL has to begin with https:// or http://")
    if not parts.hostname or any(letter.isspace() or ord(letter) < 33 for letter in url):
        raise InvalidChannel("target", "the URL names no host, or holds spaces")
    if parts.username is not None or parts.password is not None:
        raise InvalidChannel(
            "target", "a user or password in the URL is not supported; messages are signed instead"
        )
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(parts.scheme, parts.hostname, port or (443 if parts.scheme == "https" else 80), path)


def resolve_host(host: str, port: int) -> list[str]:
    """Every address of a host; DeliveryError when it has none within the deadline."""
    pool = ThreadPoolExecutor(1, thread_name_prefix="resolve")
    try:
        found = pool.submit(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM).result(DEADLINE_S / 2)
    except LateError:
        raise DeliveryError(f"{host} was not resolved within {DEADLINE_S / 2:g} s") from None
    except OSError as error:
        raise DeliveryError(f"{host} cannot be resolved: {error.strerror or error}") from error
    finally:
        pool.shutdown(wait=False)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def send(
    target: Target,
    body: bytes,
    headers: Mapping[str, str],
    *,
    allowed: Sequence[Network] = (),
    resolve: Resolve = resolve_host,
    deadline_s: float = DEADLINE_S,
) -> int:
    """POST `body`; the status, which is 2xx. Raises DeliveryError for everything else."""
    addresses = list(resolve(target.host, target.port))
    if bad := refused(addresses, allowed):
        raise DeliveryError(
            f"{target.host} is at {', '.join(bad)}, which is not an address of the public internet "
            "(OVERSTORY_WEBHOOK_NETWORKS names networks that are allowed)"
        )
    if not addresses:
        raise DeliveryError(f"{target.host} has no address")
    connection = _connection(target, addresses[0], deadline_s)
    cut = threading.Timer(deadline_s, _cut, [connection])
    cut.daemon = True
    cut.start()
    try:
        connection.request("POST", target.path, body, dict(headers))
        answer = connection.getresponse()
        answer.read(MOST_ANSWER_BYTES)
        status = answer.status
    except TimeoutError as error:
        raise DeliveryError(f"{target.shown} did not answer within {deadline_s:g} s") from error
    except (OSError, http.client.HTTPException) as error:
        raise DeliveryError(f"{target.shown}: {type(error).__name__}: {error}"[:400]) from error
    finally:
        cut.cancel()
        connection.close()
    if 300 <= status < 400:
        raise DeliveryError(f"{target.shown} answered {status}: redirects are not followed")
    if not 200 <= status < 300:
        raise DeliveryError(f"{target.shown} answered {status}")
    return status


def _cut(connection: http.client.HTTPConnection) -> None:
    """End a connection whose other side keeps us with a byte now and then."""
    if connection.sock is not None:
        with contextlib.suppress(OSError):
            connection.sock.shutdown(socket.SHUT_RDWR)


def _connection(target: Target, address: str, timeout_s: float) -> http.client.HTTPConnection:
    """A connection that will be made to `address` and to nothing else."""
    if target.scheme == "http":
        plain = http.client.HTTPConnection(target.host, target.port, timeout=timeout_s)
        plain._create_connection = _to(address)  # type: ignore[attr-defined] # http.client's own seam for it
        return plain
    tls = http.client.HTTPSConnection(
        target.host, target.port, timeout=timeout_s, context=ssl.create_default_context()
    )
    tls._create_connection = _to(address)  # type: ignore[attr-defined] # as above
    return tls


def _to(address: str) -> Callable[..., socket.socket]:
    def connect(where: tuple[str, int], timeout: float, source: object = None) -> socket.socket:
        return socket.create_connection((address, where[1]), timeout)

    return connect
