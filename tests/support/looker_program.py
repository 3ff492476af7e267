"""Looks a name up without pause: `looker_program.py SDK NAME NOTES`.

Before each lookup it asks the pidfd of every holder it has seen; a lookup that finds one whose pidfd was readable then is a
line `wrong`. Otherwise a line `found PID`, when that is another one than before, and `looked COUNT` now and then.
"""

import os
import select
import sys

sys.path.insert(0, sys.argv[1])

from overstory import channel, errors, registry

link = channel.default()
notes = os.open(sys.argv[3], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
pidfds: dict[int, int] = {}
count = 0
last = 0


def has_ended(pidfd: int) -> bool:
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    return bool(poll.poll(0))


while True:
    dead = {incarnation for incarnation, pidfd in pidfds.items() if pidfd < 0 or has_ended(pidfd)}
    try:
        found = registry.whereis(link, sys.argv[2])
    except errors.Unavailable:
        continue
    count += 1
    if count % 100 == 0:
        os.write(notes, b"looked %d\n" % count)
    if found is None:
        continue
    if found.incarnation in dead:
        os.write(notes, b"wrong %d\n" % found.incarnation)
    if found.incarnation not in pidfds:
        try:
            pidfds[found.incarnation] = os.pidfd_open(int(found.metadata["pid"]))
        except ProcessLookupError:
            pidfds[found.incarnation] = -1  # it ended since it was looked up, which is no fault of the lookup
        os.write(notes, b"found %d\n" % int(found.metadata["pid"]))
        for old in sorted(pidfds)[:-20]:
            fd = pidfds.pop(old)
            if fd >= 0:
                os.close(fd)
