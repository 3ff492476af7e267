"""The socket to the node, and the thread that reads it, comes back when it is gone, and sends what could not be sent at
once. The channel's lock is held around the calls that say so."""

import contextlib
import os
import select
import socket
import sys
import threading
import time
import traceback
from typing import Any

from . import _wire
from ._conversation import Conversation

RETRY_S = 0.05
RETRY_MAX_S = 2.0
READ_BYTES = 256 * 1024
SOON_S = 0.05
"""What can wait is sent with whatever else is said until then: a send each, and an answer to each, would cost a program that
says a hundred things a second more than it takes to find their words."""


class Connection:
    """Carries `conversation` over one connection after the other. `changed`: the channel's lock, and who waits."""

    def __init__(self, path: str, conversation: Conversation, changed: threading.Condition) -> None:
        self._path, self._talk, self._changed = path, conversation, changed
        self.started = False
        self.closing = False
        self._sock: socket.socket | None = None
        """Once the node knows us."""
        self._open: socket.socket | None = None
        self._was_greeted = False
        self._soon_at: float | None = None
        self._wake = -1
        self._thread: threading.Thread | None = None

    # -- the lock is held -------------------------------------------------------------------------------------------

    @property
    def is_greeted(self) -> bool:
        """What is put into `outgoing` now goes out; otherwise it is said once the node knows us."""
        return self._sock is not None

    def start(self) -> None:
        if self.started:
            return
        self.started = True
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._thread = threading.Thread(target=self._run, name="overstory-channel", daemon=True)
        self._thread.start()

    def send_soon(self) -> None:
        """Have the thread send what is there in a moment, unless it is sent before."""
        if self._sock is not None and self._soon_at is None:
            self._soon_at = time.monotonic() + SOON_S
            self.wake()

    def send_some(self) -> None:
        """Send what the socket takes now; the thread sends the rest."""
        if self._sock is None:
            return
        self._soon_at = None
        try:
            while True:
                if not self._talk.outgoing:
                    self._talk.refill(time.monotonic())
                if not self._talk.outgoing:
                    self._changed.notify_all()
                    return
                self._talk.outgoing.send(self._sock)
        except BlockingIOError:
            self.wake()
        except OSError:
            self.wake()  # the thread finds out, too

    def wake(self) -> None:
        """Have the thread look."""
        if self._wake >= 0:
            with contextlib.suppress(BlockingIOError):
                os.eventfd_write(self._wake, 1)

    def close(self) -> None:
        """The thread is to end; `join` waits for it."""
        self.closing = True
        self.wake()

    # -- without the lock -------------------------------------------------------------------------------------------

    def join(self, timeout_s: float) -> None:
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout_s)

    def abandon(self) -> None:
        """In a forked child: it is our parent's."""
        if self._open is not None:
            self._open.close()
        if self._wake >= 0:
            os.close(self._wake)

    # -- the thread -------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        delay = RETRY_S
        while not self.closing:
            self._was_greeted = False
            try:
                self._live()
            except (OSError, _wire.WireError):
                pass  # the node is away, or has nothing to say to us: we come again
            except Exception:  # noqa: BLE001  of a newer node, or a fault of ours: another connection is another try
                traceback.print_exc(file=sys.stderr)
            self._lost()
            delay = RETRY_S if self._was_greeted else min(delay * 2, RETRY_MAX_S)
            self._rest(delay)

    def _rest(self, seconds: float) -> None:
        """Half of it, and up to as much again by chance, so that a thousand programs do not come back at once."""
        until = time.monotonic() + seconds * (0.5 + os.urandom(1)[0] / 510)
        while not self.closing and (left := until - time.monotonic()) > 0:
            self._poll(None, left)

    def _live(self) -> None:
        """One connection, from its hello to its end. OSError, WireError."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as sock:
            self._open = sock
            sock.setblocking(False)
            sock.connect(self._path)
            sock.send(self._talk.hello())
            lines = _wire.Lines()
            while not self.closing:
                is_busy = self._sock is not None and len(self._talk.outgoing) > 0
                if self._poll(sock, self._until_due(), writing=is_busy):
                    data = sock.recv(READ_BYTES)
                    if not data:
                        return
                    lines.feed(data)
                while (message := lines.pop()) is not None:
                    self._take(message, sock)
                with self._changed:
                    if self._sock is not None:
                        self._talk.resume(time.monotonic())
                    if self._talk.outgoing or self._soon_at is None or self._until_due() == 0:
                        self.send_some()

    def _take(self, message: dict[str, Any], sock: socket.socket) -> None:
        with self._changed:
            if message["op"] == "hello":
                self._talk.greeted(message)
                self._was_greeted = True
                self._sock = sock
                somebody_waits = not self._talk.outbox
            else:
                somebody_waits = self._talk.take(message, time.monotonic())
            if somebody_waits:
                self._changed.notify_all()

    def _until_due(self) -> float | None:
        told, soon = self._talk.due(connected=self._sock is not None), self._soon_at
        due = min((at for at in (told, soon) if at is not None), default=None)
        return None if due is None else max(0.0, due - time.monotonic())

    def _poll(self, sock: socket.socket | None, timeout_s: float | None, *, writing: bool = False) -> bool:
        """Wait for the socket, a wake-up or the time; whether there is something to read."""
        poll = select.poll()
        poll.register(self._wake, select.POLLIN)
        if sock is not None:
            poll.register(sock, select.POLLIN | (select.POLLOUT if writing else 0))
        readable = False
        for fd, seen in poll.poll(None if timeout_s is None else timeout_s * 1000 + 1):
            if fd == self._wake:
                with contextlib.suppress(BlockingIOError):
                    os.eventfd_read(self._wake)
            elif seen & ~select.POLLOUT:
                readable = True
        return readable

    def _lost(self) -> None:
        """The connection is gone: what is not acknowledged or answered will be sent again."""
        with self._changed:
            self._sock = self._open = self._soon_at = None
            self._talk.lost()
