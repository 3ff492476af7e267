"""Whether an agent was asked to stop: set from a signal handler, waited for by any thread.

A descriptor and not a threading.Event: `Event.set` takes a lock, and a handler that runs while the main thread is about to
wait on the same one would wait for ever.
"""

import contextlib
import os
import select


class Stopping:
    """Unset until `set`; then set for good."""

    def __init__(self) -> None:
        self.is_set = False
        self._fd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)

    def set(self) -> None:
        """Also from a signal handler."""
        self.is_set = True
        with contextlib.suppress(OSError):
            os.eventfd_write(self._fd, 1)

    def wait(self, timeout_s: float) -> bool:
        """Wait at most so long; whether it is set."""
        if not self.is_set:
            poll = select.poll()
            poll.register(self._fd, select.POLLIN)
            poll.poll(max(0.0, timeout_s) * 1000)
        return self.is_set

    def fileno(self) -> int:
        """Readable once it is set."""
        return self._fd

    def close(self) -> None:
        os.close(self._fd)
