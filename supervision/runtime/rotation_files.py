"""What rotation asks of the file system: copying a range, making a hole, knowing whether anybody still writes."""

import contextlib
import errno
import fcntl
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from supervision.runtime.linux import punch_hole

_NO_RANGE_COPY = frozenset({errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EBADF})
_CHUNK = 1 << 20
Punch = Callable[[int, int, int], None]
"""(fd, offset, length); OSError EOPNOTSUPP where the file system cannot make holes."""


@contextmanager
def opened(path: str, flags: int) -> Iterator[int]:
    fd = os.open(path, flags | os.O_CLOEXEC, 0o600)
    try:
        yield fd
    finally:
        os.close(fd)


def copy_range(source: int, at: int, target: int, to: int, length: int) -> int:
    """Copy `length` bytes inside the kernel where it can (a shared extent on btrfs and XFS), else through memory.

    Bytes copied: fewer when the disk is full or the source ends. `target` grows as the bytes come, so its size always
    says how many there are, also after a kill -9.
    """
    done = 0
    in_kernel = True
    while done < length:
        try:
            if in_kernel:
                count = os.copy_file_range(source, target, length - done, at + done, to + done)
            else:
                count = os.pwrite(target, os.pread(source, min(_CHUNK, length - done), at + done), to + done)
        except OSError as error:
            if in_kernel and error.errno in _NO_RANGE_COPY:
                in_kernel = False
                continue
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                break
            raise
        if count == 0:
            break
        done += count
    return done


def can_punch(directory: str, punch: Punch = punch_hole) -> bool:
    """Whether the file system below `directory` makes holes that read as zeros and free their blocks."""
    path = os.path.join(directory, ".hole")
    try:
        with opened(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC) as fd:
            os.write(fd, b"x" * 65536)
            punch(fd, 0, 61440)
            return os.fstat(fd).st_size == 65536 and os.pread(fd, 2, 61439) == b"\0x"
    except OSError:
        return False
    finally:
        with contextlib.suppress(OSError):
            os.unlink(path)


def has_writer(path: str) -> bool | None:
    """Whether any process has the file open for writing; None where the kernel does not say (no leases, not our file).

    A read lease is only given on a file that nobody may write to (fcntl F_SETLEASE). It is given back at once; a writer
    that opens the file in between waits these microseconds, and the SIGIO that tells of it is ignored by `main`.
    """
    with opened(path, os.O_RDONLY) as fd:
        try:
            fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        except OSError as error:
            return True if error.errno == errno.EAGAIN else None
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    return False


def ignore_lease_breaks() -> None:
    """A lease that somebody breaks sends SIGIO, which ends a process that does not ignore it."""
    signal.signal(signal.SIGIO, signal.SIG_IGN)


def first_difference(one: int, at: int, other: int, to: int, length: int) -> int:
    """How many bytes are the same before the first difference; `length` when all are. Leading zeros of `one` count as
    the same: they may be what is left of the block in which a hole ends."""
    done = 0
    in_hole = True
    while done < length:
        mine = os.pread(one, min(_CHUNK, length - done), at + done)
        theirs = os.pread(other, len(mine), to + done)
        if in_hole:
            zeros = len(mine) - len(mine.lstrip(b"\0"))
            in_hole = zeros == len(mine)
            mine = theirs[:zeros] + mine[zeros:]
        if mine != theirs or not mine:
            return done + next(
                (i for i, (a, b) in enumerate(zip(mine, theirs, strict=False)) if a != b), len(theirs)
            )
        done += len(mine)
    return length


def first_data(fd: int, offset: int) -> int | None:
    """The first byte at or behind `offset` that is not in a hole; None when only a hole follows."""
    try:
        return os.lseek(fd, offset, os.SEEK_DATA)
    except OSError as error:
        if error.errno == errno.ENXIO:
            return None
        raise
