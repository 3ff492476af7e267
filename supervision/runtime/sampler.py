"""The sampler helper: what every child uses, once a second, kept for 15 minutes and given to who asks on a local socket.

The node tells which process each child has. Crash-only: its successor begins with empty rings. One event loop; reading a
thousand processes takes some 30 ms of each second, and nobody waits for it but who asked.

The socket (`sampler.sock` in the runtime directory, 0600) takes and gives JSON lines:
    {"op": "follow"}                         a frame now and with each second
    {"op": "history", "key", "seconds"}      the samples of one child
    {"op": "minutes", "since"}               each whole minute that began at Unix second `since` or later, summed up
    {"op": "gauges", "gauges": [[key, incarnation, {name: value}]]}    from the gateway: what programs measure themselves
    {"op": "counters", "counters": [[key, incarnation, {name: total}]], "again": true}    and what they count
A frame is columnar: {"at", "key": [...], "incarnation": [...], "cpu": [...], ...}. null is "not known". Its last columns are
`pid`, `image` (another number after each exec), `disk_left` (on the file system of its data directory), `job` (it ends by
itself), `states` (sockets by state) and `gauges` (the program's own newest values by name).
"""

import argparse
import asyncio
import contextlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from supervision.runtime.clock import Clock, SystemClock
from supervision.runtime.helper_channel import HelperChannel
from supervision.runtime.linux import raise_nofile
from supervision.runtime.paths import SAMPLER_SOCKET
from supervision.runtime.sampler_disk import DiskUse
from supervision.runtime.sampler_gauges import Gauges
from supervision.runtime.sampler_processes import SampledProcesses
from supervision.runtime.sampler_ring import MINUTE_FIELDS, SECONDS, Ring, Sample

PERIOD_S = 1.0
COLUMNS = (
    "cpu", "rss", "pss", "fds", "threads", "children",
    "zombies", "uss", "sockets", "read", "written", "switches", "disk",
)  # fmt: skip
MORE = ("pid", "image", "disk_left", "job", "states", "gauges")
ROUNDED = {"cpu": 4, "read": 0, "written": 0, "switches": 1}
MAX_UNSENT = 4 * 1024 * 1024
"""A follower that leaves so much unread misses frames."""
GAUGES, COUNTERS = "gauges", "counters"
MAX_REQUEST = 1024 * 1024


class Sampler:
    """The rings, and what is answered from them."""

    def __init__(self, processes: SampledProcesses, clock: Clock) -> None:
        self.processes = processes
        self._clock = clock
        self.gauges = Gauges()
        self.disk = DiskUse(clock)
        self.rings: dict[str, Ring] = {}
        self.frame: dict[str, Any] = {"at": clock.wall(), "key": [], "incarnation": []} | {
            column: [] for column in (*COLUMNS, *MORE)
        }

    def look(self) -> None:
        """One round."""
        for child in self.processes.children.values():
            child.disk, child.disk_left = self.disk.of(child.key)
        samples = self.processes.look()
        for key, sample in samples.items():
            self._ring(key).put(sample)
        oldest = self._clock.wall() - SECONDS
        for key in [key for key, ring in self.rings.items() if ring.newest < oldest]:
            del self.rings[key]
        self.gauges.look(int(self._clock.wall()), {key: self.rings[key].incarnation for key in samples})
        self.gauges.forget(self.gauges.known() - self.rings.keys())
        self.frame = self._columns(samples)

    def _ring(self, key: str) -> Ring:
        incarnation = self.processes.children[key].incarnation
        ring = self.rings.get(key)
        if ring is None or ring.incarnation != incarnation:
            ring = self.rings[key] = Ring(incarnation)
        return ring

    def _columns(self, samples: Mapping[str, Sample]) -> dict[str, Any]:
        frame: dict[str, Any] = {
            "at": round(self._clock.wall(), 3),
            "key": list(samples),
            "incarnation": [self.rings[key].incarnation for key in samples],
        }
        for column in COLUMNS:
            frame[column] = [getattr(sample, column) for sample in samples.values()]
        for column, digits in ROUNDED.items():
            frame[column] = [None if value is None else round(value, digits) for value in frame[column]]
        children = self.processes.children
        frame["pid"] = [children[key].pid for key in samples]
        frame["image"] = [children[key].image for key in samples]
        frame["disk_left"] = [children[key].disk_left for key in samples]
        frame["job"] = [children[key].is_job for key in samples]
        frame["states"] = [self.processes.socket_states(key) for key in samples]
        frame[GAUGES] = [self.gauges.of(key, self.rings[key].incarnation) for key in samples]
        return frame

    def history(self, key: str, seconds: float) -> dict[str, Any]:
        """One child's samples of the last `seconds`, oldest first."""
        ring = self.rings.get(key)
        until = self._clock.wall() + 1
        samples = list(ring.samples(until - seconds, until)) if ring is not None else []
        return {
            "key": key,
            "incarnation": ring.incarnation if ring is not None else None,
            "samples": [asdict(sample) for sample in samples],
        }

    def minutes(self, since: int) -> dict[str, Any]:
        """Whole minutes, oldest first, columnar: {"fields": [...], "minutes": [{"at", "keys", "rows"}]}."""
        now = int(self._clock.wall())
        first = max(since, now - SECONDS)
        first += -first % 60
        found = []
        for begin in range(first, now - 59, 60):
            rows = {
                key: minute for key, ring in self.rings.items() if (minute := ring.minute(begin)) is not None
            }
            values = [
                [*(getattr(minute, name) for name in MINUTE_FIELDS), *self._told(key, begin)]
                for key, minute in rows.items()
            ]
            found.append({"at": begin, "keys": list(rows), "rows": values})
        return {"fields": [*MINUTE_FIELDS, "incarnation", "image", "states", GAUGES], "minutes": found}

    def _told(self, key: str, begin: int) -> tuple[Any, ...]:
        """What stands beside the figures: life, image and sockets by state as they are now, and the gauges."""
        child = self.processes.children.get(key)
        living = child is not None and child.incarnation == self.rings[key].incarnation
        return (
            self.rings[key].incarnation,
            child.image if child is not None and living else None,
            self.processes.socket_states(key) if living else None,
            self.gauges.minute(key, begin),
        )


class SamplerServer:
    """The loop: the node's channel, the clock's ticks, the clients."""

    def __init__(self, sampler: Sampler, channel: HelperChannel, path: Path) -> None:
        self.sampler, self._channel, self._path = sampler, channel, path
        self._followers: set[asyncio.StreamWriter] = set()
        self._closed = asyncio.Event()

    async def serve(self) -> None:
        """Until the channel closes."""
        loop = asyncio.get_running_loop()
        loop.add_reader(self._channel.fileno(), self._readable)
        with contextlib.suppress(FileNotFoundError):
            self._path.unlink()
        server = await asyncio.start_unix_server(self._client, self._path, limit=MAX_REQUEST)
        self._path.chmod(0o600)
        self.sampler.disk.start()
        ticking = asyncio.create_task(self._tick())
        ticking.add_done_callback(lambda _: self._closed.set())
        await self._closed.wait()
        loop.remove_reader(self._channel.fileno())
        server.close()
        if ticking.done():
            ticking.result()  # a bug of ours ends the helper: the node starts another
        ticking.cancel()

    def _readable(self) -> None:
        messages = self._channel.receive()
        if messages is None:
            self._closed.set()
            return
        for message in messages:
            if message.op == "children":
                whole, told = bool(message.body.get("whole")), message.body["children"]
                children = [(str(k), int(i), int(p), int(s)) for k, i, p, s, *_ in told]
                alone = {str(row[0]) for row in told if len(row) > 5 and row[5]}
                jobs = {str(row[0]) for row in told if len(row) > 6 and row[6]}
                self.sampler.processes.set_children(children, whole=whole, alone=alone, jobs=jobs)
                directories = {str(k): str(more[0]) for k, _, _, _, *more in told if more and more[0]}
                self.sampler.disk.watch(directories, whole=whole)

    async def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            self.sampler.look()
            self._push()
            due = max(
                due + PERIOD_S, loop.time()
            )  # a round that came late leaves a gap, it is not made up for
            await asyncio.sleep(due - loop.time())

    def _push(self) -> None:
        if self._followers:
            line = _line(self.sampler.frame)
            for writer in self._followers:
                if writer.transport.get_write_buffer_size() < MAX_UNSENT:
                    writer.write(line)

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                self._answer(json.loads(line), writer)
                await writer.drain()
        except (ValueError, KeyError, TypeError, ConnectionError):
            pass  # no client of ours: it is let go
        finally:
            self._followers.discard(writer)
            writer.close()

    def _answer(self, request: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        op = request["op"]
        if op == "follow":
            self._followers.add(writer)
            writer.write(_line(self.sampler.frame))
        elif op == "history":
            writer.write(
                _line(self.sampler.history(str(request["key"]), float(request.get("seconds", SECONDS))))
            )
        elif op == "minutes":
            writer.write(_line(self.sampler.minutes(int(request["since"]))))
        elif op == GAUGES:
            for key, incarnation, values in request["gauges"]:
                self.sampler.gauges.put(str(key), int(incarnation), values)
        elif op == COUNTERS:
            for key, incarnation, totals in request["counters"]:
                self.sampler.gauges.count(
                    str(key), int(incarnation), totals, again=request.get("again") is True
                )
        else:
            raise ValueError(op)


def _line(body: Mapping[str, Any]) -> bytes:
    return json.dumps(body, separators=(",", ":")).encode() + b"\n"


def main(argv: list[str]) -> int:
    """`boot.py sampler --runtime-dir DIR --mark-prefix TEXT`, channel on descriptor 3; returns when that closes."""
    parser = argparse.ArgumentParser(prog="sampler")
    parser.add_argument("--runtime-dir", required=True)
    parser.add_argument("--mark-prefix", required=True)
    options = parser.parse_args(argv)
    os.umask(0o077)
    raise_nofile()
    channel = HelperChannel.inherited()
    clock = SystemClock()
    sampler = Sampler(SampledProcesses(clock, options.mark_prefix), clock)
    path = Path(options.runtime_dir) / SAMPLER_SOCKET

    async def run() -> None:
        await SamplerServer(sampler, channel, path).serve()

    asyncio.run(run())
    return 0
