"""Sends error events as SDKs do, over connections that are kept where the server keeps them; says how it went as JSON.

    error_sender.py PORT PROJECT KEY ENVELOPE CONNECTIONS SECONDS RATE WINDOW

ENVELOPE is a captured request, sent again and again with another id, another order number and one of twenty places. With a
RATE so many are due each second, and the time of one counts from when it was due. Without (0) each connection sends as fast
as it is answered, but no more than WINDOW events are accepted and not yet visible: how many are visible is read from
standard input, a line each. Standard library only.
"""

import asyncio
import contextlib
import gzip
import json
import sys
import time
import uuid
from pathlib import Path
from typing import Any

PLACES = 20
ID, NUMBER = b"0123456789abcdef" * 2, b"987654321"
"""As long as what they are replaced with."""


def template(header: dict[str, Any], item: dict[str, Any], event: dict[str, Any], place: int) -> bytes:
    """The envelope of an event that was raised at a place, with ID and NUMBER where they stand."""
    raised = event["exception"]["values"][-1]
    raised |= {"type": f"Payment{place}Error", "value": f"order {NUMBER.decode()} cannot be paid"}
    raised["stacktrace"]["frames"][-1] |= {"function": f"pay_{place}", "context_line": f"    pay_{place}()"}
    payload = json.dumps({**event, "event_id": ID.decode()}).encode()
    lines = ({**header, "event_id": ID.decode()}, {**item, "length": len(payload)})
    return b"\n".join([*(json.dumps(line).encode() for line in lines), payload, b""])


class Sender:
    def __init__(self, argv: list[str]) -> None:
        port, project, key, envelope, connections, seconds, rate, window = argv
        self.port, self.connections, self.seconds = int(port), int(connections), float(seconds)
        self.rate, self.window = float(rate), int(window)
        header, item, body = gzip.decompress(Path(envelope).read_bytes()).split(b"\n")[:3]
        self.templates = [
            template(json.loads(header), json.loads(item), json.loads(body), place) for place in range(PLACES)
        ]
        self.head = (
            f"POST /api/{project}/envelope/ HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
            f"X-Sentry-Auth: Sentry sentry_key={key}, sentry_version=7, sentry_client=sentry.python/2.75.0\r\n"
            "Content-Type: application/x-sentry-envelope\r\nContent-Encoding: gzip\r\n"
        ).encode()
        self.accepted = self.refused = self.broken = self.visible = self.number = 0
        self.times: list[float] = []

    def body(self) -> bytes:
        self.number += 1
        whole = self.templates[self.number % PLACES]
        whole = whole.replace(ID, uuid.uuid4().hex.encode()).replace(NUMBER, b"%09d" % self.number)
        return gzip.compress(whole, 1)

    async def run(self) -> dict[str, object]:
        self.heard = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.add_reader(sys.stdin, self._heard)
        self.began = time.monotonic()
        self.ends = self.began + self.seconds
        try:
            await asyncio.gather(*(self._connection() for _ in range(self.connections)))
        finally:
            loop.remove_reader(sys.stdin)
        took = time.monotonic() - self.began
        return {
            "accepted": self.accepted, "refused": self.refused, "broken": self.broken, "seconds": took,
            "times_ms": [round(1000 * each, 2) for each in self.times],
        }  # fmt: skip

    def _heard(self) -> None:
        line = sys.stdin.readline()
        if line.strip():
            self.visible = int(line)
            self.heard.set()

    async def _connection(self) -> None:
        reader: asyncio.StreamReader | None = None
        writer: asyncio.StreamWriter | None = None
        while (due := await self._due()) is not None:
            body = self.body()
            began = due or time.monotonic()
            for _ in range(2):  # a kept connection may have been closed meanwhile
                try:
                    if writer is None or reader is None:
                        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
                    writer.write(self.head + b"Content-Length: %d\r\n\r\n" % len(body) + body)
                    status, keeps = await self._answer(reader)
                    break
                except (OSError, asyncio.IncompleteReadError, ValueError):
                    status, keeps = 0, False
                    if writer is not None:
                        writer.close()
                    reader = writer = None
            self.times.append(time.monotonic() - began)
            self.accepted += status == 200
            self.refused += status not in (0, 200)
            self.broken += status == 0
            if not keeps and writer is not None:
                writer.close()
                reader = writer = None
        if writer is not None:
            writer.close()

    async def _due(self) -> float | None:
        """When the next event was due; 0: now. None: it is over."""
        if self.rate:
            due = self.began + self.next_slot() / self.rate
            if due >= self.ends:
                return None
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            return due
        if self.accepted - self.visible > self.window:
            self.heard.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(
                    asyncio.get_running_loop().time() + self.ends - time.monotonic()
                ):
                    await self._room()
        return None if time.monotonic() >= self.ends else 0.0

    async def _room(self) -> None:
        while self.accepted - self.visible > self.window:
            await self.heard.wait()
            self.heard.clear()

    slots = 0

    def next_slot(self) -> int:
        self.slots += 1
        return self.slots

    async def _answer(self, reader: asyncio.StreamReader) -> tuple[int, bool]:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        if "content-length" in headers:
            await reader.readexactly(int(headers["content-length"]))
            return int(first.split()[1]), headers.get("connection", "").lower() != "close"
        with contextlib.suppress(OSError):
            await reader.read()
        return int(first.split()[1]), False


if __name__ == "__main__":
    print(json.dumps(asyncio.run(Sender(sys.argv[1:]).run())))
