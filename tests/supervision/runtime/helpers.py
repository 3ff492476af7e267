"""Starts a helper as the node does: its own session, the channel on descriptor 3, `python -I -S boot.py ROLE`."""

import os
import signal
import socket
import sys
from multiprocessing.connection import wait as wait_ready
from types import TracebackType
from typing import Any, Self

from supervision.runtime import boot
from supervision.runtime.helper_channel import CHANNEL_FD
from supervision.runtime.link import Link, Message


class Helper:
    """A real helper process and our end of its channel."""

    def __init__(self, role: str, *args: str) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.pid = os.posix_spawn(
            sys.executable,
            boot.command(role, *args),
            {"PATH": os.environ["PATH"]},
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_DUP2, theirs.fileno(), CHANNEL_FD),
            ],
            setsid=True,
        )
        theirs.close()
        self.pidfd = os.pidfd_open(self.pid)
        self.link = Link(ours)
        self.waiting: list[Message] = []

    def send(self, op: str, **body: Any) -> None:
        assert self.link.send(op, **body)

    def receive(self, op: str, *, timeout: float = 30) -> Message:
        """The next message with that op; others stay in the queue. AssertionError when the helper ends or is late."""
        while True:
            for message in self.waiting:
                if message.op == op:
                    self.waiting.remove(message)
                    return message
            ready = wait_ready([self.link.fileno()], timeout)
            assert ready, f"no {op} within {timeout} s"
            messages = self.link.receive()
            assert messages is not None, f"the helper ended instead of saying {op}"
            self.waiting += messages

    def ping(self) -> None:
        """Returns when it answers, so it runs."""
        self.send("ping")
        self.receive("pong")

    def kill(self) -> None:
        """kill -9, and wait until it is gone."""
        signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)
        self.wait()

    def wait(self, timeout: float = 30) -> int:
        """Its exit code."""
        ready = wait_ready([self.pidfd], timeout)
        assert ready, f"still running after {timeout} s"
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def leave(self, timeout: float = 30) -> int:
        """Close the channel, as the node's death does; the exit code of the helper."""
        self.link.close()
        return self.wait(timeout)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        self.link.close()
        try:
            done, _ = os.waitpid(self.pid, os.WNOHANG)
            if done == 0:
                signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)
                os.waitpid(self.pid, 0)
        except ChildProcessError:
            pass
        os.close(self.pidfd)
