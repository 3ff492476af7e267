"""The gateway's two ways up: to its node, which knows whose a process is, and to the courier, which asks the store."""

import asyncio
import contextlib
import itertools
import json
from collections.abc import Callable
from typing import Any

from supervision.runtime.gateway_counters import Counted
from supervision.runtime.gateway_wire import MAX_GAUGES, Refusal
from supervision.runtime.helper_channel import HelperChannel
from supervision.runtime.link import Message

NODE_LIMIT_S = 5.0
CONNECT_EVERY_S = 0.25
GAUGES_EVERY_S = 1.0
LIVES_A_LINE = 100
MAX_COURIER_LINE = 4 * 1024 * 1024


class NodeLink:
    """Questions to the node over the helper's channel. `on_message` gets what it says unasked."""

    def __init__(
        self,
        channel: HelperChannel,
        on_message: Callable[[Message], None],
        on_closed: Callable[[], None],
    ) -> None:
        self._channel, self._on_message, self._on_closed = channel, on_message, on_closed
        self._loop = asyncio.get_running_loop()
        self._ids = itertools.count(1)
        self._asked: dict[int, asyncio.Future[Any]] = {}
        self._writing = False
        self._loop.add_reader(channel.fileno(), self._readable)

    async def ask(self, op: str, **body: Any) -> Any:
        """The node's answer. Raises Refusal(gateway_unavailable) when it does not come."""
        number = next(self._ids)
        future: asyncio.Future[Any] = self._loop.create_future()
        self._asked[number] = future
        try:
            self.send(op, id=number, **body)
            async with asyncio.timeout(NODE_LIMIT_S):
                return await future
        except TimeoutError:
            raise Refusal("gateway_unavailable", "the node does not answer") from None
        finally:
            del self._asked[number]

    def send(self, op: str, **body: Any) -> None:
        self._watch_room(flushed=self._channel.send(op, **body))

    def _watch_room(self, *, flushed: bool) -> None:
        """While the node does not read: go on as soon as it does."""
        if flushed and self._writing:
            self._writing = False
            self._loop.remove_writer(self._channel.fileno())
        elif not flushed and not self._writing:
            self._writing = True
            self._loop.add_writer(
                self._channel.fileno(), lambda: self._watch_room(flushed=self._channel.flush())
            )

    def _readable(self) -> None:
        messages = self._channel.receive()
        if messages is None:
            self._loop.remove_reader(self._channel.fileno())
            self._on_closed()
            return
        for message in messages:
            if message.op == "answer":
                future = self._asked.get(int(message.body["id"]))
                if future is not None and not future.done():
                    future.set_result(message.body["result"])
            else:
                self._on_message(message)


class SamplerLink:
    """Gauges and counters to the sampler, each second those that changed; while it is away the newest wait for it."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._values: dict[tuple[str, int], dict[str, float]] = {}
        self._changed: set[tuple[str, int]] = set()
        self._counted: dict[tuple[str, int], Counted] = {}
        self._more: dict[tuple[str, int], dict[str, float]] = {}
        """Totals that changed."""
        self._again: dict[tuple[str, int], dict[str, float]] = {}
        """Totals that were said before, to whom we do not know."""
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    def put(self, key: str, incarnation: int, values: dict[str, float]) -> None:
        """The newest values of one life."""
        known = self._values.setdefault((key, incarnation), {})
        if len(known) < MAX_GAUGES or values.keys() <= known.keys():
            known.update(values)
            self._changed.add((key, incarnation))

    def count(
        self,
        life: tuple[str, int],
        stream: str,
        totals: dict[str, float],
        *,
        again: bool,
        is_connected: Callable[[str], bool],
    ) -> None:
        """What one process of a life has counted by now; `again`: it said so before, on another connection."""
        counted = self._counted.get(life)
        if counted is None:
            counted = self._counted[life] = Counted()
        known = counted.totals
        if len(known.keys() | totals.keys()) > MAX_GAUGES:
            totals = {name: total for name, total in totals.items() if name in known}
        came = counted.put(stream, totals, is_connected)
        (self._again if again else self._more).setdefault(life, {}).update(came)

    def forget(self, key: str, incarnation: int) -> None:
        """That life is over."""
        for kept in (self._counted, self._more, self._again):
            kept.pop((key, incarnation), None)
        self._values.pop((key, incarnation), None)
        self._changed.discard((key, incarnation))

    async def run(self) -> None:
        """For ever."""
        while True:
            await asyncio.sleep(GAUGES_EVERY_S)
            if self._changed or self._more or self._again or self._is_lost():
                with contextlib.suppress(OSError):
                    await self._send()

    def _is_lost(self) -> bool:
        """There was a sampler, and it is gone."""
        return self._streams is not None and self._streams[0].at_eof()

    async def _send(self) -> None:
        if self._streams is None or self._is_lost():
            if self._streams is not None:
                self._streams[1].close()
            self._streams = await asyncio.open_unix_connection(self._path)
            self._changed.update(self._values)  # a new sampler knows none of them
            self._again = {life: dict(counted.totals) for life, counted in self._counted.items()}
        writer = self._streams[1]
        changed, self._changed = self._changed, set()
        self._write(writer, "gauges", {life: self._values[life] for life in changed})
        again, self._again = self._again, {}
        self._write(writer, "counters", again, again=True)
        more, self._more = self._more, {}
        self._write(writer, "counters", more)
        await writer.drain()

    @staticmethod
    def _write(
        writer: asyncio.StreamWriter, op: str, of: dict[tuple[str, int], dict[str, float]], **more: bool
    ) -> None:
        lives = [[key, incarnation, values] for (key, incarnation), values in of.items()]
        for start in range(0, len(lives), LIVES_A_LINE):
            message = {"op": op, op: lives[start : start + LIVES_A_LINE], **more}
            writer.write(json.dumps(message, separators=(",", ":")).encode() + b"\n")


class CourierLink:
    """Questions to the courier, which may be away at any time. `on_push` gets what it says unasked."""

    def __init__(self, path: str, on_push: Callable[[dict[str, Any]], None]) -> None:
        self._path, self._on_push = path, on_push
        self._ids = itertools.count(1)
        self._asked: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._writer: asyncio.StreamWriter | None = None
        self.on_connected: Callable[[], None] = lambda: None

    async def run(self) -> None:
        """Be connected whenever there is a courier; for ever."""
        while True:
            with contextlib.suppress(OSError, ValueError, asyncio.IncompleteReadError):
                await self._live()
            self._writer = None
            for future in self._asked.values():
                if not future.done():
                    future.set_result(_away("the courier was lost while it worked on this"))
            await asyncio.sleep(CONNECT_EVERY_S)

    async def _live(self) -> None:
        reader, writer = await asyncio.open_unix_connection(self._path, limit=MAX_COURIER_LINE)
        self._writer = writer
        self.on_connected()
        try:
            while line := await reader.readline():
                message = json.loads(line)
                if message["op"] == "answer":
                    future = self._asked.get(int(message["id"]))
                    if future is not None and not future.done():
                        future.set_result(message)
                elif message["op"] == "push":
                    self._on_push(message)
        finally:
            writer.close()

    async def ask(self, question: dict[str, Any], timeout_s: float) -> dict[str, Any]:
        """`{"result"}` or `{"error"}`, within `timeout_s`."""
        writer = self._writer
        if writer is None:
            return _away("no courier runs here, or it is starting: the control plane cannot be asked")
        number = next(self._ids)
        future: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._asked[number] = future
        try:
            message = {"op": "ask", "id": number, "timeout_s": timeout_s, **question}
            writer.write(json.dumps(message, separators=(",", ":")).encode() + b"\n")
            async with asyncio.timeout(timeout_s):
                answer = await future
        except TimeoutError:
            return _away(
                f"the store did not answer within {timeout_s:g} s; what was asked may have been done"
            )
        finally:
            del self._asked[number]
        return {name: answer[name] for name in ("result", "error") if name in answer}


def _away(message: str) -> dict[str, Any]:
    return {"error": {"code": "store_unavailable", "message": message}}
