"""The interface of a contender: starts n children its own way, keeps them alive, stops them.

A contender only says how *it* does these things. Which child is killed, when it was back, how much memory was used is
observed from outside and equally for all (`bench/fleet.py`).
"""

import os
import signal
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from bench.processes import end_tree, restore_nofile

END_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class Program:
    """What each child runs; FIFO and INDEX are appended. `start_s`: how long one may take until its stamp."""

    name: str
    argv: tuple[str, ...]
    start_s: float = 10.0


@dataclass(frozen=True, slots=True)
class Room:
    """Where a contender works: a directory of its own, open to other users' children as far as the FIFO."""

    directory: Path
    fifo: Path
    program: Program
    count: int
    tools: Path
    """Where the peers were installed (`bench/peers.py`)."""
    user: str | None = None
    stop: str = "ordered"

    def argv(self, index: int | str) -> list[str]:
        """The child's command line; a template's placeholder may stand for the index."""
        return [*self.program.argv, str(self.fifo), str(index)]

    def environment(self) -> dict[str, str]:
        """The same few variables for every contender."""
        return {
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": str(self.directory),
            "LANG": "C.UTF-8",
        }


class Contender(ABC):
    """Life: `prepare`, `launch`, (kills by the benchmark), `halt`, `halted`, `close`; `close` also after any failure."""

    name: ClassVar[str]
    polls: ClassVar[bool] = False
    """Burns CPU when idle; it is stopped (SIGSTOP) while others are measured, or it would be their noise."""

    def __init__(self, room: Room) -> None:
        self.room = room

    @abstractmethod
    def prepare(self) -> None:
        """Everything that comes before children are asked for: directories, configuration, a daemon that stands by."""

    @abstractmethod
    def launch(self) -> None:
        """Have all children started. May return before they run: their stamps tell."""

    @abstractmethod
    def halt(self) -> None:
        """Have all children stopped. May return before they are gone."""

    def halted(self) -> None:  # noqa: B027 (nothing more to wait for is a right answer)
        """Called when all children are gone: wait for what the contender itself still says about the stop."""

    @abstractmethod
    def daemons(self) -> list[int]:
        """Pids of every process of the contender itself, for memory and CPU."""

    def park(self) -> None:
        """Be still while others are measured."""
        for pid in self.daemons() if self.polls else ():
            os.kill(pid, signal.SIGSTOP)

    def unpark(self) -> None:
        """Go on."""
        for pid in self.daemons() if self.polls else ():
            os.kill(pid, signal.SIGCONT)

    @abstractmethod
    def close(self) -> None:
        """End every process of the contender that is left, children included."""


class DaemonContender(Contender):
    """A contender that is one program in the foreground, with everything it starts below it."""

    daemon: subprocess.Popen[bytes] | None = None

    def spawn(self, argv: Sequence[str], *, stdin: int = subprocess.DEVNULL) -> subprocess.Popen[bytes]:
        """Start the contender's program, its output in `daemon.log`."""
        with (self.room.directory / "daemon.log").open("ab") as log:
            self.daemon = subprocess.Popen(
                argv, cwd=self.room.directory, env=self.room.environment(), stdin=stdin, stdout=log, stderr=log,
                start_new_session=True, preexec_fn=restore_nofile,
            )  # fmt: skip
        return self.daemon

    def halt(self) -> None:
        if self.daemon is not None:
            self.daemon.send_signal(signal.SIGTERM)

    def halted(self) -> None:
        if self.daemon is not None:
            self.daemon.wait(END_TIMEOUT_S)

    def daemons(self) -> list[int]:
        return [self.daemon.pid] if self.daemon is not None else []

    def close(self) -> None:
        if self.daemon is not None:
            end_tree(self.daemon.pid)
            self.daemon.wait(END_TIMEOUT_S)
            if self.daemon.stdin is not None:
                self.daemon.stdin.close()
            self.daemon = None


def executable_script(path: Path, line: str) -> None:
    """A shell script of one line."""
    path.write_text(f"#!/bin/sh\n{line}\n")
    path.chmod(0o755)
