"""One request to the API and its answer; errors as the command line knows them. TLS is always verified."""

import http.client
import json
import ssl
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from controlplane.cli.remote.address import Address
from supervision.runtime.client import ControlError, DeadlineError, NodeUnreachableError

CONNECT_TIMEOUT_S = 10.0
MAX_ANSWER = 256 << 20
PATIENCE_S = 60.0
"""How long "slow down" and "try again" are obeyed before they are an error."""
CODES = {
    400: "bad_request",
    404: "not_found",
    409: "conflict",
    412: "conflict",
    422: "conflict",
    428: "conflict",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, with a status below 400."""

    status: int
    headers: Mapping[str, str]
    body: Any
    """Any: JSON as the API documents it, or None."""

    @property
    def etag(self) -> str:
        return self.headers.get("etag", "")


class Api:
    """Requests to one control plane. A connection for each: commands are few, and threads do not share one."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self._context = ssl.create_default_context() if address.scheme == "https" else None

    def get(self, path: str, *, timeout_s: float = 30.0, tag: str | None = None, **query: Any) -> Answer:
        """GET; names of `query` without a value are left out."""
        headers = {} if tag is None else {"If-None-Match": tag}
        return self.request("GET", path, query=query, headers=headers, timeout_s=timeout_s)

    def post(self, path: str, body: Any, *, timeout_s: float = 30.0, key: str | None = None) -> Answer:
        """POST with an Idempotency-Key, so that it may be sent again when its answer was lost."""
        headers = {"Idempotency-Key": key or str(uuid.uuid4())}
        return self.request("POST", path, body=body, headers=headers, timeout_s=timeout_s)

    def download(self, path: str) -> bytes:
        """What GET answers, byte for byte."""
        return self._answered("GET", path, None, None, {}, 30.0)[2]

    def pages(self, path: str, **query: Any) -> Iterator[Any]:
        """Every item of a list."""
        cursor = None
        while True:
            body = self.get(path, **query, cursor=cursor).body
            yield from body["items"]
            cursor = body["next"]
            if cursor is None:
                return

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float = 30.0,
    ) -> Answer:
        """Raises ControlError as the node would have refused, NodeUnreachableError, DeadlineError."""
        status, found, content = self._answered(method, path, query, body, headers or {}, timeout_s)
        return Answer(status, found, _json(content) if content else None)

    def _answered(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any] | None,
        body: Any,
        headers: Mapping[str, str],
        timeout_s: float,
    ) -> tuple[int, dict[str, str], bytes]:
        """An answer with a status below 400; "slow down" and "try again" are obeyed."""
        until = time.perf_counter() + PATIENCE_S
        while True:
            status, found, content = self._once(method, path, query, body, dict(headers), timeout_s)
            if status < 400:
                return status, found, content
            wait = _wait_s(found)
            retry = status in (429, 503) or (status == 409 and _slug(content) == "request-in-progress")
            if not retry or wait is None or time.perf_counter() + wait > until:
                raise self._error(status, found, content)
            time.sleep(wait)

    def _once(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any] | None,
        body: Any,
        headers: dict[str, str],
        timeout_s: float,
    ) -> tuple[int, dict[str, str], bytes]:
        address = self.address
        words = [(name, value) for name, value in (query or {}).items() if value is not None]
        pairs = [
            (n, one) for n, value in words for one in (value if isinstance(value, list | tuple) else [value])
        ]
        target = f"{address.prefix}/api/v1/{quote(path, safe='/@:+')}" + (
            f"?{urlencode(pairs)}" if pairs else ""
        )
        headers |= {"Authorization": f"Bearer {address.token}", "Accept": "application/json"}
        data = None
        if body is not None:
            data = json.dumps(body, separators=(",", ":")).encode()
            headers["Content-Type"] = "application/json"
        sent = False
        connection = self._connection()
        try:
            connection.connect()
            connection.sock.settimeout(timeout_s)
            sent = True
            connection.request(method, target, body=data, headers=headers)
            response = connection.getresponse()
            content = response.read(MAX_ANSWER)
            return response.status, {name.lower(): value for name, value in response.getheaders()}, content
        except ssl.SSLCertVerificationError as error:
            raise NodeUnreachableError(
                f"{address.url}: its certificate is not valid: {error.verify_message}"
            ) from None
        except TimeoutError:
            if sent:
                raise DeadlineError(f"{address.url} did not answer within {timeout_s:g} s") from None
            raise NodeUnreachableError(f"cannot reach {address.url}: no answer") from None
        except (OSError, http.client.HTTPException) as error:
            words_ = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise NodeUnreachableError(f"cannot reach {address.url}: {words_}", sent=sent) from None
        finally:
            connection.close()

    def _connection(self) -> http.client.HTTPConnection:
        address = self.address
        if self._context is not None:
            return http.client.HTTPSConnection(
                address.host, address.port, timeout=CONNECT_TIMEOUT_S, context=self._context
            )
        return http.client.HTTPConnection(address.host, address.port, timeout=CONNECT_TIMEOUT_S)

    def _error(self, status: int, headers: Mapping[str, str], content: bytes) -> ControlError:
        try:
            problem = json.loads(content)
        except ValueError:
            problem = {}
        if not isinstance(problem, dict) or "title" not in problem:
            return NodeUnreachableError(
                f"{self.address.url} answers {status}, but it is no control plane's API"
            )
        words = str(problem.get("detail") or problem["title"]).rstrip(".")
        if status == 401:
            return ControlError(
                "refused", f"{self.address.url} does not accept the token: it is unknown, expired or revoked"
            )
        errors = [
            {**error, "message": str(error.get("detail", "")), "pointer": str(error.get("pointer", ""))}
            for error in problem.get("errors", [])
            if isinstance(error, dict)
        ]
        pointer = errors[0]["pointer"] if errors else None
        details = {"errors": errors} if errors else {}
        if status >= 500 or status == 429:
            return ControlError("unavailable" if status != 500 else "internal", words)
        return ControlError(CODES.get(status, "refused"), words, pointer, details)


def _slug(content: bytes) -> str:
    try:
        return str(json.loads(content).get("type", "")).rpartition("/")[2]
    except (ValueError, AttributeError):
        return ""


def _wait_s(headers: Mapping[str, str]) -> float | None:
    text = headers.get("retry-after", "")
    return min(30.0, float(text)) if text.isdecimal() else None


def _json(content: bytes) -> Any:
    try:
        return json.loads(content)
    except ValueError:
        raise ControlError("internal", "the answer is not JSON") from None
