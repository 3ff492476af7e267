"""Listening sockets that outlive the children that serve them (systemd's LISTEN_FDS).

A socket belongs to a tree and is named by its type and address, so that all instances of a child share one. The guardian
keeps a copy of each: a new node finds them again and no connection is refused while a child, or the node, is replaced.
A socket is closed when no child of its tree names it any more; a child that still runs with it keeps its own copy.
"""

import contextlib
import os
import socket
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from supervision.kernel.spec import ChildSpec
from supervision.runtime.link import Link
from supervision.runtime.processdoc import KIND, ProcessBody, SocketSpec

PREFIX = "listen:"


class ListenError(Exception):
    """A listening socket could not be made; the message names the address."""


class Listeners:
    """The sockets of this node's trees; `stored` are the descriptors a predecessor left with the guardian."""

    def __init__(self, link: Link | None, stored: dict[str, int]) -> None:
        self.link = link
        self.fds = {name: fd for name, fd in stored.items() if name.startswith(PREFIX)}
        self._unsaid: set[str] = set()

    def get(self, tree: str, spec: SocketSpec) -> int:
        """The descriptor for `spec`, bound on first use; ListenError."""
        name = _name(tree, spec)
        fd = self.fds.get(name)
        if fd is None:
            fd = self.fds[name] = _bind(spec).detach()
            self._unsaid.add(name)
            self.store()
        return fd

    def store(self) -> None:
        """Give the guardian its copies of new sockets; call again later, as it may be too busy to take one."""
        for name in list(self._unsaid):
            if self.link is None or self.link.send("store_fd", name=name, fds=(self.fds[name],)):
                self._unsaid.discard(name)

    def close_tree(self, tree: str) -> None:
        """Close the sockets of a tree that was removed."""
        self.keep_only(tree, ())

    def keep_only(self, tree: str, specs: Collection[SocketSpec]) -> None:
        """Close the sockets of `tree` that are none of `specs`."""
        kept = {_name(tree, spec) for spec in specs}
        for name in [name for name in self.fds if name.startswith(f"{PREFIX}{tree}:") and name not in kept]:
            os.close(self.fds.pop(name))
            self._unsaid.discard(name)
            if self.link is not None:
                self.link.send("drop_fd", name=name)
            _tree, kind, address = name.removeprefix(PREFIX).split(":", 2)
            if kind == "unix" and Path(address).is_socket():
                with contextlib.suppress(OSError):
                    Path(address).unlink()


def sockets_of(children: Iterable[ChildSpec]) -> Iterator[SocketSpec]:
    """Every socket that these children, and those below them, are declared with."""
    for child in children:
        if child.supervisor is not None:
            yield from sockets_of(child.supervisor.children)
        elif child.body.get(KIND, {}).get("sockets"):
            yield from ProcessBody.from_body(child.body).sockets


def _name(tree: str, spec: SocketSpec) -> str:
    return f"{PREFIX}{tree}:{spec.type}:{spec.address}"


def _bind(spec: SocketSpec) -> socket.socket:
    kind = socket.SOCK_DGRAM if spec.type == "udp" else socket.SOCK_STREAM
    host, _, port = spec.address.rpartition(":")
    host = host.strip("[]") or "127.0.0.1"
    family = socket.AF_UNIX if spec.type == "unix" else socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, kind)
    try:
        if spec.type == "unix":
            _unlink_dead(Path(spec.address))
            sock.bind(spec.address)
        else:
            if kind == socket.SOCK_STREAM:  # on a datagram socket it would let two programs share the port
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind((host, int(port)))
        if kind == socket.SOCK_STREAM:
            sock.listen(spec.backlog)
    except (OSError, ValueError, OverflowError) as error:
        sock.close()
        why = error.strerror or error if isinstance(error, OSError) else error
        raise ListenError(f"socket {spec.name} at {spec.address}: {why}") from error
    return sock


def _unlink_dead(path: Path) -> None:
    """Remove a socket file that nobody listens on any more; one that somebody serves stays, and cannot be bound."""
    if not path.is_socket():
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(os.fspath(path))
        except ConnectionRefusedError:
            path.unlink()
        except OSError:  # served, with a full backlog, or not ours to ask: binding will say so
            return
