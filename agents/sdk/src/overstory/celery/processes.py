"""Processes of this host: who they are, whether they live, and the end of a pool child with everything below it.

A process is known by boot, pid namespace, pid and start time; containers share the boot id.
"""

import contextlib
import os
import signal
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path

MARK = "OVERSTORY_POOL_CHILD"
"""In the environment of a pool child: what it starts inherits it, also past a new session or group."""
END_WITHIN_S = 2.0
_ENDED = frozenset("ZX")


@dataclass(frozen=True, slots=True)
class Stat:
    """What /proc/PID/stat says; `start` in clock ticks since boot."""

    state: str
    group: int
    session: int
    start: int


def stat_of(pid: int) -> Stat | None:
    """None when there is no such process."""
    try:
        text = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return None
    words = text[text.rindex(b")") + 2 :].split()
    return Stat(words[0].decode(), int(words[2]), int(words[3]), int(words[19]))


@cache
def this_host() -> str:
    """Boot id and pid namespace: within it a pid and a start time mean one process."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return f"{boot}:{Path('/proc/self/ns/pid').stat().st_ino}"


def all_pids() -> list[int]:
    return [int(place.name) for place in Path("/proc").iterdir() if place.name.isdecimal()]


def session_lives(session: int) -> bool:
    """Whether any process of it is left that is no zombie."""
    return any(
        stat.session == session and stat.state not in _ENDED
        for stat in map(stat_of, all_pids())
        if stat is not None
    )


def below_pool_child(pid: int) -> list[int]:
    """What the pool child `pid` left behind: of its process group, or with its mark in the environment."""
    mark = f"{MARK}={pid}".encode()
    found = []
    for each in all_pids():
        stat = stat_of(each)
        if each in (pid, os.getpid()) or stat is None or stat.state in _ENDED:
            continue
        if stat.group == pid or _has_mark(each, mark):
            found.append(each)
    return found


def end_below(pid: int, within_s: float = END_WITHIN_S) -> bool:
    """Kill what a dead pool child left behind until nothing is left; whether that was reached in time."""
    deadline = time.monotonic() + within_s
    while left := below_pool_child(pid):
        for each in left:
            with contextlib.suppress(OSError):
                os.kill(each, signal.SIGKILL)
        if time.monotonic() > deadline:
            return False
        time.sleep(0.002)
    return True


def _has_mark(pid: int, mark: bytes) -> bool:
    try:
        return mark in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return False
