"""See talker.py. Runs in a bare interpreter: `talker_program.py SDK SOCKET`."""

import json
import os
import socket
import sys
import threading
import traceback
from collections.abc import Callable
from typing import Any

sys.path.insert(0, sys.argv[1])

from overstory import channel as channels
from overstory import checkpoints, errors, registry

names: dict[str, Any] = {
    "os": os,
    "channel": channels.default(),
    "channels": channels,
    "checkpoints": checkpoints,
    "registry": registry,
    "pushes": [],
}


def hear(topic: str) -> bool:
    """Keep what is pushed, for a test to look at."""

    def keep(push: channels.Push) -> None:
        names["pushes"].append([push.topic, push.resync, push.body])

    return channels.default().subscribe(topic, keep)


def attempt(call: Callable[[], Any]) -> Any:
    """What it gives, or None while nobody can answer."""
    try:
        return call()
    except errors.Unavailable:
        return None


names |= {"hear": hear, "attempt": attempt}


def answer(connection: socket.socket) -> None:
    with connection:
        expression = json.loads(connection.makefile("rb").readline())
        try:
            said = {"value": eval(expression, names)}
        except Exception:
            said = {"raised": traceback.format_exc()}
        connection.sendall(json.dumps(said, default=str).encode() + b"\n")


def main() -> None:
    path = sys.argv[2]
    listener = socket.socket(socket.AF_UNIX)  # audit: ignore[SUP902] it listens until it is killed
    if os.path.exists(path):  # noqa: PTH110
        os.unlink(path)  # noqa: PTH108
    listener.bind(path)
    listener.listen(64)
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=answer, args=(connection,), daemon=True).start()


main()
