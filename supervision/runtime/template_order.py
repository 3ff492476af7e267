"""What is asked of a template, and what comes of it: the words between the process driver and whatever forks agents."""

import os
import resource
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from supervision.runtime.forking import TemplateKey
from supervision.runtime.launch_spec import LaunchPlan, UserIds

Source = Literal["template", "spare"]


@dataclass(frozen=True, slots=True)
class Forked:
    """A process that is, or is about to be, the agent. The pidfd is the receiver's.

    `template` is the pid of the template whose child it is, which reaps it by `reap`; None: it is a child of ours already.
    """

    pid: int
    pidfd: int
    source: Source
    template: int | None


@dataclass(slots=True, eq=False)
class ForkOrder:
    """One agent to be forked. Exactly one of `on_forked` and `on_refused` is called, unless it is cancelled before.

    `unwanted` may be set while it is under way: if it has not been forked by then it need not be, and is refused.

    owner       the child, its instances together: what `spares` are counted by
    plan        how it would be exec'd; output, limits, user, directory and environment hold for the fork too
    on_refused  why it cannot be forked: exec it
    on_broken   after `on_forked`: the process ended because it could not become the agent, and why
    """

    key: TemplateKey
    owner: str
    spares: int
    entry_point: str
    plan: LaunchPlan
    own: dict[str, str]
    comm: str
    on_forked: Callable[[Forked], None]
    on_refused: Callable[[str], None]
    on_broken: Callable[[str], None]
    user: UserIds | None = None
    cancelled: bool = field(default=False, init=False)
    unwanted: bool = field(default=False, init=False)

    @property
    def needs_us(self) -> bool:
        """Whether something must be done to the process that it may not do itself: a group, a priority, a hard limit."""
        plan = self.plan
        return plan.cgroup is not None or plan.nice is not None or bool(plan.hard_limits)

    @property
    def passes_output(self) -> bool:
        """Whether its output is opened by us: another user's process may not. Making two files takes a millisecond, which is
        better spent by the process itself than by the node."""
        return self.user is not None and not self.user.is_self()

    def open_output(self) -> tuple[int, ...]:
        """The descriptors of its output that go with the order, if any; the caller closes them. OSError."""
        return _open_output(self.plan) if self.passes_output else ()

    def start(self) -> dict[str, Any]:
        """What the process is told to become."""
        return {
            "entry_point": self.entry_point,
            "mark": self.own["OVERSTORY_MARK"],
            "output": None if self.passes_output else [self.plan.stdout, self.plan.stderr],
            "command": [self.plan.argv[0], self.entry_point, self.own["OVERSTORY_CHILD"]],
            "comm": self.comm,
            "environment": self.own,
            "cwd": self.plan.cwd or "/",
            "umask": self.plan.umask,
            "limits": [[number, soft] for number, soft in self.plan.soft_limits.items()],
        }

    def prepare(self, pid: int) -> None:
        """Do to the waiting process what `needs_us`. OSError, ValueError."""
        plan = self.plan
        if plan.cgroup is not None:
            with open(os.path.join(plan.cgroup, "cgroup.procs"), "w") as file:
                file.write(str(pid))
        if plan.nice is not None:
            os.setpriority(os.PRIO_PROCESS, pid, plan.nice)
        for number, limits in plan.hard_limits.items():
            resource.prlimit(pid, number, limits)


def _open_output(plan: LaunchPlan) -> tuple[int, int]:
    """Descriptors of (stdout, stderr), appended to. OSError."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
    out = os.open(plan.stdout, flags, 0o600)
    try:
        return out, os.open(plan.stderr, flags, 0o600)
    except OSError:
        os.close(out)
        raise


def kill(pidfd: int) -> None:
    """SIGKILL to what may be gone."""
    try:
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)
    except ProcessLookupError:
        return
