"""Choosing TCP ports on the loopback address."""

import socket

TRIES = 200

_claims: set[int] = set()
"""Ports that this process has spoken for, until it ends."""


def is_free(port: int, host: str = "127.0.0.1") -> bool:
    """Whether a server could listen there now; somebody else may take it in the next moment."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((host, port))
        except OSError:
            return False
    return True


def claim(port: int) -> bool:
    """Speak for a port that only later somebody listens on, so that two instances that start at once do not choose the same.

    A name in the abstract namespace, which belongs to a network namespace as ports do; other programs know nothing of it.
    """
    if port in _claims:
        return True
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.bind(f"\0overstory/port/{port}")
    except OSError:
        sock.close()
        return False
    sock.detach()  # open until this process ends
    _claims.add(port)
    return True


def next_free(port: int, *, taken: frozenset[int] = frozenset(), ours: frozenset[int] = frozenset()) -> int:
    """`port`, else the next one that is free, or one of `ours`, and not in `taken`; OSError when there is none near.

    It is spoken for from now on, until this process ends.

    ours: ports that children of ours, which outlived guardian and node, still listen on.
    """
    for candidate in range(port, min(port + TRIES, 65536)):
        if candidate not in taken and (candidate in ours or (is_free(candidate) and claim(candidate))):
            return candidate
    raise OSError(f"no free port from {port} to {port + TRIES - 1} on 127.0.0.1")
