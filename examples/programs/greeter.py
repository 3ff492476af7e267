"""An ASGI service: greets, counts, and writes each visit to a log that another child follows.

Run by uvicorn on a socket that it did not open (`--fd 3`): the socket belongs to the supervisor and stays open while this
process is replaced, so that a visitor waits a moment instead of being refused.
"""

import os
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from lifecycle import state_dir, who

Message = dict[str, Any]
LOG_BYTES = 1 << 20

visits = 0


async def app(
    scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
) -> None:
    """`/` greets, `/healthz` is the readiness probe's, anything else is 404."""
    if scope["type"] == "lifespan":
        await lifespan(receive, send)
    elif scope["type"] == "http":
        status, text = answer(scope["path"])
        headers = [
            (b"content-type", b"text/plain; charset=utf-8"),
            (b"content-length", str(len(text)).encode()),
        ]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": text})


def answer(path: str) -> tuple[int, bytes]:
    global visits
    if path == "/healthz":
        return 200, b"ok\n"
    if path != "/":
        return 404, b"not here\n"
    visits += 1
    record(f"{time.strftime('%H:%M:%S')} visit {visits} to {who()}, pid {os.getpid()}")
    return 200, f"Hello from {who()}, pid {os.getpid()}; visit {visits} of this life.\n".encode()


def record(line: str) -> None:
    """Append to the visit log, which starts anew at 1 MiB; the follower notices."""
    path = log_path()
    if path.exists() and path.stat().st_size > LOG_BYTES:
        path.replace(path.with_suffix(".log.1"))
    with path.open("a") as file:
        file.write(line + "\n")


def log_path() -> Path:
    return state_dir() / "visits.log"


async def lifespan(
    receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
) -> None:
    while True:
        message = await receive()
        await send({"type": message["type"] + ".complete"})
        if message["type"] == "lifespan.shutdown":
            return
