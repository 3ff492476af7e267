"""A helper's end of its channel to the node: JSON messages in a socket that the node's death closes.

The helper answers `ping` and exits when the channel closes: a new node starts new helpers. What the node is too busy to take
is kept until it takes it.
"""

import os
import select
import socket
from collections import deque
from typing import Any, Self

from supervision.runtime.link import Link, Message

CHANNEL_FD = 3
BACKLOG = 10_000
"""Messages kept for a node that does not read; the oldest go first, as the node asks again for what it misses."""


class HelperChannel:
    """Messages from and to the node."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._backlog: deque[tuple[str, dict[str, Any]]] = deque(maxlen=BACKLOG)

    @classmethod
    def inherited(cls, fd: int = CHANNEL_FD) -> Self:
        """The end that the node passed as a descriptor; OSError when there is none. Processes we start do not get it."""
        os.set_inheritable(fd, False)
        return cls(Link(socket.socket(fileno=fd)))

    def fileno(self) -> int:
        return self._link.fileno()

    def send(self, op: str, **body: Any) -> bool:
        """Send, or keep for later: then False, and `flush` is to be called. Not for two threads at a time."""
        self._backlog.append((op, body))
        return self.flush()

    def receive(self) -> list[Message] | None:
        """What the node says, pings answered and left out; None once it is gone."""
        messages = self._link.receive()
        if messages is None:
            return None
        others = []
        for message in messages:
            if message.op == "ping":
                self.send("pong")
            else:
                others.append(message)
        self.flush()
        return others

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait for something to receive, the end of the channel included, or for room to send what was kept."""
        poll = select.poll()
        poll.register(self._link.fileno(), select.POLLIN | (select.POLLOUT if self._backlog else 0))
        return bool(poll.poll(None if timeout_s is None else timeout_s * 1000))

    def close(self) -> None:
        self._link.close()

    def flush(self) -> bool:
        """Send what was kept; True when nothing is left."""
        while self._backlog:
            op, body = self._backlog[0]
            if not self._link.send(op, **body):
                return False
            self._backlog.popleft()
        return True
