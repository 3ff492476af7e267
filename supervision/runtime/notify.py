"""The receiving end of systemd's readiness protocol (sd_notify(3)): one datagram socket for all children.

The kernel attaches the sender's pid (SO_PASSCRED), so a message is believed for who sent it, not for what it says. A
child that runs as another user must be able to reach the socket's directory.
"""

import contextlib
import os
import socket
import struct
from collections.abc import Mapping
from dataclasses import dataclass

MESSAGE_BYTES = 4096
RECEIVE_BATCH = 256
_CREDENTIALS = struct.Struct("=iII")
# No room for descriptors: what a sender attaches (FDSTORE, BARRIER) is closed by the kernel with the message.
_ANCILLARY_BYTES = socket.CMSG_SPACE(_CREDENTIALS.size)


@dataclass(frozen=True, slots=True)
class Notification:
    """One message: the sender's pid and user as the kernel says, and its assignments (READY, STATUS, WATCHDOG, ...)."""

    pid: int
    uid: int
    fields: dict[str, str]


def bind(path: str) -> socket.socket:
    """A non-blocking socket at `path`, replacing what a dead guardian left there. ValueError past 107 bytes."""
    if len(os.fsencode(path)) > 107:
        raise ValueError(f"socket path is longer than 107 bytes: {path}")
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        sock.bind(path)
        os.chmod(path, 0o666)  # noqa: S103 children of other users; the sender's pid is what counts
    except BaseException:
        sock.close()
        raise
    return sock


def receive(sock: socket.socket) -> list[Notification]:
    """What came since the last call, oldest first, at most RECEIVE_BATCH; what is left keeps the socket readable.

    Messages that are cut, empty or without a pid in our namespace are dropped: the protocol has no answer.
    """
    received = []
    for _ in range(RECEIVE_BATCH):
        try:
            data, ancillary, flags, _ = sock.recvmsg(MESSAGE_BYTES, _ANCILLARY_BYTES)
        except BlockingIOError:
            break
        if flags & socket.MSG_TRUNC:
            continue
        fields = decode(data)
        for level, kind, value in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_CREDENTIALS:
                pid, uid, _ = _CREDENTIALS.unpack(value[: _CREDENTIALS.size])
                if pid and fields:
                    received.append(Notification(pid, uid, fields))
    return received


def decode(data: bytes) -> dict[str, str]:
    """`KEY=VALUE` lines; lines without an equals sign are ignored, the last of two equal keys counts."""
    pairs = (line.partition("=") for line in data.decode(errors="replace").split("\n"))
    return {key: value for key, equals, value in pairs if key and equals}


def encode(fields: Mapping[str, str]) -> bytes:
    """The datagram a child would send. ValueError for a newline in a value."""
    for key, value in fields.items():
        if "\n" in key + value:
            raise ValueError(f"{key} holds a newline")
    return "\n".join(f"{key}={value}" for key, value in fields.items()).encode()


def send(path: str, fields: Mapping[str, str]) -> None:
    """Send as a child does."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.sendto(encode(fields), path)
