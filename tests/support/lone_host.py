"""A host with a pid namespace of its own: nobody outside can look at its processes, and all of them die in one moment.

Two hosts of the tests share a machine, so whoever watches the processes of its machine would see a death that the network
alone tells of. Root makes the namespace; anybody else makes it within a user namespace.
"""

import contextlib
import os
import signal
from collections.abc import Mapping
from pathlib import Path

from tests.support.fleet import Host
from tests.support.waiting import wait_for


def _within() -> list[str]:
    mapped = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    return ["unshare", *mapped, "--pid", "--fork", "--kill-child", "--mount-proc"]


class LoneHost(Host):
    """Its guardian is process 1 of the namespace; pids that it tells are pids there."""

    def __init__(
        self, name: str, *, database_url: str, redis_url: str, labels: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(
            name, database_url=database_url, redis_url=redis_url, labels=labels, within=_within()
        )

    def first_pid(self) -> int | None:
        """Of process 1, as we see it."""
        if self.guardian is None:
            return None
        with contextlib.suppress(OSError):
            words = Path(f"/proc/{self.guardian.pid}/task/{self.guardian.pid}/children").read_text().split()
            return int(words[0]) if words else None
        return None

    def outer_pid(self, inner: int) -> int:
        """Of the process that is `inner` in the namespace."""
        for pid in self.processes():
            with contextlib.suppress(OSError):
                words = Path(f"/proc/{pid}/status").read_text().partition("NSpid:")[2].split("\n")[0].split()
                if len(words) > 1 and int(words[-1]) == inner:
                    return pid
        raise AssertionError(f"{self.name} has no process {inner}: {self.processes()}")

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def die(self) -> None:
        """kill -9 of process 1: the kernel ends the guardian, the node and every child with it."""
        self._end(signal.SIGKILL)

    def _end(self, number: int) -> None:
        pid = self.first_pid()
        if pid is not None:
            os.kill(pid, number)  # audit: ignore[SUP303] it holds our directory
        if self.guardian is not None:
            self.guardian.wait(timeout=90)
        wait_for(lambda: not self.processes(), timeout=30, what=f"{self.name} is gone")
