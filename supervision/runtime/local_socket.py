"""Binding a private Unix listening socket, safely over one that a killed predecessor left."""

import os
import socket
from pathlib import Path

MAX_PATH_BYTES = 107
BACKLOG = 128


def bind_listener(path: Path) -> socket.socket:
    """A listening 0600 stream socket at `path`; ValueError where the path is too long for a socket.

    The caller holds the instance's lock, so a socket file that is there belongs to nobody living.
    """
    if len(os.fsencode(path)) > MAX_PATH_BYTES:
        raise ValueError(f"{path} is longer than the {MAX_PATH_BYTES} bytes a socket path may have")
    path.unlink(missing_ok=True)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        sock.bind(str(path))
    finally:
        os.umask(before)
    sock.listen(BACKLOG)
    sock.setblocking(False)
    return sock
