"""A crash-only helper of the node: started, pinged, and replaced when it dies or no longer answers.

A helper may be killed at any time: it holds nothing that is not on disk or asked for again.
"""

import contextlib
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from supervision.runtime import boot
from supervision.runtime.link import Link, Message
from supervision.runtime.log import Log
from supervision.runtime.loop import Loop, Timer
from supervision.runtime.process_table import ProcessTable
from supervision.runtime.silence import Silence, processor_of

PING_EVERY_S = 1.0
ANSWER_LIMIT_S = 1.5
"""A helper that has not answered for 1.5 s is ended and replaced. Waiting for a processor is no silence."""
LOOK_EVERY_S = 0.5
"""While an answer is awaited."""
FIRST_ANSWER_LIMIT_S = 15.0
"""An interpreter on a busy machine takes its time until it hears at all."""
RESPAWN_DELAY_S = 0.2
CHANNEL_FD = 3
PARKED_FD = 900
"""Above what a young process has open, below the least limit of descriptors that is usual: ours may be on 3 or 4 itself."""


def _unpark(count: int) -> list[Any]:
    """Bring `count` descriptors from PARKED_FD on to the numbers behind the channel's."""
    actions: list[Any] = []
    for index in range(count):
        actions.append((os.POSIX_SPAWN_DUP2, PARKED_FD + index, CHANNEL_FD + 1 + index))
        actions.append((os.POSIX_SPAWN_CLOSE, PARKED_FD + index))
    return actions


class HelperProcess:
    """One helper by role (`rotator`, `checkers`). `on_message` gets what it says, `on_start` runs for each new life.

    `argv` and `environment`: of a helper that is no role of boot.py, or that needs more than PATH. `fds`: descriptors that
    it inherits, under the numbers from CHANNEL_FD + 1 on.
    """

    def __init__(
        self,
        role: str,
        *,
        loop: Loop,
        table: ProcessTable,
        log: Log,
        args: tuple[str, ...],
        on_message: Callable[[Message], None],
        on_start: Callable[[], None],
        argv: Sequence[str] | None = None,
        environment: Mapping[str, str] | None = None,
        first_answer_limit_s: float = FIRST_ANSWER_LIMIT_S,
        fds: Sequence[int] = (),
    ) -> None:
        self.role = role
        self.pid: int | None = None
        self.starts = 0
        self._loop, self._table, self._log = loop, table, log
        self._argv = list(argv) if argv is not None else boot.command(role, *args)
        self._environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "LANG": "C.UTF-8",
            **(environment or {}),
        }
        self._first_limit_s = first_answer_limit_s
        self._fds = tuple(fds)
        self._on_message, self._on_start = on_message, on_start
        self._channel: Link | None = None
        self._pidfd = -1
        self._asked = False
        """A ping is not answered yet."""
        self._silence = Silence(0.0)
        self._is_up = False
        self._limit: Timer | None = None
        self._closing = False

    def start(self) -> None:
        """Start it; RESPAWN_DELAY_S later again if that fails."""
        if self._closing:
            return
        channel, theirs = Link.pair()
        try:
            self.pid = os.posix_spawn(
                sys.executable,
                self._argv,
                self._environment,
                file_actions=[
                    (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                    *[(os.POSIX_SPAWN_DUP2, fd, PARKED_FD + index) for index, fd in enumerate(self._fds)],
                    (os.POSIX_SPAWN_DUP2, theirs.fileno(), CHANNEL_FD),
                    *_unpark(len(self._fds)),
                ],
                setsid=True,
                setsigmask=(),
                setsigdef=[signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT, signal.SIGTERM, signal.SIGHUP],
            )
        except OSError as error:
            self._log.say("helper not started", role=self.role, error=str(error))
            channel.close()
            self._loop.call_later(RESPAWN_DELAY_S, self.start)
            return
        finally:
            theirs.close()
        self.starts += 1
        self._table.helper_started(self.pid)
        self._pidfd = os.pidfd_open(self.pid)
        self._channel = channel
        self._loop.watch(self._pidfd, self._died)
        self._loop.watch(channel.fileno(), self._readable)
        self._on_start()

    def send(self, op: str, **body: Any) -> bool:
        """False when it is not there to hear it; what matters is said again by `on_start`."""
        return self._channel is not None and self._channel.send(op, **body)

    def ping(self) -> None:
        """Call every PING_EVERY_S: a helper that leaves one unanswered for ANSWER_LIMIT_S is replaced, as is one that has
        left so much unread that no ping fits any more."""
        if self._channel is not None and not self._asked:
            self._asked = True
            self._silence = Silence(self._loop.clock.boot())
            self._limit = self._loop.call_later(LOOK_EVERY_S, self._judge)
            self.send("ping")

    def _judge(self) -> None:
        self._readable()  # its answer may be here, and we the one who is late
        if not self._asked or self.pid is None:
            return
        limit = ANSWER_LIMIT_S if self._is_up else self._first_limit_s
        left = limit - self._silence.look(self._loop.clock.boot(), processor_of(self.pid))
        if left > 0:
            self._limit = self._loop.call_later(min(left, LOOK_EVERY_S), self._judge)
        else:
            self._log.say("helper silent, replaced", role=self.role, pid=self.pid)
            self._kill()

    def _answered(self) -> None:
        self._asked = False
        if self._limit is not None:
            self._limit.cancel()
            self._limit = None

    def close(self) -> None:
        """End it for good and reap it."""
        self._closing = True
        self._kill()
        if self.pid is not None:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(self.pid, 0)
            self._forget()

    def _kill(self) -> None:
        if self._pidfd >= 0:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)

    def _readable(self) -> None:
        if self._channel is None:
            return
        messages = self._channel.receive()
        if messages is None:
            self._loop.unwatch(self._channel.fileno())
            self._kill()
            return
        for message in messages:
            self._is_up = True
            if message.op == "pong":
                self._answered()
            else:
                self._on_message(message)

    def _died(self) -> None:
        if self.pid is None:
            return
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self.pid, 0)
        self._log.say("helper ended", role=self.role, pid=self.pid)
        self._forget()
        if not self._closing:
            self._loop.call_later(RESPAWN_DELAY_S, self.start)

    def _forget(self) -> None:
        if self.pid is not None:
            self._table.helper_ended(self.pid)
        self.pid = None
        self._is_up = False
        self._answered()
        if self._pidfd >= 0:
            self._loop.unwatch(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = -1
        if self._channel is not None:
            self._loop.unwatch(self._channel.fileno())
            self._channel.close()
            self._channel = None
