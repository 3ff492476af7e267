"""The runtime directory with its sockets, the port of the pages, and the clocks."""

import ctypes
import os
import socket
from collections.abc import Iterator

from controlplane.doctor.findings import Finding, Host, fail, ok, warn
from supervision.explain.words import clock_time, duration
from supervision.runtime.journal_reader import JournalReader, last_seq

LONGEST_SOCKET = 107
"""unix(7): sun_path holds 108 bytes with its end."""

SOCKETS = ("control.sock", "notify.sock", "redis.sock", ".s.PGSQL.5432")
DEFAULT_PORT = 8400
TIME_ERROR = 5
"""adjtimex(2): the clock is not synchronised."""

YEAR_2025 = 1_735_689_600
BACKWARDS_S = 5.0


def runtime_directory(host: Host) -> Iterator[Finding]:
    path = host.paths.runtime_dir
    longest = max(len(os.fsencode(path / name)) for name in SOCKETS)
    if longest > LONGEST_SOCKET:
        advice = "Unset XDG_RUNTIME_DIR or point it to a shorter path."
        yield fail(
            "runtime.length",
            f"socket paths of {longest} bytes in {path}: {LONGEST_SOCKET} is the most",
            advice,
        )
    else:
        yield ok("runtime.length", f"socket paths of {longest} bytes, {LONGEST_SOCKET} is the most")
    try:
        seen = path.lstat()
    except FileNotFoundError:
        yield ok("runtime.permissions", f"{path} will be made at the start")
        return
    if seen.st_uid != os.geteuid():
        advice = f"Somebody else made it. Remove it as uid {seen.st_uid}, or choose another data directory."
        yield fail("runtime.permissions", f"{path} belongs to uid {seen.st_uid}", advice)
    elif seen.st_mode & 0o077:
        yield fail(
            "runtime.permissions", f"{path} is open to others ({seen.st_mode & 0o777:o})", f"chmod 700 {path}"
        )
    else:
        yield ok("runtime.permissions", f"{path}, ours alone")


def web_port(host: Host) -> Iterator[Finding]:
    text = host.environ.get("OVERSTORY_PORT") or str(DEFAULT_PORT)
    if not text.isdigit() or not 0 < int(text) < 65536:
        yield fail("ports.web", f"OVERSTORY_PORT is {text!r}", "It has to be a number from 1 to 65535.")
        return
    port = int(text)
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind(("127.0.0.1", port))
        except PermissionError:
            yield fail("ports.web", f"port {port} needs root", "Choose one above 1023 with OVERSTORY_PORT.")
            return
        except OSError:
            running = host.paths.control_socket.exists()
            whose = "in use, most likely by this instance" if running else "in use by something else"
            if running:
                yield ok("ports.web", f"port {port} on 127.0.0.1 is {whose}")
            else:
                advice = (
                    "`manage.py up` takes the next free one and says which; OVERSTORY_PORT chooses another."
                )
                yield warn("ports.web", f"port {port} on 127.0.0.1 is {whose}", advice)
            return
    yield ok("ports.web", f"port {port} on 127.0.0.1 is free")


def clocks(host: Host) -> Iterator[Finding]:
    wall, boot = host.clock.wall(), host.clock.boot()
    yield ok("clock.boot", f"{duration(boot)} since boot on CLOCK_BOOTTIME, which all waits and windows use")
    newest = _newest_record(host)
    text = f"{clock_time(wall)} by the wall clock, which only dates records"
    if wall < YEAR_2025:
        yield warn("clock.wall", f"{text}: that is in the past", "Set the clock; records are dated by it.")
    elif newest is not None and newest > wall + BACKWARDS_S:
        back = duration(newest - wall)
        yield warn(
            "clock.wall",
            f"{text}, is {back} behind the journal",
            "It was set back: times of records overlap.",
        )
    else:
        yield ok("clock.wall", text)
    yield _synchronised()


def _synchronised() -> Finding:
    """The kernel's own word: adjtimex answers TIME_ERROR while nothing disciplines the clock."""
    libc = ctypes.CDLL(None, use_errno=True)
    state = libc.adjtimex(ctypes.create_string_buffer(512))
    if state < 0:
        return ok("clock.ntp", "whether a time server disciplines it is not known")
    if state == TIME_ERROR:
        return warn(
            "clock.ntp",
            "no time server disciplines the clock",
            "Run chrony or systemd-timesyncd, so that hosts agree on dates.",
        )
    return ok("clock.ntp", "a time server disciplines the clock")


def _newest_record(host: Host) -> float | None:
    last = last_seq(host.paths.journal_dir)
    if not last:
        return None
    with JournalReader(host.paths.journal_dir, after_seq=last - 1) as reader:
        batch = reader.batch()
    return float(batch[-1]["t"]) if batch else None


CHECKS = (runtime_directory, web_port, clocks)
