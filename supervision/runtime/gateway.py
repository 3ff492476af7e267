"""The gateway helper: the programs' way to their node. Answers OVERSTORY_SOCKET; the node's own loop never does.

Crash-only: what programs said durably is on disk (gateway_spool.py), what they asked they ask again, and who subscribed is
told to look for itself. The listening socket is the guardian's, so that nobody is refused while no gateway lives. One event
loop; whatever waits for the disk has a thread. docs/gateway.md has the protocol.
"""

import argparse
import asyncio
import os
import socket
import sys
import threading
import traceback
from typing import Any

from supervision.runtime import journal_segments
from supervision.runtime.checkpoint_files import CheckpointFiles
from supervision.runtime.clock import SystemClock
from supervision.runtime.gateway_checkpoints import FETCH, Checkpoints
from supervision.runtime.gateway_links import CourierLink, NodeLink, SamplerLink
from supervision.runtime.gateway_lookups import LOOKUPS, without_the_dead
from supervision.runtime.gateway_program import Program
from supervision.runtime.gateway_pushes import Pushes
from supervision.runtime.gateway_spool import BOUND_BYTES, Sender, Spool
from supervision.runtime.gateway_wire import Refusal
from supervision.runtime.guardian_state import AGENT_BACKLOG
from supervision.runtime.helper_channel import HelperChannel
from supervision.runtime.identity import read_stat
from supervision.runtime.journal import JournalFull
from supervision.runtime.link import Message
from supervision.runtime.linux import raise_nofile
from supervision.runtime.paths import SAMPLER_SOCKET, Paths

LISTEN_FD = 4
SYNC_EVERY_S = 1.0
TEND_EVERY_S = 5.0
CONFIG = "config"
"""Topic: other arguments for a running agent; with `resync` come those that hold."""
ENDED = "ended"
"""Topic: an incarnation has ended, and all that descended from it."""


class Gateway:
    """What all connections share. Made inside the running loop."""

    def __init__(
        self, paths: Paths, node_id: str, channel: HelperChannel, spool: Spool, *, uses_stores: bool
    ) -> None:
        clock = SystemClock()
        self.node_id = node_id
        self.spool = spool
        self.pushes = Pushes(os.urandom(8).hex())
        self.programs: set[Program] = set()
        self.closed = asyncio.Event()
        self.failure: BaseException | None = None
        self.node = NodeLink(channel, self._on_node, self.closed.set)
        self.courier = CourierLink(str(paths.courier_socket), self._on_push)
        self.sampler = SamplerLink(str(paths.runtime_dir / SAMPLER_SOCKET))
        self.checkpoints = Checkpoints(
            CheckpointFiles(str(paths.checkpoints_dir)),
            clock,
            say=self.say,
            fetch=self._fetch if uses_stores else None,
        )
        self.configs: dict[str, dict[str, Any]] = {}
        """What is delivered to each agent now."""
        self._said = 0
        self._forgetting: set[asyncio.Task[None]] = set()

    # -- for the connections ----------------------------------------------------------------------------------------

    def gone(self, program: Program) -> None:
        self.programs.discard(program)

    def connections_of(self, key: str) -> int:
        """How many processes of a child are connected."""
        return sum(1 for program in self.programs if program.sender is not None and program.sender.key == key)

    def failed(self, error: BaseException | None) -> None:
        """A fault of ours ends the helper: the node starts another."""
        self.failure = error
        self.closed.set()

    def say(self, key: str, incarnation: int, kind: str, body: dict[str, Any]) -> None:
        """An event of our own making, in the name of a child. Refusal where the disk is full."""
        self._said += 1
        me = Sender(key, incarnation, os.getpid(), _started(), self.pushes.life)
        try:
            self.spool.accept(me, self._said, kind, body)
        except JournalFull as error:
            raise Refusal("spool_full", str(error)) from None

    async def _fetch(self, sender: Sender, timeout_s: float) -> dict[str, Any]:
        question = {
            "kind": FETCH,
            "body": {},
            "key": sender.key,
            "incarnation": sender.incarnation,
            "pid": sender.pid,
        }
        return await self.courier.ask(question, timeout_s)

    async def ask(self, question: dict[str, Any], timeout_s: float) -> dict[str, Any]:
        """Put a question to the courier. Refusal."""
        answer = await self.courier.ask(question, timeout_s)
        if question["kind"] in LOOKUPS:
            return await without_the_dead(answer, self.node_id, self._states)
        return answer

    async def _states(self, lives: list[list[Any]]) -> list[str]:
        known: list[str] = await self.node.ask("lives", lives=lives)
        return known

    async def lives(self, lives: list[list[Any]]) -> dict[str, Any]:
        """What is known here of each [node, key, incarnation]."""
        ours = [[key, incarnation] for node, key, incarnation in lives if node == self.node_id]
        known = iter(await self._states(ours) if ours else [])
        return {
            "result": {"lives": [next(known) if life[0] == self.node_id else "unknown" for life in lives]}
        }

    async def own_child(self, child: dict[str, Any]) -> dict[str, Any]:
        """A process that an agent started itself. Refusal."""
        problem = await self.node.ask("own", child=child)
        if problem:
            raise Refusal("not_yours", problem)
        return {"result": {}}

    async def own_children(self, key: str, incarnation: int) -> dict[str, Any]:
        """What earlier lives of an agent left to this one. Refusal."""
        return {"result": {"children": await self.node.ask("own_children", key=key, incarnation=incarnation)}}

    async def configured(self, sender: Sender, revision: int | None, problem: str) -> dict[str, Any]:
        """An agent took what was delivered to it, or could not. Refusal."""
        await self.node.ask(
            "configured", key=sender.key, incarnation=sender.incarnation, revision=revision, problem=problem
        )
        return {"result": {}}

    def gauges(self, sender: Sender, values: dict[str, float]) -> None:
        """A program's own measurements, for the sampler."""
        self.sampler.put(sender.key, sender.incarnation, values)

    def counters(self, sender: Sender, totals: dict[str, float], *, again: bool) -> None:
        """What a program has counted in all, for the sampler."""
        self.sampler.count(
            (sender.key, sender.incarnation),
            sender.stream,
            totals,
            again=again,
            is_connected=self._is_connected,
        )

    def _is_connected(self, stream: str) -> bool:
        return any(
            program.sender is not None and program.sender.stream == stream for program in self.programs
        )

    def truth(self, topic: str, sender: Sender | None) -> dict[str, Any]:
        """What holds now, of a topic whose truth is here; nothing of the others, whose truth has to be asked for."""
        return self.configs.get(sender.key, {}) if topic == CONFIG and sender is not None else {}

    def push(self, topic: str, body: dict[str, Any], key: str = "") -> None:
        """Tell every program that wants to know; only those of `key` where it is given."""
        push = self.pushes.add(topic, body, key)
        for program in self.programs:
            program.push(push)

    # -- what comes from above --------------------------------------------------------------------------------------

    def _on_node(self, message: Message) -> None:
        if message.op == "ended":
            for key, incarnation in message.body["lives"]:
                self.sampler.forget(str(key), int(incarnation))
                self.push(ENDED, {"node": self.node_id, "key": key, "incarnation": incarnation})

        elif message.op == "configs":
            for key, body in message.body["configs"].items():
                self._configure(str(key), dict(body))
        elif message.op == "forget":
            for key in message.body["keys"]:
                task = asyncio.get_running_loop().create_task(self.checkpoints.forget(str(key)))
                self._forgetting.add(task)
                task.add_done_callback(self._forgetting.discard)

    def _configure(self, key: str, body: dict[str, Any]) -> None:
        if self.configs.get(key) != body:
            self.configs[key] = body
            self.push(CONFIG, body, key)

    def _on_push(self, message: dict[str, Any]) -> None:
        body = message.get("body")
        if isinstance(body, dict):
            self.push(str(message["topic"]), body, str(message.get("key", "")))

    # -- life -------------------------------------------------------------------------------------------------------

    async def serve(self, listener: socket.socket) -> None:
        """Until the channel to the node closes."""
        loop = asyncio.get_running_loop()
        asking = loop.create_task(self.courier.run())
        tending = loop.create_task(self._tend())
        measuring = loop.create_task(self.sampler.run())
        carrying = loop.create_task(self.checkpoints.carry_left_over())
        carrying.add_done_callback(lambda done: None if done.cancelled() else self._ended(done))
        for task in (asking, tending, measuring):
            task.add_done_callback(lambda done: self.failed(None if done.cancelled() else done.exception()))
        # Never closed: the socket, and its name, outlive us.
        server = await loop.create_unix_server(lambda: Program(self), sock=listener, backlog=AGENT_BACKLOG)
        await self.closed.wait()
        if self.failure is not None:
            traceback.print_exception(self.failure)
            sys.stderr.flush()
        self.spool.close()
        os._exit(
            0 if self.failure is None else 1
        )  # closing `server` in order would take the socket's name away
        del server

    def _ended(self, task: asyncio.Task[None]) -> None:
        """Of a task that ends: what it raised is a fault of ours."""
        if task.exception() is not None:
            self.failed(task.exception())

    async def _tend(self) -> None:
        while True:
            await asyncio.sleep(TEND_EVERY_S)
            self.spool.tend()


def _started() -> int:
    """Our own start time, in clock ticks since boot."""
    stat = read_stat(os.getpid())
    return stat.start_time if stat is not None else 0


def keep_synced(directory: str) -> None:
    """Bring the spool to disk each second, in a thread of its own: the disk may take its time."""
    pause = threading.Event()

    def run() -> None:
        while not pause.wait(SYNC_EVERY_S):
            try:
                journal_segments.sync(directory)
            except Exception as error:  # noqa: BLE001  said each second, until the disk is better
                sys.stderr.write(f"gateway: the spool cannot be brought to disk: {error}\n")
                sys.stderr.flush()

    threading.Thread(
        target=run, name="sync", daemon=True
    ).start()  # audit: ignore[SUP101] it ends with the process


def main(argv: list[str]) -> int:
    """`boot.py gateway --data-dir DIR --node-id ID`, channel on descriptor 3, the listening socket on 4."""
    parser = argparse.ArgumentParser(prog="gateway")
    parser.add_argument("--data-dir", required=True)
    parser.add_argument("--node-id", required=True)
    parser.add_argument("--stores", action="store_true", help="there is a control plane to ask")
    parser.add_argument("--spool-bytes", type=int, default=BOUND_BYTES)
    options = parser.parse_args(argv)
    os.umask(0o077)
    raise_nofile()
    channel = HelperChannel.inherited()
    listener = socket.socket(fileno=LISTEN_FD)
    listener.set_inheritable(False)
    paths = Paths.from_environment(options.data_dir)
    spool = Spool.open(str(paths.spool_dir), clock=SystemClock(), bound_bytes=options.spool_bytes)
    keep_synced(str(paths.spool_dir))

    async def run() -> None:
        gateway = Gateway(paths, options.node_id, channel, spool, uses_stores=options.stores)
        await gateway.serve(listener)

    asyncio.run(run())
    return 0
