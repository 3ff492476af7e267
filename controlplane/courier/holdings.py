"""Which limits a living process on this host will hit in the end: read when something is found, not each second."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from supervision.leaks.watch import Growing
from supervision.leaks.words import Limit

PROC = Path("/proc")
CGROUPS = Path("/sys/fs/cgroup")
KIB = 1024


def limit_of(one: Growing, *, pid: int, frame: Mapping[str, Any], place: int) -> Limit | None:
    """None where no limit is known. `place` is the child's in the frame."""
    match one.resource:
        case "rss":
            return _memory_limit(one, pid)
        case "fds" | "sockets" if not _at(frame, "children", place):
            return _resource_limit(pid, "Max open files", "its limit of open files")
        case "threads":
            return _resource_limit(pid, "Max processes", "the user's limit of processes")
        case "children" | "zombies":
            return _kernel_limit("pid_max", "the host's limit of processes")
        case "disk":
            left = _at(frame, "disk_left", place)
            return None if left is None else Limit(one.value + left, "the end of its file system")
    return None


def _at(frame: Mapping[str, Any], column: str, place: int) -> Any:
    values = frame.get(column)
    return values[place] if isinstance(values, list) and place < len(values) else None


def _memory_limit(one: Growing, pid: int) -> Limit | None:
    """Its control group's bound, or what the host has left."""
    bound = _cgroup_bound(pid)
    if bound is not None:
        return Limit(float(bound), "its memory limit")
    left = _field(PROC / "meminfo", "MemAvailable:")
    return None if left is None else Limit(one.value + left * KIB, "the host's memory")


def _cgroup_bound(pid: int) -> int | None:
    try:
        lines = (PROC / str(pid) / "cgroup").read_text().splitlines()
        path = next(line.partition("::")[2] for line in lines if line.startswith("0::"))
        text = (CGROUPS / path.lstrip("/") / "memory.max").read_text().strip()
    except (OSError, StopIteration):
        return None
    return int(text) if text.isdecimal() else None


def _resource_limit(pid: int, name: str, words: str) -> Limit | None:
    try:
        lines = (PROC / str(pid) / "limits").read_text().splitlines()
    except OSError:
        return None
    for line in lines:
        if line.startswith(name):
            soft = line[len(name) :].split()[0]
            return Limit(float(soft), words) if soft.isdecimal() else None
    return None


def _kernel_limit(name: str, words: str) -> Limit | None:
    try:
        return Limit(float((PROC / "sys" / "kernel" / name).read_text()), words)
    except (OSError, ValueError):
        return None


def _field(path: Path, name: str) -> int | None:
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return None
    found = next((line.split()[1] for line in lines if line.startswith(name)), "")
    return int(found) if found.isdecimal() else None
