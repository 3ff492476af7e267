"""Answering probes in front of everything else.

A probe must answer within 50 ms while PostgreSQL is stopped: it may not pass through sessions, users or a thread that waits
for a connection. Only `?verbose` goes on to the application, because who sees details has to be known.
"""

from typing import Any
from urllib.parse import parse_qs

from controlplane.operations import probes
from controlplane.operations.checks import Checks
from controlplane.operations.probes import Probe
from controlplane.serving.subpath import Application, Receive, Scope, Send, normal_root

READY = ("/readyz", "/healthz")


class Probing:
    """Answers probes from `checks`, and hands everything else to `application`."""

    def __init__(self, application: Application, checks: Checks, root: str = "") -> None:
        self._application, self._checks, self._root = application, checks, normal_root(root)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        probe = self._probe(scope) if scope["type"] == "http" else None
        if probe is None:
            await self._application(scope, receive, send)
        else:
            await _answer(probe, scope["method"], send)

    def _probe(self, scope: Scope) -> Probe | None:
        if scope["method"] not in ("GET", "HEAD"):
            return None
        path = str(scope["path"]).removeprefix(self._root)
        if path == "/livez":
            return probes.live()
        if path not in READY and not path.startswith("/readyz/"):
            return None
        query = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        if "verbose" in query:
            return None
        outcomes = self._checks.outcomes(wait_s=0)
        if path in READY:
            return probes.ready(outcomes, exclude=query.get("exclude", ()))
        return probes.one(outcomes, path.removeprefix("/readyz/"))


async def _answer(probe: Probe, method: str, send: Send) -> None:
    body = probe.text.encode()
    headers: list[Any] = [
        (b"content-type", probes.TYPE.encode()),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
    ]
    await send({"type": "http.response.start", "status": probe.status, "headers": headers})
    await send({"type": "http.response.body", "body": body if method == "GET" else b""})
