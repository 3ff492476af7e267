"""Binding a private Unix listening socket, safely over one that a killed predecessor left."""

import os
import socket
from pathlib import Path

MAX_PATH_BYTES = 107
BACKLOG = 128


def bind_listener(path: Path, *, mode: int = 0o600, backlog: int = BACKLOG) -> socket.socket:
    """A listening stream socket of `mode` at `path`; ValueError where the path is too long for a socket.

    The caller holds the instance's lock, so a socket file that is there belongs to nobody living.
    """
    if len(os.fsencode(path)) > MAX_PATH_BYTES:
        raise ValueError(f"{path} is longer than the {MAX_PATH_BYTES} bytes a socket path may have")
    path.unlink(missing_ok=True)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o777 & ~mode)
    try:
        sock.bind(str(path))
    finally:
        os.umask(before)
    sock.listen(backlog)
    sock.setblocking(False)
    return sock
