"""The Python child: `child.py FIFO INDEX [READY_FD]`, as native/stamp.c does it."""

import time

NOW_NS = time.clock_gettime_ns(time.CLOCK_MONOTONIC)

import contextlib  # noqa: E402  (the first act of the program is to say when it began)
import os  # noqa: E402
import signal  # noqa: E402
import struct  # noqa: E402
import sys  # noqa: E402


def stamp(now_ns: int) -> None:
    """Tell when we began; without a reader there is nobody to tell."""
    with contextlib.suppress(OSError):
        fifo = os.open(sys.argv[1], os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        os.write(fifo, struct.pack("=qii", now_ns, os.getpid(), int(sys.argv[2])))
        os.close(fifo)
    if len(sys.argv) > 3:
        os.write(int(sys.argv[3]), b"\n")


stamp(NOW_NS)
while True:
    signal.pause()
