"""One `up` for each data directory, and none beside a guardian that was started some other way."""

import fcntl
import os
from pathlib import Path

from supervision.runtime.paths import Paths


class AlreadyRunningError(Exception):
    """Somebody runs this data directory; the message names the process."""


def lock_instance(paths: Paths) -> int:
    """Hold the data directory until the process ends; the descriptor. AlreadyRunningError when it is taken.

    Two locks: ours covers the time before the guardian has taken its own, when the stores are prepared.
    """
    descriptor = _take(paths.data_dir / "up.lock", paths)
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"pid {os.getpid()}\n".encode(), 0)
    os.close(_take(paths.guardian_lock, paths))
    return descriptor


def _take(path: Path, paths: Paths) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = (
            os.pread(descriptor, 100, 0).decode(errors="replace").strip() or "a process that is just starting"
        )
        os.close(descriptor)
        raise AlreadyRunningError(
            f"Overstory already runs here: {paths.data_dir} is in use by {holder}. "
            "Another instance needs another OVERSTORY_DATA_DIR (or --data-dir)."
        ) from None
    return descriptor
