"""A program that leaks one kind of thing at a stated rate, or works without leaking. `python leaking.py KIND DIRECTORY`.

memory        1 MiB a second
descriptors   5 a second            sockets       5 a second, each accepted and never closed
threads       2 a second            children      1 a second
zombies       1 a second, ended and never reaped
tasks         5 asyncio tasks a second, told as the gauge asyncio_tasks
queue         50 messages a second, told as queue_length
timers        5 a second, told as timers
connections   5 a second, told as connections
disk          1 MiB a second into DIRECTORY
clean         10,000 operations, each with a thread, a file, a socket, a child now and then, and a cache with a bound
"""

import asyncio
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

MIB = 1 << 20
STEPS = os.environ.get("LEAKING_STEPS")
"""Where `tests.support.stepping` says when a second of this program passes, instead of the clock."""
kept: list[Any] = []


def steadily(act: Callable[[], object], every_s: float) -> None:
    """For ever, at a pace that does not drift."""
    if STEPS:
        step_by_step(act, every_s, Path(STEPS))
        return
    due = time.monotonic()
    while True:
        act()
        due += every_s
        time.sleep(max(0.0, due - time.monotonic()))


def step_by_step(act: Callable[[], object], every_s: float, steps: Path) -> None:
    """A second's worth of `act` for every byte that comes, and a byte back when it is done."""
    passed, due = 0, 0.0
    with (steps / "go").open("rb", buffering=0) as go, (steps / "done").open("wb", buffering=0) as done:
        while go.read(1):
            passed += 1
            while due < passed:
                act()
                due += every_s
            done.write(b".")


def memory(_directory: Path) -> None:
    steadily(lambda: kept.append(os.urandom(MIB // 8)), 0.125)


def descriptors(_directory: Path) -> None:
    steadily(lambda: kept.append(os.open("/dev/null", os.O_RDONLY)), 0.2)


def sockets(_directory: Path) -> None:
    listening = socket.create_server(("127.0.0.1", 0))  # audit: ignore[SUP902] it leaks on purpose

    def connect() -> None:
        with socket.create_connection(listening.getsockname()):
            kept.append(listening.accept()[0])  # the other side has gone: CLOSE_WAIT for ever

    steadily(connect, 0.2)


def threads(_directory: Path) -> None:
    never = threading.Event()
    steadily(lambda: threading.Thread(target=never.wait, daemon=True).start(), 0.5)


def children(_directory: Path) -> None:
    steadily(lambda: kept.append(subprocess.Popen(["/bin/sleep", "3600"])), 1.0)


def zombies(_directory: Path) -> None:
    steadily(lambda: kept.append(subprocess.Popen(["/bin/true"])), 1.0)


def tell(**gauges: float) -> None:
    from overstory import channel

    channel.default().gauges(gauges)


def tasks(_directory: Path) -> None:
    async def run() -> None:
        while True:
            kept.append(asyncio.create_task(asyncio.Event().wait()))
            tell(asyncio_tasks=len(asyncio.all_tasks()))
            await asyncio.sleep(0.2)

    asyncio.run(run())


def queue(_directory: Path) -> None:
    def put() -> None:
        kept.extend(range(10))
        tell(queue_length=len(kept))

    steadily(put, 0.2)


def timers(_directory: Path) -> None:
    def begin() -> None:
        timer = threading.Timer(3600, print)
        kept.append(timer)  # never started: what is told is what the program believes to have
        tell(timers=len(kept))

    steadily(begin, 0.2)


def connections(_directory: Path) -> None:
    def lend() -> None:
        kept.append(object())
        tell(connections=len(kept))

    steadily(lend, 0.2)


def disk(directory: Path) -> None:
    with (directory / "kept").open("ab", buffering=0) as file:
        steadily(lambda: file.write(os.urandom(MIB // 2)), 0.5)


def idle(_directory: Path) -> None:
    threading.Event().wait()


def clean(directory: Path) -> None:
    """Says when it is done, and then stands still."""
    cache: OrderedDict[int, bytes] = OrderedDict()
    for number in range(10_000):
        cache[number] = os.urandom(2048)
        if len(cache) > 1000:
            cache.popitem(last=False)
        with tempfile.TemporaryFile(dir=directory) as file:
            file.write(cache[number])
        left, right = socket.socketpair()
        left.close()
        right.close()
        if number % 10 == 0:
            thread = threading.Thread(target=sum, args=([number],))
            thread.start()
            thread.join()
        if number % 500 == 0:
            subprocess.run(["/bin/true"], check=True)
        time.sleep(0.004)
    (directory / "done").touch()
    threading.Event().wait()


if __name__ == "__main__":
    globals()[sys.argv[1]](Path(sys.argv[2]))
