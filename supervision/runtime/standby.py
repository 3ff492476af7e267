"""A process that stands by: it has been made ahead of need, and becomes the next child that is started on its own.

Making a process, giving it a session, clean signals and nothing of ours is a third of a restart, and the same for all. So
one that has done all that waits at a socket (shim/overstory-exec.c) for what it is to become: where it works, its limits,
its output files, its program. It is made when nothing is urgent, after the start that took the one before.

Nothing depends on it but the time: where none stands by, or it was ended, a process is made as before. It is the node's own
child; it ends by itself when the node does, because the other end of its socket closes then. What it was given in time it
becomes all the same, as a process between vfork and exec would; the journal had the start before.
"""

import contextlib
import os
import signal
import socket
import struct

from supervision.runtime.identity import read_stat
from supervision.runtime.spare_files import Pair
from supervision.runtime.vfork import VforkSpawn

LIMIT_S = 0.5
"""How long a launch waits for the exec, as for the shim's."""
MESSAGE_MAX = 65_536
"""Bytes that its program takes; who has more to say goes the other way."""
CHANNEL_FD, LEDGER_FD = 3, 4
_TIMEVAL = struct.pack("@ll", 0, int(LIMIT_S * 1_000_000))


class Standby:
    """The one that waits, if one does. `shim_path`: the built program. Single-threaded use only."""

    def __init__(self, spawn: VforkSpawn, shim_path: str, *, signals: tuple[int, ...]) -> None:
        self._spawn, self._shim_path, self._signals = spawn, shim_path, signals
        self._channel: socket.socket | None = None
        self.pid: int | None = None
        """None while nobody waits."""
        self._pidfd = -1
        self._since = 0

    def make(self, ledger: int) -> int | None:
        """Have one wait, with the file behind `ledger` open; its pid. None where one does, or none can be had."""
        if self.pid is not None or ledger <= CHANNEL_FD:
            return None
        channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        channel.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _TIMEVAL)
        try:
            pid = os.posix_spawn(
                self._shim_path,
                [self._shim_path, str(CHANNEL_FD), "wait", str(LEDGER_FD)],
                {},
                file_actions=[
                    *((os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_RDWR, 0) for fd in range(CHANNEL_FD)),
                    (os.POSIX_SPAWN_DUP2, theirs.fileno(), CHANNEL_FD),
                    (os.POSIX_SPAWN_DUP2, ledger, LEDGER_FD),
                ],
                setsid=True,
                setsigmask=(),
                setsigdef=self._signals,
            )
        except OSError:
            channel.close()
            return None
        finally:
            theirs.close()
        self.pid, self._pidfd, self._channel = pid, os.pidfd_open(pid), channel
        stat = read_stat(pid)
        self._since = stat.start_time if stat is not None else 0
        return pid

    def note(self, pair: Pair) -> Pair:
        """The same pair, with a word on when the process that takes it began: before it was to be started."""
        name, _, rest = pair.note.partition(" ")
        return Pair(*pair[:-1], f"{name}@{self._since} {rest}")

    def become(self, program: bytes) -> tuple[int, int] | None:
        """(pid, pidfd) of what was the process that waited, and is what `program` says (the text of a vfork.Prebuilt); None
        where it could not become that. In neither case does one wait any more."""
        if self._channel is None or self.pid is None:
            return None
        pid, pidfd, channel = self.pid, self._pidfd, self._channel
        if len(program) > MESSAGE_MAX or not self._spawn.hand_over(channel.fileno(), program):
            self.end()
            return None
        channel.close()
        self.pid, self._pidfd, self._channel = None, -1, None
        return pid, pidfd

    def end(self) -> None:
        """Nobody waits any more."""
        if self._channel is None or self.pid is None:
            return
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self.pid, 0)
        os.close(self._pidfd)
        self._channel.close()
        self.pid, self._pidfd, self._channel = None, -1, None
