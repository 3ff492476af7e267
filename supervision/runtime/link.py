"""The guardian-node link: versioned JSON datagrams over a socket pair, with descriptors riding along.

SOCK_SEQPACKET keeps message borders and tells at once when the other end died. Fields that the reader does not know are
ignored, so an older node and a newer guardian understand each other (docs/adr/0005).
"""

import contextlib
import json
import os
import socket
from dataclasses import dataclass, field
from typing import Any

VERSION = 1
MAX_MESSAGE = 64 * 1024
"""A longer one (a child's whole environment) travels as a memory file, which the socket buffer does not bound."""
MAX_FDS = 250
LARGE = "large"


@dataclass(frozen=True, slots=True)
class Message:
    """One message: what it asks or tells (`op`), its fields, and the descriptors that came with it."""

    op: str
    body: dict[str, Any]
    fds: tuple[int, ...] = field(default=())


class Link:
    """One end of the link. Sending never blocks: a full or dead peer answers False."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        sock.setblocking(False)

    @classmethod
    def pair(cls) -> tuple["Link", socket.socket]:
        """Our end, and the raw end for the other process."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        return cls(ours), theirs

    def fileno(self) -> int:
        return self.sock.fileno()

    def send(self, op: str, *, fds: tuple[int, ...] = (), **body: Any) -> bool:
        """True when the message is on its way."""
        data = json.dumps({"v": VERSION, "op": op, **body}, separators=(",", ":")).encode()
        if len(data) <= MAX_MESSAGE:
            return self._send(data, fds)
        memory = os.memfd_create("overstory-message", os.MFD_CLOEXEC)
        try:
            with open(memory, "wb", closefd=False) as file:
                file.write(data)
            return self._send(json.dumps({"v": VERSION, "op": LARGE}).encode(), (*fds, memory))
        finally:
            os.close(memory)

    def _send(self, data: bytes, fds: tuple[int, ...]) -> bool:
        try:
            socket.send_fds(self.sock, [data], list(fds)) if fds else self.sock.send(data)
        except (BlockingIOError, BrokenPipeError, ConnectionResetError):
            return False
        return True

    def receive(self) -> list[Message] | None:
        """All waiting messages; None when the other end is gone. Messages that are no message of ours are dropped."""
        messages: list[Message] = []
        while True:
            try:
                data, fds, _flags, _address = socket.recv_fds(self.sock, MAX_MESSAGE, MAX_FDS)
            except BlockingIOError:
                return messages
            except ConnectionResetError:
                # It left messages of ours unread. That is told once, and before what it has said itself (unix(7)).
                continue
            if not data:
                return messages or None
            for fd in fds:  # recv_fds of Python 3.11 to 3.13 does not pass MSG_CMSG_CLOEXEC on
                os.set_inheritable(fd, False)
            message = _parse(data, tuple(fds))
            if message is None:
                for fd in fds:
                    os.close(fd)
            else:
                messages.append(message)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.sock.close()


def _parse(data: bytes, fds: tuple[int, ...]) -> Message | None:
    try:
        body = json.loads(data)
        if body["op"] == LARGE and fds:
            *fds_beside, memory = fds
            whole = _parse(os.pread(memory, os.fstat(memory).st_size, 0), tuple(fds_beside))
            if whole is not None:
                os.close(memory)
            return whole
        return Message(str(body.pop("op")), body, fds)
    except (ValueError, KeyError, AttributeError, TypeError, OSError):
        return None
