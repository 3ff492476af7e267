"""Listening sockets that outlive the children that serve them (systemd's LISTEN_FDS).

A socket belongs to a tree and is named by its type and address, so that all instances of a child share one. The guardian
keeps a copy of each: a new node finds them again and no connection is refused while a child, or the node, is replaced.
"""

import os
import socket
from dataclasses import dataclass
from pathlib import Path

from supervision.runtime.link import Link
from supervision.runtime.processdoc import SocketSpec

PREFIX = "listen:"


class ListenError(Exception):
    """A listening socket could not be made; the message names the address."""


@dataclass(slots=True)
class Listeners:
    """The sockets of this node's trees; `stored` are the descriptors a predecessor left with the guardian."""

    link: Link | None
    fds: dict[str, int]

    def __init__(self, link: Link | None, stored: dict[str, int]) -> None:
        self.link = link
        self.fds = {name: fd for name, fd in stored.items() if name.startswith(PREFIX)}

    def get(self, tree: str, spec: SocketSpec) -> int:
        """The descriptor for `spec`, bound on first use; ListenError."""
        name = f"{PREFIX}{tree}:{spec.type}:{spec.address}"
        fd = self.fds.get(name)
        if fd is None:
            fd = _bind(spec).detach()
            self.fds[name] = fd
            if self.link is not None:
                self.link.send("store_fd", name=name, fds=(fd,))
        return fd

    def close_tree(self, tree: str) -> None:
        """Close the sockets of a tree that was removed."""
        for name in [name for name in self.fds if name.startswith(f"{PREFIX}{tree}:")]:
            os.close(self.fds.pop(name))
            if self.link is not None:
                self.link.send("drop_fd", name=name)


def _bind(spec: SocketSpec) -> socket.socket:
    try:
        if spec.type == "unix":
            return _bind_unix(spec)
        host, _, port = spec.address.rpartition(":")
        host = host.strip("[]") or "127.0.0.1"
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        kind = socket.SOCK_DGRAM if spec.type == "udp" else socket.SOCK_STREAM
        sock = socket.socket(family, kind)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, int(port)))
        if kind == socket.SOCK_STREAM:
            sock.listen(spec.backlog)
    except (OSError, ValueError, OverflowError) as error:
        raise ListenError(f"socket {spec.name} at {spec.address}: {error}") from error
    return sock


def _bind_unix(spec: SocketSpec) -> socket.socket:
    path = Path(spec.address)
    if path.is_socket():
        path.unlink()
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.bind(spec.address)
    sock.listen(spec.backlog)
    return sock
