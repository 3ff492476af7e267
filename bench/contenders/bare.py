"""The limit: a loop that does nothing but posix_spawn and pidfds; in Python, as the node is, and in C."""

import subprocess
import sys
from pathlib import Path

from bench import native
from bench.contenders.contender import DaemonContender

PYTHON_LOOP = Path(__file__).parents[1] / "programs" / "bare_loop.py"


class BareC(DaemonContender):
    """Starts and stops on a byte on its standard input; gone when the benchmark is."""

    name = "bare loop in C"

    def program(self) -> list[str]:
        """What runs the loop."""
        return [str(native.build("bare", self.room.tools / "native"))]

    def prepare(self) -> None:
        logs = self.room.directory / "logs"
        logs.mkdir()
        argv = [*self.program(), str(self.room.count), str(logs), *self.room.argv("")[:-1]]
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


class Bare(BareC):
    """The floor of every ratio."""

    name = "bare loop"

    def program(self) -> list[str]:
        return [sys.executable, "-I", "-S", str(PYTHON_LOOP)]
