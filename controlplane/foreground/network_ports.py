"""Choosing TCP ports on the loopback address."""

import socket

TRIES = 200


def is_free(port: int, host: str = "127.0.0.1") -> bool:
    """Whether a server could listen there now; somebody else may take it in the next moment."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((host, port))
        except OSError:
            return False
    return True


def next_free(port: int, *, taken: frozenset[int] = frozenset(), ours: frozenset[int] = frozenset()) -> int:
    """`port`, else the next one that is free, or one of `ours`, and not in `taken`; OSError when there is none near.

    ours: ports that children of ours, which outlived guardian and node, still listen on.
    """
    for candidate in range(port, min(port + TRIES, 65536)):
        if candidate not in taken and (candidate in ours or is_free(candidate)):
            return candidate
    raise OSError(f"no free port from {port} to {port + TRIES - 1} on 127.0.0.1")
