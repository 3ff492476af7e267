"""Real programs with descendants of every awkward kind, and a census of what lives of them (brood.c says which kinds)."""

import contextlib
import hashlib
import os
import subprocess
from collections import defaultdict
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from supervision.runtime.boot import ROOT
from tests.support.engine import child
from tests.support.waiting import wait_for

SOURCE = Path(__file__).with_name("brood.c")


@cache
def program() -> str:
    """The compiled program; made once for each version of its source."""
    built = ROOT / "build" / f"brood-{hashlib.sha256(SOURCE.read_bytes()).hexdigest()[:8]}"
    if not built.exists():
        built.parent.mkdir(exist_ok=True)
        fresh = built.with_suffix(f".{os.getpid()}")
        subprocess.run(["cc", "-O1", "-Wall", "-Werror", "-o", str(fresh), str(SOURCE)], check=True)
        fresh.rename(built)
    return str(built)


@dataclass(frozen=True, slots=True)
class Member:
    """One living process: `kind` is "main" or a kind of descendant, `life` the pid of the main process it came from."""

    pid: int
    name: str
    kind: str
    life: int


class Brood:
    """The programs of one test, told apart by the directory in their arguments."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        directory.mkdir(parents=True, exist_ok=True)

    def child(self, name: str, *behaviours: str, **fields: Any) -> dict[str, Any]:
        """A child of a tree document that runs the program."""
        return child(name.rpartition(".")[2], self.command(name, *behaviours), **fields)

    def command(self, name: str, *behaviours: str) -> list[str]:
        return [program(), str(self.directory), name, *behaviours]

    def census(self) -> list[Member]:
        """Everything of ours that lives; zombies have no arguments and do not count."""
        needle = f"\0{self.directory}\0".encode()
        found = []
        for entry in os.scandir("/proc"):
            if not entry.name.isdecimal():
                continue
            with contextlib.suppress(OSError):
                command = Path(entry.path, "cmdline").read_bytes()
                if needle not in command:
                    continue
                argv = command.decode().rstrip("\0").split("\0")
                pid = int(entry.name)
                if len(argv) > 5 and argv[3] == "--rest":
                    found.append(Member(pid, argv[2], argv[4], int(argv[5])))
                else:
                    found.append(Member(pid, argv[2], "main", pid))
        return found

    def named(self, name: str, kind: str | None = None) -> list[Member]:
        return [m for m in self.census() if m.name == name and kind in (None, m.kind)]

    def pids(self, name: str, kind: str) -> set[int]:
        return {member.pid for member in self.named(name, kind)}

    def stamps(self, name: str) -> list[tuple[int, int]]:
        """(incarnation, pid) of every life of the child that got as far as its lock, in order."""
        try:
            text = (self.directory / f"{name}.stamps").read_text()
        except FileNotFoundError:
            return []
        return [(int(number), int(pid)) for number, pid in map(str.split, text.splitlines())]

    def wait_lives(self, name: str, count: int) -> None:
        """Until `count` lives of the child stamped, each once and in order; none of them beside a rest of another."""

        def probe() -> bool:
            lives, faults = [number for number, _ in self.stamps(name)], self.violations()
            assert not faults, faults
            assert lives == list(range(1, len(lives) + 1)), lives
            return len(lives) >= count

        wait_for(probe, timeout=20, what=f"{count} lives of {name}")

    def violations(self) -> list[str]:
        """Lives that began while a process of the life before still held its lock."""
        with contextlib.suppress(FileNotFoundError):
            return (self.directory / "violations").read_text().splitlines()
        return []

    def faults(self, names: set[str]) -> list[str]:
        """What is wrong now: a child with no or several main processes, a descendant of a life that is over."""
        members = self.census()
        mains = defaultdict(list)
        for member in members:
            if member.kind == "main":
                mains[member.name].append(member.pid)
        faults = [
            f"{name} has main processes {mains[name]}" for name in sorted(names) if len(mains[name]) != 1
        ]
        faults += [
            f"{m.name}: {m.kind} {m.pid} of life {m.life}, which is over"
            for m in members
            if m.life not in mains[m.name]
        ]
        return faults + [f"two lives at once: {line}" for line in self.violations()]
