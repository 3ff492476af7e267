"""The limit: native/bare.c, which does nothing but posix_spawn and pidfds."""

import subprocess

from bench import native
from bench.contenders.contender import DaemonContender


class Bare(DaemonContender):
    """Starts and stops on a byte on its standard input; gone when the benchmark is."""

    name = "bare loop"

    def prepare(self) -> None:
        logs = self.room.directory / "logs"
        logs.mkdir()
        program = native.build("bare", self.room.tools / "native")
        argv = [str(program), str(self.room.count), str(logs), *self.room.argv("")[:-1]]
        self.spawn(argv, stdin=subprocess.PIPE)

    def launch(self) -> None:
        self._say(b"s")

    def halt(self) -> None:
        self._say(b"q")

    def _say(self, word: bytes) -> None:
        if self.daemon is None or self.daemon.stdin is None:
            raise RuntimeError("not prepared")
        self.daemon.stdin.write(word)
        self.daemon.stdin.flush()
