"""native/bare.c in Python, line for line as far as it can be: what the language itself costs.

`bare_loop.py COUNT LOG_DIR PROGRAM ARG...`; `s` on standard input starts, `q` or its end stops.
"""

import os
import resource
import select
import signal
import sys

STDIN = 0
APPEND = os.O_WRONLY | os.O_CREAT | os.O_APPEND


class Loop:
    """Children by pidfd; nothing is kept about them but that."""

    def __init__(self, count: int, logs: str, argv: list[str]) -> None:
        self._count = count
        self._logs = logs
        self._argv = argv
        self._environment = dict(os.environ)
        self._signals = signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}
        self._children: dict[int, int] = {}
        self._epoll = select.epoll()
        self._stopping = False

    def run(self) -> None:
        """Until everything is stopped."""
        self._epoll.register(STDIN, select.EPOLLIN)
        while not self._stopping or self._children:
            for descriptor, _ in self._epoll.poll():
                if descriptor == STDIN:
                    self._command()
                else:
                    self._ended(descriptor)

    def _start(self, number: int) -> None:
        pid = os.posix_spawn(
            self._argv[0],
            [*self._argv, str(number)],
            self._environment,
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, f"{self._logs}/{number}.log", APPEND, 0o600),
                (os.POSIX_SPAWN_DUP2, 1, 2),
            ],
            setsid=True,
            setsigmask=(),
            setsigdef=self._signals,
        )
        pidfd = os.pidfd_open(pid)
        self._epoll.register(pidfd, select.EPOLLIN)
        self._children[pidfd] = number

    def _ended(self, pidfd: int) -> None:
        os.waitid(os.P_PIDFD, pidfd, os.WEXITED)
        os.close(pidfd)
        number = self._children.pop(pidfd)
        if not self._stopping:
            self._start(number)

    def _command(self) -> None:
        if os.read(STDIN, 1) == b"s":
            for number in range(self._count):
                self._start(number)
            return
        self._stopping = True
        self._epoll.unregister(STDIN)
        for pidfd in self._children:
            signal.pidfd_send_signal(pidfd, signal.SIGTERM)


if __name__ == "__main__":
    files = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (files[1], files[1]))
    Loop(int(sys.argv[1]), sys.argv[2], sys.argv[3:]).run()
