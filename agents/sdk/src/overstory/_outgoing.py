"""Bytes on their way into a socket that takes what it has room for. The channel's lock is held around every call."""

import socket


class Outgoing:
    """A buffer of whole lines, the first of them perhaps half sent."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def __len__(self) -> int:
        return len(self._bytes)

    def add(self, line: bytes) -> None:
        self._bytes += line

    def send(self, sock: socket.socket) -> None:
        """Send what the socket takes now. OSError: BlockingIOError when it takes nothing."""
        del self._bytes[: sock.send(self._bytes)]

    def clear(self) -> None:
        self._bytes.clear()
