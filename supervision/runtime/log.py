"""One line for each thing guardian and node do, for people and for `journald`; never a secret, never on the restart path."""

import json
import os
import sys
from typing import Any

from supervision.runtime.clock import SystemClock

MAX_BYTES = 10 * 1024 * 1024


class Log:
    """Lines `TIME ROLE message key=value` to a file ("-" is standard error). The file is moved to `.1` at 10 MiB."""

    def __init__(self, path: str, role: str) -> None:
        self.path = path
        self.role = role
        self._clock = SystemClock()
        self._fd = sys.stderr.fileno() if path == "-" else self._open()

    def _open(self) -> int:
        return os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)

    def say(self, message: str, **facts: Any) -> None:
        """Write one line; a log that cannot be written never stops its caller."""
        words = " ".join(f"{name}={json.dumps(value, default=str)}" for name, value in facts.items())
        line = f"{self._clock.wall():.3f} {self.role} {message} {words}".rstrip() + "\n"
        try:
            os.write(self._fd, line.encode(errors="replace"))
            if self.path != "-" and os.fstat(self._fd).st_size > MAX_BYTES:
                self._turn_over()
        except OSError:
            return

    def _turn_over(self) -> None:
        """Go on in a new file; the old descriptor is given up only once there is another, whoever gets its number next."""
        if os.path.exists(self.path) and os.path.samestat(os.stat(self.path), os.fstat(self._fd)):
            os.replace(self.path, self.path + ".1")  # else the other of guardian and node has done it
        new = self._open()
        os.close(self._fd)
        self._fd = new


def current_traceback() -> str:
    """Of the exception that is being handled. What prints it is loaded only now: it is rare, and not small."""
    import traceback

    return traceback.format_exc()
