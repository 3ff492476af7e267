"""Run a program that has no lock of its own: `python -I -S hold_lock.py LOCK_FILE PROGRAM ARG...`.

Two Redis servers that append to one log ruin it, and nothing in Redis keeps the second away (PostgreSQL looks for itself).
The lock is on a descriptor that the program inherits by exec, so it is held for as long as the program or a process it
forked lives, and goes with a kill -9. Standard library only.
"""

import fcntl
import os
import sys

TAKEN = 125


def main(argv: list[str]) -> int:
    if len(argv) < 2:
        sys.stderr.write("usage: hold_lock.py LOCK_FILE PROGRAM ARG...\n")
        return 2
    descriptor = os.open(argv[0], os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.stderr.write(f"{argv[0]} is held: another {argv[1]} still works there\n")
        return TAKEN
    os.set_inheritable(descriptor, True)
    os.execv(argv[1], argv[1:])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
