"""What our own processes tell the node, in sd_notify's words; silent when nobody supervises them.

The SDK has the same for other people's programs; ours must not depend on how it is installed.
"""

import asyncio
import contextlib
import os
import socket
import threading

ALIVE_EVERY_S = 2.0


def tell(*fields: str) -> None:
    """Send fields such as `READY=1`; a node that is away misses a message, and nothing else happens."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
        sock.settimeout(1.0)
        with contextlib.suppress(OSError):
            sock.connect(address)
            sock.sendall("\n".join(fields).encode())


def ready(status: str) -> None:
    """What depends on us may start."""
    tell("READY=1", f"STATUS={status}", "WATCHDOG=1")


def alive() -> None:
    """A sign of life; the system tree's `watchdog` says how long a silence may be."""
    tell("WATCHDOG=1")


async def stay_alive() -> None:
    """Signs of life from an event loop, for as long as the loop turns."""
    while True:
        alive()
        await asyncio.sleep(ALIVE_EVERY_S)


class Heart:
    """Signs of life from a thread, for a program whose loop is not ours. `stop` ends and joins it."""

    def __init__(self) -> None:
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="sd_notify", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._ended.set()
        self._thread.join(5)

    def _beat(self) -> None:
        while not self._ended.wait(ALIVE_EVERY_S):
            alive()
