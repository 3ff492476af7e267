"""Many viewers of one page: WebSockets that take what a browser takes, and answer as it does.

    python -m bench.programs.crowd URL SECONDS < tokens.json

A viewer for each token subscribes to `procs` at 4 Hz. Prints one line of JSON when all hold their first rows, and one with
what was found during the SECONDS after it:

    bytes     of each viewer, as they came over the wire, by kind of subscription
    frames    of all viewers together
    again     how often one was sent away as silent, which happens where this program gets no processor, and came again as a
              page does
    late_ms   of each row that one viewer of each kind without a filter saw restarted: from the change to the frame that
              shows it (through a filter also rows come whole that were restarted long ago)
"""

import asyncio
import contextlib
import json
import random
import re
import sys
import time
from typing import Any

import orjson
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, ConnectionClosedError

HEAD = re.compile(r'\{"t":"procs","e":"[^"]*","a":\d+,"b":(\d+)')
KINDS: dict[str, dict[str, Any]] = {
    "everything": {},
    "one tree": {"filter": "tree:tree1"},
    "a few columns": {"cols": ["key", "state", "since", "cpu", "rss"]},
    "what uses much": {"filter": "state:running rss:>150M"},
}
"""Half of the viewers look at the whole list as the page *Processes* does, the others share three more subscriptions."""
OTHERS = tuple(KINDS)[1:]
BEAT_S = 10.0
SETTLE_S = 120.0
"""At most, before it counts."""
SILENT = 4408
AGAIN_WITHIN_S = 2.0


class Counted(ClientConnection):
    """Counts what comes over the wire."""

    taken = 0

    def data_received(self, data: bytes) -> None:
        self.taken += len(data)
        super().data_received(data)


class Viewer:
    """One of them. measures: reads every frame wholly, to see when a restarted process is shown."""

    def __init__(self, url: str, token: str, kind: str, *, measures: bool) -> None:
        self.url, self.token, self.kind, self.measures = url, token, kind, measures
        self.has_rows = asyncio.Event()
        self.connection: Counted | None = None
        self.since_bit = 0
        self.frames = self.again = self.taken_before = 0
        self.late_ms: list[float] = []

    async def run(self) -> None:
        while True:
            try:
                await self._look_on()
                return
            except ConnectionClosedError as error:
                if error.rcvd is None or error.rcvd.code != SILENT:
                    raise
                self.taken_before, self.connection = self.taken, None
                self.again += 1
                await asyncio.sleep(random.uniform(0, AGAIN_WITHIN_S))

    @property
    def taken(self) -> int:
        """Bytes over the wire since `begin`, over all connections."""
        return self.taken_before + (self.connection.taken if self.connection is not None else 0)

    async def _look_on(self) -> None:
        headers = {"Authorization": f"Bearer {self.token}"}
        async with connect(
            self.url, additional_headers=headers, create_connection=Counted, max_size=None
        ) as connection:
            assert isinstance(connection, Counted)
            self.connection = connection
            topics = {"procs": KINDS[self.kind]}
            await connection.send(json.dumps({"op": "sub", "topics": topics, "hz": 4}))
            beats = asyncio.create_task(self._beat(connection))
            try:
                async for text in connection:
                    assert isinstance(text, str)
                    await self._take(connection, text)
            finally:
                beats.cancel()

    async def _beat(self, connection: ClientConnection) -> None:
        with contextlib.suppress(ConnectionClosed):  # `run` hears of that
            while True:
                await asyncio.sleep(BEAT_S)
                await connection.send('{"op":"beat"}')

    async def _take(self, connection: ClientConnection, text: str) -> None:
        head = HEAD.match(text)
        if head is None:
            if text.startswith('{"op":"snap"'):
                self.since_bit = orjson.loads(text)["cols"].index("since")
                self.has_rows.set()
            return
        self.frames += 1
        if self.measures:
            self._look(orjson.loads(text))
        await connection.send(f'{{"op":"ack","t":"procs","b":{head[1]}}}')

    def _look(self, frame: dict[str, Any]) -> None:
        now, bit = time.time(), 1 << self.since_bit
        for _id, mask, *values in frame.get("u", ()):
            if mask & bit:
                since = values[(mask & (bit - 1)).bit_count()]
                self.late_ms.append(1000 * (now - since))

    def begin(self) -> None:
        """From now on it counts."""
        if self.connection is not None:
            self.connection.taken = 0
        self.frames = self.again = self.taken_before = 0
        self.late_ms.clear()


async def main(url: str, seconds: float, tokens: list[str]) -> None:
    kinds = ["everything" if n % 2 == 0 else OTHERS[n // 2 % len(OTHERS)] for n in range(len(tokens))]
    viewers = [
        Viewer(url, token, kind, measures=kind not in kinds[:at] and "filter" not in KINDS[kind])
        for at, (token, kind) in enumerate(zip(tokens, kinds, strict=True))
    ]
    async with asyncio.TaskGroup() as group:
        running = [group.create_task(viewer.run()) for viewer in viewers]
        for viewer in viewers:
            await viewer.has_rows.wait()
        print(json.dumps({"viewers": len(viewers)}), flush=True)
        await asyncio.sleep(min(seconds / 4, SETTLE_S))  # what each connection costs once is over by then
        for viewer in viewers:
            viewer.begin()
        print(json.dumps({"begins": True}), flush=True)
        began = time.monotonic()
        await asyncio.sleep(seconds)
        took = time.monotonic() - began
        print(json.dumps(found(viewers, took)), flush=True)
        for task in running:
            task.cancel()


def found(viewers: list[Viewer], seconds: float) -> dict[str, Any]:
    by_kind: dict[str, list[float]] = {}
    for viewer in viewers:
        by_kind.setdefault(viewer.kind, []).append(viewer.taken)
    return {
        "seconds": seconds,
        "bytes": by_kind,
        "frames": sum(viewer.frames for viewer in viewers),
        "again": sum(viewer.again for viewer in viewers),
        "late_ms": [round(one, 1) for viewer in viewers for one in viewer.late_ms],
    }


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], float(sys.argv[2]), json.load(sys.stdin)))
