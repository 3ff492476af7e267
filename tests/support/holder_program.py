"""Holds a name: `holder_program.py SDK NAME`. Its metadata says which process it is."""

import os
import sys
import threading

sys.path.insert(0, sys.argv[1])

from overstory import channel, errors, registry

link = channel.default()
pause = threading.Event()
while True:
    try:
        registry.register(link, sys.argv[2], metadata={"pid": os.getpid()})
        break
    except errors.Refused:  # the one before us is not known to be over yet, or nobody can be asked
        pause.wait(0.005)
pause.wait()
