"""One of many that want a name: `racer_program.py SDK NAME GATE NOTES`.

It waits, connected, until the lock on GATE is let go, asks once for the name, and writes a line `won CHILD EPOCH` or
`told CHILD HOLDER`. Who was told tries again until it wins, from the moment that `GATE.again` is there.
"""

import fcntl
import os
import sys
import threading

sys.path.insert(0, sys.argv[1])

from overstory import channel, errors, registry

_, _, name, gate, notes_path = sys.argv
link = channel.default()
notes = os.open(notes_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
pause = threading.Event()
me = os.environ["OVERSTORY_CHILD"]


def attempt() -> str:
    """What came of asking: a line."""
    while True:
        try:
            held = registry.register(link, name)
        except registry.Taken as taken:
            return f"told {me} {taken.holder.get('child')}\n"
        except errors.Unavailable:
            pause.wait(0.05)
        else:
            return f"won {me} {held.epoch}\n"


if os.environ["OVERSTORY_INCARNATION"] == "1":
    while True:  # connected before the race begins
        try:
            registry.whereis(link, name)
            break
        except errors.Unavailable:
            pause.wait(0.05)
    os.write(notes, b"ready\n")
    fcntl.flock(os.open(gate, os.O_RDONLY), fcntl.LOCK_SH)  # audit: ignore[SUP906] held until it ends
    line = attempt()
    os.write(notes, line.encode())
    if line.startswith("told"):
        while line.startswith("told"):
            pause.wait(0.02)
            if os.access(gate + ".again", os.F_OK):
                line = attempt()
        os.write(notes, line.encode())
pause.wait()
