"""Finding what is left of an instance, without asking the instance."""

import contextlib
import os
from pathlib import Path


def processes_of(mark: str) -> dict[int, str]:
    """Every other process that has `mark` in its environment, its arguments or its working directory; pid: arguments.

    PostgreSQL writes its title over its environment and its arguments, but works in its data directory.
    """
    found = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal() or int(entry.name) == os.getpid():
            continue
        with contextlib.suppress(OSError):
            arguments = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            environment = (entry / "environ").read_bytes().decode(errors="replace")
            if mark in arguments or mark in environment or mark in str((entry / "cwd").readlink()):
                found[int(entry.name)] = arguments
    return found


def descendants(pid: int) -> list[int]:
    """Every process below `pid` now."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in (int(word) for word in task.read_text().split()):
            found += [child, *descendants(child)]
    return found


def own_children() -> frozenset[int]:
    """Direct children of this process, zombies too: the stores of the tests are among them once a test has needed them."""
    return frozenset(
        int(word) for task in Path("/proc/self/task").glob("*/children") for word in task.read_text().split()
    )
