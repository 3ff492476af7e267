"""A supervised program that does what a test tells it: it evaluates expressions sent to a socket of its own.

child("a", talker_argv(path), process=...)    in a tree
Talker(path).ask("channel.event('x', {})")    from the test
"""

import json
import socket
import sys
import threading
from pathlib import Path
from typing import Any

from tests.support.waiting import wait_for

SDK = Path(__file__).resolve().parents[2] / "agents/sdk/src"


def talker_argv(path: Path) -> list[str]:
    return [
        sys.executable,
        "-I",
        "-S",
        str(Path(__file__).with_name("talker_program.py")),
        str(SDK),
        str(path),
    ]


class Talker:
    """The test's end. `path`: where the program listens."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()

    def ask(self, expression: str, *, timeout_s: float = 20.0) -> Any:
        """What the expression is there (as JSON). AssertionError with the program's traceback when it raised."""
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(timeout_s)
            sock.connect(str(self.path))
            sock.sendall(json.dumps(expression).encode() + b"\n")
            answer = json.loads(sock.makefile("rb").readline())
        if "raised" in answer:
            raise AssertionError(answer["raised"])
        return answer["value"]

    def wait(self, timeout_s: float = 30.0) -> int:
        """Until it listens; its pid."""

        def pid() -> int | None:
            try:
                return int(self.ask("os.getpid()"))
            except OSError:
                return None

        return wait_for(pid, timeout=timeout_s, what=f"{self.path} listens")
