"""Run a program that refuses uid 0 although we are root: `python -I -S enter_user_namespace.py PROGRAM ARG...`.

PostgreSQL refuses to run as uid 0. In a user namespace that maps one uid, 65534 inside to ours outside, it sees an ordinary
user and has no capability, while the files stay ours: it works from a checkout that no other user can enter, and nothing has
to change owner. By exec and without a fork, so the supervised pid is the program's own. Standard library only.

Exit status 125 when the namespace cannot be had (`--check` runs nothing and only says so), as util-linux tools do.
"""

import ctypes
import os
import sys

CLONE_NEWUSER = 0x10000000
INSIDE_ID = 65534
CANNOT = 125


def enter() -> None:
    """Move this process into a user namespace of its own; OSError when the kernel or its settings refuse."""
    uid, gid = os.getuid(), os.getgid()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWUSER) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), "unshare(CLONE_NEWUSER)")
    write("/proc/self/setgroups", "deny")  # else the kernel refuses the group map of an unprivileged writer
    write("/proc/self/uid_map", f"{INSIDE_ID} {uid} 1")
    write("/proc/self/gid_map", f"{INSIDE_ID} {gid} 1")


def write(path: str, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY)
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)


def main(argv: list[str]) -> int:
    if not argv:
        sys.stderr.write("usage: enter_user_namespace.py --check | PROGRAM ARG...\n")
        return 2
    try:
        enter()
        if argv[0] == "--check":
            return 0
        os.execv(argv[0], argv)
    except OSError as error:
        sys.stderr.write(f"enter_user_namespace: {error}\n")
        return CANNOT


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
