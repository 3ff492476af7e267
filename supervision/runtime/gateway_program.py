"""One connection of one program: who it is, what it may say now, and what it is told.

Whose the connection is, the kernel and the node say (SO_PEERCRED, the table of children), never the program. Until the node
has answered, nothing of what the program said is looked at.
"""

import asyncio
import json
import os
import socket
import struct
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from supervision.runtime import gateway_wire as wire
from supervision.runtime.gateway_checkpoints import Policy
from supervision.runtime.gateway_pushes import MAX_TOPIC_CHARS, Push
from supervision.runtime.gateway_spool import Sender
from supervision.runtime.gateway_wire import Refusal, Said, WireFault
from supervision.runtime.identity import has_exited, read_stat
from supervision.runtime.journal import JournalFull

if TYPE_CHECKING:
    from supervision.runtime.gateway import Gateway

SO_PEERPIDFD = 77
"""Linux 6.5: a descriptor of the very process that connected."""
_CREDENTIALS = struct.Struct("=iII")
MAX_UNREAD = 8 * 1024 * 1024
"""A program that leaves so much unread is let go; it comes back and is told to look for itself."""
MAX_TOPICS = 64
MAX_CONNECTIONS = 2000
"""Of one child with all its processes: one of them must not take every descriptor."""
MAX_QUESTIONS = 256
"""Under way at once, of one connection."""
MAX_OWN_NAME = 63
MAX_PROBLEM = 500
UNKNOWN_RETRY_S = 0.05
UNKNOWN_RETRIES = 40
"""A process forked from a template may be quicker here than the word of it at the node."""


class Program(asyncio.Protocol):
    """See the module's docstring."""

    def __init__(self, gateway: "Gateway") -> None:
        self.gateway = gateway
        self.sender: Sender | None = None
        """Once the node said whose this is."""
        self.policy = Policy()
        self.topics: set[str] = set()
        self._framer = wire.Framer()
        self._transport: asyncio.Transport | None = None
        self._pidfd = -1
        self._pid = 0
        self._is_asking = False
        self._is_refusing = False
        """The disk was full for one of its events: none after it may be taken before that one."""
        self._acked = 0
        self._tasks: set[asyncio.Task[None]] = set()

    # -- connection -------------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # of a stream socket  # noqa: S101
        self._transport = transport
        sock = transport.get_extra_info("socket")
        self._pid = _CREDENTIALS.unpack(
            sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        )[0]
        self._pidfd = peer_pidfd(sock, self._pid)
        self.gateway.programs.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.gateway.gone(self)
        for task in self._tasks:
            task.cancel()
        if self._pidfd >= 0:
            os.close(self._pidfd)
            self._pidfd = -1

    def data_received(self, data: bytes) -> None:
        self._framer.feed(data)
        self._work()

    def _work(self) -> None:
        try:
            while not self._is_asking and (said := self._framer.pop()) is not None:
                self._handle(said)
        except WireFault as fault:
            self._refuse("bad_request", str(fault))
        self._acknowledge()

    def send(self, **message: Any) -> None:
        """A message to the program."""
        payload = message.pop("payload", b"")
        if payload:
            message["bytes"] = len(payload)
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        transport.write(json.dumps(message, separators=(",", ":")).encode() + b"\n" + payload)
        if transport.get_write_buffer_size() > MAX_UNREAD:
            transport.abort()

    def _refuse(self, code: str, message: str) -> None:
        """The last word of a connection that leads nowhere."""
        self.send(op="refused", code=code, message=message)
        if self._transport is not None:
            self._transport.close()

    # -- hello ------------------------------------------------------------------------------------------------------

    def _handle(self, said: Said) -> None:
        if self.sender is None:
            if said.op != "hello":
                raise WireFault("hello comes first")
            self._greet(said)
            return
        work = _OPERATIONS.get(said.op)
        if work is None:
            self._answer_error(said, Refusal("unknown_op", f"no operation {said.op[:60]!r}"))
            return
        try:
            work(self, said)
        except Refusal as refusal:
            self._answer_error(said, refusal)

    def _greet(self, said: Said) -> None:
        stream = said.fields.get("stream")
        if not isinstance(stream, str) or wire.STREAM.fullmatch(stream) is None:
            raise WireFault("stream is needed: 8 to 64 hexadecimal digits")
        self._is_asking = True
        if self._transport is not None:
            self._transport.pause_reading()
        self._begin(self._learn(stream))

    async def _learn(self, stream: str) -> None:
        """Ask the node whose the peer is, and go on."""
        try:
            sender = await self._who(stream)
        except Refusal as refusal:
            self._refuse(refusal.code, refusal.message)
            return
        gateway = self.gateway
        if gateway.connections_of(sender.key) >= MAX_CONNECTIONS:
            self._refuse("too_many", f"{sender.key} has {MAX_CONNECTIONS} connections already")
            return
        self.sender = sender
        self._acked = gateway.spool.last(stream)
        self.send(
            op="hello",
            v=wire.VERSION,
            key=sender.key,
            incarnation=sender.incarnation,
            node=gateway.node_id,
            last=self._acked,
            life=gateway.pushes.life,
        )
        self._is_asking = False
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()
        self._work()

    async def _who(self, stream: str) -> Sender:
        """Raises Refusal where it is no child's, or has ended meanwhile."""
        for _ in range(UNKNOWN_RETRIES):
            stat = read_stat(self._pid) if self._pid else None
            if stat is None or self._pidfd < 0 or has_exited(self._pidfd):
                raise Refusal("not_a_child", "the process that connected has ended, or cannot be seen here")
            found = await self.gateway.node.ask("who", pid=self._pid)
            if found is not None:
                self.policy = Policy.of(found["checkpoint"])
                self._framer.most = self.policy.max_bytes
                key, incarnation, epoch = str(found["key"]), int(found["incarnation"]), int(found["epoch"])
                return Sender(key, incarnation, self._pid, stat.start_time, stream, epoch)
            await asyncio.sleep(UNKNOWN_RETRY_S)
        raise Refusal("not_a_child", f"process {self._pid} belongs to no child of this node")

    # -- operations -------------------------------------------------------------------------------------------------

    def _event(self, said: Said) -> None:
        assert self.sender is not None  # noqa: S101
        number = wire.number(said.fields, "n", least=1)
        if self._is_refusing:
            return  # it was told, and sends this one again after `resume`
        kind, body = wire.kind(said.fields), wire.body(said.fields)
        try:
            self.gateway.spool.accept(self.sender, number, kind, body)
        except JournalFull as error:
            self._is_refusing = True
            self.send(op="event_refused", n=number, code="spool_full", message=str(error))

    def _acknowledge(self) -> None:
        """Once for all that came together."""
        if self.sender is None:
            return
        last = self.gateway.spool.last(self.sender.stream)
        if last > self._acked:
            self._acked = last
            self.send(op="acked", n=last)

    def _resume(self, said: Said) -> None:
        self._is_refusing = False

    def _ask(self, said: Said) -> None:
        assert self.sender is not None  # noqa: S101
        question = {
            "kind": wire.kind(said.fields),
            "body": wire.body(said.fields),
            "key": self.sender.key,
            "incarnation": self.sender.incarnation,
            "pid": self.sender.pid,
        }
        timeout_s = wire.seconds(said.fields, "timeout_s", default=wire.MAX_ASK_S, most=wire.MAX_ASK_S)
        self._answer_later(said, lambda: self.gateway.ask(question, timeout_s))

    def _lives(self, said: Said) -> None:
        lives = said.fields.get("lives")
        if not isinstance(lives, list) or len(lives) > 1000 or not all(_is_life(life) for life in lives):
            raise Refusal("bad_request", "lives is a list of at most 1,000 [node, key, incarnation]")
        self._answer_later(said, lambda: self.gateway.lives(lives))

    def _save(self, said: Said) -> None:
        assert self.sender is not None  # noqa: S101
        if said.is_too_large:
            raise Refusal("too_large", f"this agent may keep {self.policy.max_bytes} bytes of state at most")
        sender, fields, data = self.sender, said.fields, said.payload
        self._answer_later(said, lambda: self.gateway.checkpoints.save(sender, self.policy, fields, data))

    def _load(self, said: Said) -> None:
        assert self.sender is not None  # noqa: S101
        sender = self.sender
        self._answer_later(said, lambda: self.gateway.checkpoints.load(sender))

    def _child(self, said: Said) -> None:
        """It started a process of its own, or took one over from the life before."""
        assert self.sender is not None  # noqa: S101
        child = {
            "key": self.sender.key,
            "incarnation": self.sender.incarnation,
            "name": wire.text(said.fields, "name", most=MAX_OWN_NAME),
            "policy": wire.text(said.fields, "policy", most=MAX_OWN_NAME),
            "pid": wire.number(said.fields, "pid", least=2),
            "start_time": wire.number(said.fields, "start_time"),
        }
        self._answer_later(said, lambda: self.gateway.own_child(child))

    def _children(self, said: Said) -> None:
        assert self.sender is not None  # noqa: S101
        key, incarnation = self.sender.key, self.sender.incarnation
        self._answer_later(said, lambda: self.gateway.own_children(key, incarnation))

    def _configured(self, said: Said) -> None:
        """It took what was delivered, or could not."""
        assert self.sender is not None  # noqa: S101
        revision, problem = said.fields.get("revision"), said.fields.get("problem")
        if not (revision is None or type(revision) is int) or not isinstance(problem, str):
            raise Refusal("bad_request", "revision is a number or null, problem a text")
        sender = self.sender
        self._answer_later(said, lambda: self.gateway.configured(sender, revision, problem[:MAX_PROBLEM]))

    def _gauges(self, said: Said) -> None:
        assert self.sender is not None  # noqa: S101
        self.gateway.gauges(self.sender, wire.gauges(said.fields))

    def _counters(self, said: Said) -> None:
        assert self.sender is not None  # noqa: S101
        self.gateway.counters(self.sender, wire.counters(said.fields), again=said.fields.get("again") is True)

    def _subscribe(self, said: Said) -> None:
        topic = wire.text(said.fields, "topic", most=MAX_TOPIC_CHARS)
        if topic not in self.topics and len(self.topics) >= MAX_TOPICS:
            raise Refusal("bad_request", f"at most {MAX_TOPICS} topics")
        since = said.fields.get("since")
        since = since if isinstance(since, dict) else {}
        at = since.get("at")
        pushes = self.gateway.pushes
        missed = pushes.since(topic, str(since.get("life", "")), at if type(at) is int else 0)
        self.topics.add(topic)
        if missed is None:
            body = self.gateway.truth(topic, self.sender)
            self.send(op="push", topic=topic, life=pushes.life, at=pushes.at, body=body, resync=True)
        for push in missed or ():
            self.push(push)

    def push(self, push: Push) -> None:
        """Tell it, if it wants to know and may."""
        if push.topic in self.topics and self.sender is not None and push.key in ("", self.sender.key):
            self.send(op="push", topic=push.topic, life=self.gateway.pushes.life, at=push.at, body=push.body)

    # -- answers ----------------------------------------------------------------------------------------------------

    def _answer_later(self, said: Said, work: Callable[[], Coroutine[Any, Any, dict[str, Any]]]) -> None:
        number = said.fields.get("id")
        if type(number) is not int:
            raise Refusal("bad_request", "id is needed, as a number")
        if len(self._tasks) >= MAX_QUESTIONS:
            raise Refusal("gateway_unavailable", f"{MAX_QUESTIONS} questions are under way; ask again")

        async def answer() -> None:
            try:
                self.send(op="answer", id=number, **await work())
            except Refusal as refusal:
                self.send(op="answer", id=number, error=refusal.to_json())

        self._begin(answer())

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self.gateway.failed(task.exception())

    def _answer_error(self, said: Said, refusal: Refusal) -> None:
        number = said.fields.get("id")
        if type(number) is int:
            self.send(op="answer", id=number, error=refusal.to_json())
        else:
            raise WireFault(f"{said.op[:60]}: {refusal.message}")


def _is_life(life: object) -> bool:
    return (
        isinstance(life, list)
        and len(life) == 3
        and isinstance(life[0], str)
        and isinstance(life[1], str)
        and type(life[2]) is int
    )


def peer_pidfd(sock: socket.socket, pid: int) -> int:
    """A descriptor of the process at the other end; -1 when it is gone. Before Linux 6.5 by its number, at once."""
    try:
        fd = sock.getsockopt(socket.SOL_SOCKET, SO_PEERPIDFD)
    except OSError:
        try:
            return os.pidfd_open(pid) if pid > 0 else -1
        except OSError:
            return -1
    os.set_inheritable(fd, False)
    return fd


_OPERATIONS: dict[str, Callable[[Program, Said], None]] = {
    "event": Program._event,
    "resume": Program._resume,
    "ask": Program._ask,
    "lives": Program._lives,
    "checkpoint.save": Program._save,
    "checkpoint.load": Program._load,
    "child": Program._child,
    "children": Program._children,
    "configured": Program._configured,
    "gauges": Program._gauges,
    "counters": Program._counters,
    "subscribe": Program._subscribe,
}
