"""Counts, and keeps the count as a checkpoint: `saver_program.py SDK NOTES`. What was acknowledged stands in NOTES."""

import os
import sys

sys.path.insert(0, sys.argv[1])

from overstory import channel, checkpoints

notes = os.open(sys.argv[2], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
link = channel.default()
found = checkpoints.restore(link)
count = found.state["count"] if found is not None else 0
if found is not None and found.state["again"] != [count] * found.state["times"]:
    os.write(notes, b"torn %d\n" % count)
os.write(notes, b"restored %d %d\n" % (os.getpid(), count))
while True:
    count += 1
    times = (count * 7919) % 5000
    checkpoints.save(link, {"count": count, "times": times, "again": [count] * times})
    os.write(notes, b"saved %d\n" % count)
