"""Reports errors by the Sentry SDK while its standard input is open, each until it is accepted, and says which were.

The SDK makes and serializes the events; only its queue is left out, which drops what it cannot send and says so to nobody.
An event whose answer was lost is sent again with the same id. Lines on standard output: `sent ID`, `accepted ID`.
"""

import gzip
import http.client
import io
import os
import sys
import threading
from typing import Any
from urllib.parse import urlsplit

import sentry_sdk
from sentry_sdk.envelope import Envelope
from sentry_sdk.transport import Transport

PAUSE_S = 0.02
ANSWER_S = 15


class Insisting(Transport):
    """Posts an envelope until the answer is 200."""

    def capture_envelope(self, envelope: Envelope) -> None:
        event = envelope.get_event()
        if event is None:
            return
        print("sent", event["event_id"], flush=True)
        body = io.BytesIO()
        envelope.serialize_into(body)
        while not self._is_accepted(gzip.compress(body.getvalue())):
            if ended.wait(PAUSE_S):
                return
        print("accepted", event["event_id"], flush=True)

    def _is_accepted(self, body: bytes) -> bool:
        assert self.parsed_dsn is not None
        target = urlsplit(self.parsed_dsn.to_auth().get_api_url())
        headers = {"X-Sentry-Auth": self.parsed_dsn.to_auth("teller").to_header(), "Content-Encoding": "gzip"}
        connection = http.client.HTTPConnection(target.hostname or "", target.port, timeout=ANSWER_S)
        try:
            connection.request("POST", target.path, body, headers)
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()


def fail(kind: int) -> None:
    """Five places to fail at, so that there are five issues."""
    failing: list[Any] = [
        lambda: dict[str, int]()["a"], lambda: [][1], lambda: 1 // 0, lambda: int("x"), lambda: "".index("a")
    ]  # fmt: skip
    failing[kind]()


def wait_for_the_end() -> None:
    sys.stdin.buffer.read()
    ended.set()


ended = threading.Event()
threading.Thread(target=wait_for_the_end, daemon=True).start()
sentry_sdk.init(os.environ["SENTRY_DSN"], transport=Insisting, auto_session_tracking=False)
number = 0
while not ended.wait(PAUSE_S):
    number += 1
    try:
        fail(number % 5)
    except Exception:
        sentry_sdk.capture_exception()
