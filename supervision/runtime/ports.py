"""What the process driver needs of the operating system, real and in memory.

Both implementations pass tests/supervision/runtime/test_ports.py. A process is named by what `launch` returned; its
`pidfd` becomes readable when it ends, in both.
"""

import itertools
import os
import signal
from dataclasses import dataclass, field
from typing import Protocol

from supervision.runtime import exits
from supervision.runtime.launch import Launcher
from supervision.runtime.launch_errors import LaunchError
from supervision.runtime.launch_spec import LaunchPlan
from supervision.runtime.linux import signal_group, signal_process


@dataclass(frozen=True, slots=True)
class Launched:
    """A running child. The pidfd belongs to the caller until it gives it to `release`."""

    pid: int
    pidfd: int


class ProcessPort(Protocol):
    """Children of this process."""

    def launch(self, plan: LaunchPlan) -> Launched:
        """Start it; LaunchError when it could not be, and then nothing runs."""

    def signal(self, process: Launched, sig: int) -> bool:
        """Send `sig` to the process alone; False when it is reaped."""

    def signal_group(self, process: Launched, sig: int) -> bool:
        """Send `sig` to all of its process group; False when nobody is left."""

    def peek(self, process: Launched) -> int | None:
        """Wait status of an ended child that stays a zombie; None while it runs."""

    def reap(self, process: Launched) -> int | None:
        """Take the zombie away and return its wait status; None while it runs and ever after."""

    def release(self, process: Launched) -> None:
        """Close the pidfd."""


class RealProcesses:
    """Processes of the operating system."""

    def __init__(self, launcher: Launcher) -> None:
        self._launcher = launcher

    def launch(self, plan: LaunchPlan) -> Launched:
        return Launched(*self._launcher.start(plan))

    def signal(self, process: Launched, sig: int) -> bool:
        return signal_process(process.pidfd, sig)

    def signal_group(self, process: Launched, sig: int) -> bool:
        return signal_group(process.pidfd, process.pid, sig)

    def peek(self, process: Launched) -> int | None:
        return exits.peek(process.pid)

    def reap(self, process: Launched) -> int | None:
        return exits.reap(process.pid)

    def release(self, process: Launched) -> None:
        os.close(process.pidfd)


@dataclass(slots=True)
class FakeProcess:
    """One scripted process: what it was started with, what it was sent, how it ended."""

    plan: LaunchPlan
    signals: list[int] = field(default_factory=list)
    status: int | None = None
    reaped: bool = False


class FakeProcesses:
    """Processes that exist in memory only and end on demand. A signal ends one at once unless it `ignores` it.

    SIGKILL is never ignored. `refuse` is raised by the next launch. The "pidfd" is an eventfd.
    """

    def __init__(self, *, ignores: frozenset[int] = frozenset()) -> None:
        self.processes: dict[int, FakeProcess] = {}
        self.refuse: LaunchError | None = None
        self._ignores = ignores
        self._pids = itertools.count(100_000)
        self._pidfds: dict[int, int] = {}

    def launch(self, plan: LaunchPlan) -> Launched:
        if self.refuse is not None:
            error, self.refuse = self.refuse, None
            raise error
        pid = next(self._pids)
        self.processes[pid] = FakeProcess(plan)
        self._pidfds[pid] = os.eventfd(0, os.EFD_CLOEXEC)
        return Launched(pid, self._pidfds[pid])

    def exit(self, pid: int, status: int) -> None:
        """Let it end with that wait status; a second end is ignored."""
        process = self.processes[pid]
        if process.status is None:
            process.status = status
            os.eventfd_write(self._pidfds[pid], 1)

    def signal(self, process: Launched, sig: int) -> bool:
        target = self.processes[process.pid]
        if target.reaped:
            return False
        if sig and target.status is None:
            target.signals.append(sig)
            if sig == signal.SIGKILL or sig not in self._ignores:
                self.exit(process.pid, int(sig))
        return True

    def signal_group(self, process: Launched, sig: int) -> bool:
        return self.signal(process, sig)

    def peek(self, process: Launched) -> int | None:
        target = self.processes[process.pid]
        return None if target.reaped else target.status

    def reap(self, process: Launched) -> int | None:
        target = self.processes[process.pid]
        if target.reaped or target.status is None:
            return None
        target.reaped = True
        return target.status

    def release(self, process: Launched) -> None:
        os.close(self._pidfds.pop(process.pid))
