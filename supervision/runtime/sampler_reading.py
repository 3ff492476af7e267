"""Lines of /proc about one process, as far as samples need them: what it uses, and what it holds."""

import os
from dataclasses import dataclass

PAGE = os.sysconf("SC_PAGE_SIZE")
STAT_BYTES = 1024
_STACK_FIELD = 25
_SOCKET = "socket:["
MOST_LINKS = 8192
"""Descriptors of one process that are looked at; of one that has more, its sockets are not known."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One line of /proc/PID/stat, as far as it is needed. Times in clock ticks, memory in bytes.

    stack   where its stack begins: another one after each exec; 0 where we may not know
    """

    zombie: bool
    ppid: int
    pgrp: int
    session: int
    ticks: int
    threads: int
    start_time: int
    rss: int
    stack: int = 0


@dataclass(frozen=True, slots=True)
class Counters:
    """What a process did since it began: bytes it read from and wrote to storage, and how often its main thread gave up
    the processor or lost it. None where we may not know."""

    read: int | None
    written: int | None
    switches: int | None


def parse(line: bytes) -> Reading:
    """The command's name may hold blanks and parentheses: what counts stands behind the last one."""
    field = line[line.rindex(b")") + 2 :].split(b" ", _STACK_FIELD + 1)
    return Reading(
        field[0] == b"Z",
        int(field[1]),
        int(field[2]),
        int(field[3]),
        int(field[11]) + int(field[12]),
        int(field[17]),
        int(field[19]),
        int(field[21]) * PAGE,
        int(field[_STACK_FIELD]) if len(field) > _STACK_FIELD else 0,
    )


def read_stat(pid: int) -> Reading | None:
    """None once it is gone."""
    try:
        with open(f"/proc/{pid}/stat", "rb", buffering=0) as file:
            return parse(file.read(STAT_BYTES) or b"")
    except (OSError, ValueError, IndexError):
        return None


def read_memory(pid: int) -> tuple[int | None, int | None]:
    """Bytes: its fair share of what is shared (PSS), and what is its alone (USS); None where the kernel does not say."""
    text = _read(f"/proc/{pid}/smaps_rollup")
    clean, dirty = _kilobytes(text, b"\nPrivate_Clean:"), _kilobytes(text, b"\nPrivate_Dirty:")
    uss = None if clean is None or dirty is None else clean + dirty
    return _kilobytes(text, b"\nPss:"), uss


def read_counters(pid: int) -> Counters:
    """What it did so far."""
    io = _read(f"/proc/{pid}/io")
    status = _read(f"/proc/{pid}/status")
    given, taken = (
        _number(status, b"\nvoluntary_ctxt_switches:"),
        _number(status, b"\nnonvoluntary_ctxt_switches:"),
    )
    return Counters(
        _number(io, b"\nread_bytes:"),
        _number(io, b"\nwrite_bytes:"),
        None if given is None or taken is None else given + taken,
    )


def read_sockets(pid: int) -> frozenset[int] | None:
    """Inodes of the sockets it has open; None where we may not look, or where it has too much open."""
    try:
        directory = os.open(f"/proc/{pid}/fd", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return None
    found = set()
    try:
        names = os.listdir(directory)
        if len(names) > MOST_LINKS:
            return None
        for name in names:
            try:
                link = os.readlink(name, dir_fd=directory)
            except OSError:
                continue  # closed meanwhile
            if link.startswith(_SOCKET):
                found.add(int(link[len(_SOCKET) : -1]))
    except OSError:
        return None
    finally:
        os.close(directory)
    return frozenset(found)


def read_network(pid: int) -> int | None:
    """The network namespace it lives in; None where we may not know."""
    try:
        return os.stat(f"/proc/{pid}/ns/net").st_ino
    except OSError:
        return None


def counts_descriptors() -> bool:
    """Whether the size of /proc/PID/fd is how many there are (Linux 6.2)."""
    return os.stat("/proc/self/fd").st_size > 0


def count_descriptors(pid: int) -> int | None:
    """None where we may not look."""
    try:
        return os.stat(f"/proc/{pid}/fd").st_size or None
    except OSError:
        return None


def _read(path: str) -> bytes:
    try:
        with open(path, "rb", buffering=0) as file:
            return b"\n" + file.read(4096)
    except OSError:
        return b""


def _number(text: bytes, name: bytes) -> int | None:
    at = text.find(name)
    return int(text[at + len(name) :].split(None, 1)[0]) if at >= 0 else None


def _kilobytes(text: bytes, name: bytes) -> int | None:
    found = _number(text, name)
    return None if found is None else found * 1024
