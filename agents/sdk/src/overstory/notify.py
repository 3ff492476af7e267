"""Telling the supervisor how we are: a client of systemd's sd_notify and LISTEN_FDS protocols.

Every function answers whether the message was handed over: False without a supervisor (NOTIFY_SOCKET is not set) and when
the supervisor's queue is full or gone. None raises for that: a program must not fail because nobody listens.

Sources: sd_notify(3) and sd_listen_fds(3) of systemd.
"""

import contextlib
import os
import select
import socket
import time

FIRST_FD = 3
"""SD_LISTEN_FDS_START of sd_listen_fds(3)."""

SEND_TIMEOUT_S = 1.0
"""A full queue empties within milliseconds while a node lives; past this the program goes on without us."""


def send(*fields: str) -> bool:
    """Send raw fields, such as `"READY=1"`; ValueError for one that is no `NAME=value` or has a line break."""
    for field in fields:
        if "=" not in field or "\n" in field:
            raise ValueError(f"not a NAME=value line: {field!r}")
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return False
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
        sock.settimeout(SEND_TIMEOUT_S)
        try:
            sock.connect("\0" + address[1:] if address.startswith("@") else address)
            sock.sendall("\n".join(fields).encode())
        except OSError:
            return False
    return True


def ready(status: str = "") -> bool:
    """We do what we are for; whoever depends on us may start. Also the end of a reload."""
    return send("READY=1", *_status(status))


def status(text: str) -> bool:
    """One line for people, shown beside the child."""
    return send(*_status(text or " "))


def reloading() -> bool:
    """We read our configuration anew; `ready` follows. The clock value is sd_notify's, to tell old messages from new."""
    return send("RELOADING=1", f"MONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")


def stopping(status: str = "") -> bool:
    """We are about to end, on our own account or because we were asked."""
    return send("STOPPING=1", *_status(status))


def barrier(timeout_s: float = 5.0) -> bool:
    """Wait until the supervisor has read all that was sent before: systemd's sd_notify_barrier(3). False past the time."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return False
    read_end, write_end = os.pipe()
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
            sock.settimeout(SEND_TIMEOUT_S)
            sock.connect("\0" + address[1:] if address.startswith("@") else address)
            socket.send_fds(sock, [b"BARRIER=1"], [write_end])
        os.close(write_end)
        write_end = -1
        answered = select.poll()  # not select(): the program may have more than 1,024 descriptors open
        answered.register(read_end, select.POLLIN)
        return bool(answered.poll(timeout_s * 1000))
    except OSError:
        return False
    finally:
        os.close(read_end)
        if write_end >= 0:
            os.close(write_end)


def alive() -> bool:
    """A sign of life for the watchdog; due every `watchdog_s() / 2`."""
    return send("WATCHDOG=1")


def watchdog_s() -> float:
    """Seconds within which the supervisor wants a sign of life; 0.0 when it wants none, or from another process."""
    pid = os.environ.get("WATCHDOG_PID")
    if pid is not None and pid != str(os.getpid()):
        return 0.0
    with contextlib.suppress(ValueError):
        return max(0, int(os.environ.get("WATCHDOG_USEC", ""))) / 1_000_000
    return 0.0


def listeners() -> dict[str, socket.socket]:
    """The sockets that the supervisor holds open for us, by name; empty when it has none or they are for another process.

    Each call duplicates the descriptors, so closing what one call gave leaves the next one's open. Sockets without a name
    are called "3", "4", by their descriptor.
    """
    if os.environ.get("LISTEN_PID", str(os.getpid())) != str(os.getpid()):
        return {}
    try:
        count = int(os.environ.get("LISTEN_FDS", "0"))
    except ValueError:
        return {}
    names = os.environ.get("LISTEN_FDNAMES", "").split(":")
    found = {}
    for index in range(count):
        name = names[index] if index < len(names) and names[index] else str(FIRST_FD + index)
        found[name] = socket.socket(fileno=os.dup(FIRST_FD + index))
    return found


def _status(text: str) -> list[str]:
    return [f"STATUS={' '.join(text.split())}"] if text else []
