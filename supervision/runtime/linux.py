"""System calls that Python does not wrap, each with the oldest kernel that has it and what stands in for it.

The floor is Linux 5.4 (pidfd_open, pidfd_send_signal). Everything newer is probed once and degrades without an error;
`supports()` lists what this host has, for `doctor`.
"""

import contextlib
import ctypes
import errno
import fcntl
import functools
import os
import resource
import signal
import struct

PR_SET_CHILD_SUBREAPER = 36
PR_GET_CHILD_SUBREAPER = 37
FALLOC_FL_KEEP_SIZE = 1
FALLOC_FL_PUNCH_HOLE = 2
PIDFD_SIGNAL_PROCESS_GROUP = 1 << 2

PIDFD_INFO_EXIT = 1 << 3
# struct pidfd_info, first version: u64 mask, u64 cgroupid, then eleven u32 (pid, tgid, ppid, four uid/gid pairs), s32
# exit_code: 64 bytes. The ioctl number carries that size, and newer kernels fill in as much as they are asked for.
_PIDFD_INFO_SIZE = 64
_PIDFD_INFO_EXIT_CODE = struct.Struct("=i")
_PIDFD_GET_INFO = (3 << 30) | (_PIDFD_INFO_SIZE << 16) | (0xFF << 8) | 11
_PIDFD_INFO_ASK = PIDFD_INFO_EXIT.to_bytes(8, "little" if struct.pack("=H", 1)[0] else "big") + bytes(56)


@functools.cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _raise_errno(what: str) -> None:
    number = ctypes.get_errno()
    raise OSError(number, f"{what}: {os.strerror(number)}")


def become_subreaper() -> None:
    """Make orphaned descendants children of this process (prctl(2), Linux 3.4)."""
    if _libc().prctl(PR_SET_CHILD_SUBREAPER, ctypes.c_ulong(1), 0, 0, 0) != 0:
        _raise_errno("PR_SET_CHILD_SUBREAPER")


def is_subreaper() -> bool:
    """Whether `become_subreaper` is in force; it survives exec and is not inherited by fork."""
    flag = ctypes.c_int(0)
    return _libc().prctl(PR_GET_CHILD_SUBREAPER, ctypes.byref(flag), 0, 0, 0) == 0 and bool(flag.value)


@functools.cache
def has_pidfs() -> bool:
    """Whether a pidfd's inode names its process (pidfs, Linux 6.9); before that all pidfds share one inode."""
    inodes = set()
    for pid in (os.getpid(), os.getppid() or 1):
        try:
            descriptor = os.pidfd_open(pid)
        except OSError:  # the parent is outside our pid namespace
            return False
        inodes.add(os.fstat(descriptor).st_ino)
        os.close(descriptor)
    return len(inodes) == 2


def pidfd_inode(pidfd: int) -> int:
    """The number that names the process behind `pidfd` until the next boot; 0 where the kernel has none."""
    return os.fstat(pidfd).st_ino if has_pidfs() else 0


def pidfd_exit_status(pidfd: int) -> int | None:
    """Wait status of a process that was *reaped*, whoever reaped it (Linux 6.15), or None.

    The kernel answers only after the reap, and only through a pidfd that was opened before it. Older kernels refuse
    the ioctl (ENOTTY, EINVAL) or leave the bit out of the mask: None, never an error.
    """
    info = bytearray(_PIDFD_INFO_ASK)
    try:
        fcntl.ioctl(pidfd, _PIDFD_GET_INFO, info)
    except OSError as error:
        if error.errno in (errno.ENOTTY, errno.EINVAL, errno.ESRCH, errno.EOPNOTSUPP):
            return None
        raise
    if not info[0] & PIDFD_INFO_EXIT:
        return None
    status: int = _PIDFD_INFO_EXIT_CODE.unpack_from(info, _PIDFD_INFO_SIZE - 4)[0]
    return status


def signal_process(pidfd: int, sig: int) -> bool:
    """Send `sig` to the process behind `pidfd`; False when it was already reaped. PermissionError is raised."""
    try:
        signal.pidfd_send_signal(pidfd, sig)
    except ProcessLookupError:
        return False
    return True


def is_unreaped(pidfd: int) -> bool:
    """Whether the process behind `pidfd`, alive or zombie, still owns its pid."""
    try:
        return signal_process(pidfd, 0)
    except PermissionError:
        return True


def signal_group(pidfd: int, pid: int, sig: int) -> bool:
    """Send `sig` to the process group led by `pid`; False when nobody is left in it.

    By pidfd (Linux 6.9) it cannot hit a recycled number. The fallback is killpg: safe only while the leader is not
    reaped, so the caller kills the group while the leader is still a zombie.
    """
    try:
        if _signals_groups():
            signal.pidfd_send_signal(pidfd, sig, None, PIDFD_SIGNAL_PROCESS_GROUP)
        else:
            os.killpg(pid, sig)
    except ProcessLookupError:
        return False
    return True


@functools.cache
def _signals_groups() -> bool:
    own = os.pidfd_open(os.getpid())
    try:
        signal.pidfd_send_signal(own, 0, None, PIDFD_SIGNAL_PROCESS_GROUP)
    except OSError as error:
        return (
            error.errno != errno.EINVAL
        )  # ESRCH (we lead no group) and EPERM are answers of a kernel that has it
    finally:
        os.close(own)
    return True


def _fallocate(fd: int, mode: int, offset: int, length: int) -> None:
    call = _libc().fallocate
    call.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)
    if call(fd, mode, offset, length) != 0:
        _raise_errno("fallocate")


def fallocate_keep(fd: int, offset: int, length: int) -> None:
    """Reserve disk blocks without changing the file's size. OSError ENOSPC, or EOPNOTSUPP (file system)."""
    _fallocate(fd, FALLOC_FL_KEEP_SIZE, offset, length)


def punch_hole(fd: int, offset: int, length: int) -> None:
    """Give a range's blocks back without changing the file's size. OSError EOPNOTSUPP (file system)."""
    _fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, length)


def set_comm(name: str) -> None:
    """Name this process as `ps -o comm` shows it; the kernel keeps 15 bytes."""
    with open("/proc/self/comm", "wb", buffering=0) as comm:
        comm.write(name.encode()[:15])


def raise_nofile() -> tuple[int, int]:
    """Raise our soft limit of open files to the hard one (a pidfd for each child); the limits as they were before."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return soft, hard


def seal_descriptors() -> None:
    """Make everything from descriptor 3 up close-on-exec, also what we inherited, so that no child inherits it.

    close_range(2) with CLOSE_RANGE_CLOEXEC (Linux 5.11), else one by one.
    """
    close_range_cloexec, number = 1 << 2, 436
    if _libc().syscall(ctypes.c_long(number), 3, ctypes.c_uint(0xFFFFFFFF), close_range_cloexec) == 0:
        return
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):  # the listing's own descriptor is gone by now
            if int(name) > 2:
                os.set_inheritable(int(name), False)


def _gives_info() -> bool:
    own = os.pidfd_open(os.getpid())
    try:
        fcntl.ioctl(own, _PIDFD_GET_INFO, bytearray(_PIDFD_INFO_ASK))
    except OSError:
        return False
    finally:
        os.close(own)
    return True


def kernel_version() -> tuple[int, int]:
    """(major, minor) of the running kernel."""
    major, minor = os.uname().release.split(".")[:2]
    return int(major), int("".join(digit for digit in minor if digit.isdigit()) or 0)


def supports() -> dict[str, bool]:
    """What this host's kernel offers beyond the floor, by the name `doctor` shows."""
    pidfd = False
    with contextlib.suppress(OSError, AttributeError):
        os.close(os.pidfd_open(os.getpid()))
        pidfd = True
    return {
        "pidfd": pidfd,
        "pidfd inode": pidfd and has_pidfs(),
        "pidfd exit status": pidfd and _gives_info() and kernel_version() >= (6, 15),
        "pidfd group signal": pidfd and _signals_groups(),
        "children list": os.path.exists(f"/proc/self/task/{os.getpid()}/children"),
    }


def resident_bytes() -> int:
    """What this process holds of the machine's memory (proc(5), statm)."""
    with open("/proc/self/statm", "rb", buffering=0) as file:
        return int(file.read(256).split()[1]) * resource.getpagesize()


def trim_heap() -> None:
    """Give freed memory back to the system where the C library can (glibc): after a start, before the long quiet."""
    trim = getattr(_libc(), "malloc_trim", None)
    if trim is not None:
        trim(0)
