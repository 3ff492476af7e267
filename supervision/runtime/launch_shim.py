"""A launch through the C shim (shim/overstory-exec.c): for what a spawn has no attribute for.

User, groups, hard limits, nice, cgroup, inherited sockets, and soft limits whose lowering would hurt the node. It costs
0.1 ms; `user=` of Popen costs 0.8 (it leaves vfork) and `preexec_fn` 1.3.
"""

import errno
import fcntl
import os
import resource
import select
import signal
from typing import Any

from supervision.runtime.launch_errors import LaunchError, explain_spawn, explain_step, limit_text
from supervision.runtime.launch_plain import output_actions
from supervision.runtime.launch_spec import LaunchPlan

FIRST_SOCKET = 3  # sd_listen_fds(3): SD_LISTEN_FDS_START
# How long a launch waits for the shim to exec. It takes about 0.1 ms; a file system that hangs must not hold the node
# past its heartbeat (2 s). After that the child counts as started: a failed exec is then its exit 127.
SHIM_BOUND_MS = 500

_NO_PRIORITY = os.sched_param(0)


class ShimSpawn:
    """`path` is the built overstory-exec, or None when it was not built (launches then fail by name). The others as of
    PlainSpawn."""

    def __init__(
        self,
        path: str | None,
        *,
        old_nofile: tuple[int, int],
        own_nofile: tuple[int, int],
        signals: tuple[int, ...],
    ) -> None:
        self._shim_path = path
        self._old_nofile, self._own_nofile, self._signals = old_nofile, own_nofile, signals

    def spawn(self, plan: LaunchPlan, executable: str, *, child_first: bool) -> int:
        """The pid. LaunchError names the step that failed; then no process is left."""
        if self._shim_path is None:
            raise LaunchError(errno.ENOENT, "shim", "the exec shim is not built: run make setup")
        report_at = FIRST_SOCKET + len(plan.sockets)
        environment = plan.variables()
        if plan.sockets:
            # LISTEN_PID is a place for the shim to fill in.
            environment = environment | {
                "LISTEN_PID": "0",
                "LISTEN_FDS": str(len(plan.sockets)),
                "LISTEN_FDNAMES": ":".join(name for name, _ in plan.sockets),
            }
        argv = [self._shim_path, str(report_at), *self._steps(plan), "exec", executable, *plan.argv]
        report, hand = os.pipe2(os.O_CLOEXEC)
        opened = [hand]
        stands_back = child_first and _stand_back()
        # Any: posix_spawn takes no "as it is" for it
        scheduler: dict[str, Any] = {"scheduler": (os.SCHED_OTHER, _NO_PRIORITY)} if stands_back else {}
        try:
            actions = output_actions(plan)
            for target, source in enumerate([*(fd for _, fd in plan.sockets), hand], start=FIRST_SOCKET):
                if FIRST_SOCKET <= source <= report_at:
                    # It stands where a dup2 will write: move it out of the way first.
                    source = fcntl.fcntl(source, fcntl.F_DUPFD_CLOEXEC, report_at + 1)
                    opened.append(source)
                actions.append((os.POSIX_SPAWN_DUP2, source, target))
            try:
                pid = os.posix_spawn(
                    self._shim_path,
                    argv,
                    environment,
                    file_actions=actions,
                    setsid=True,
                    setsigmask=(),
                    setsigdef=self._signals,
                    **scheduler,
                )
            except OSError as error:
                if plan.spare is not None and plan.spare.out:
                    # It is not there any more: with files of its own, then.
                    plan.spare = None
                    if stands_back:
                        stands_back = False
                        os.sched_setscheduler(0, os.SCHED_OTHER, _NO_PRIORITY)
                    return self.spawn(plan, executable, child_first=child_first)
                raise explain_spawn(error, plan.stdout, plan.stderr, self._shim_path, by_shim=True) from error
            for descriptor in opened:
                os.close(descriptor)
            opened = []
            self._await_exec(pid, report, plan, executable)
            return pid
        finally:
            if stands_back:
                os.sched_setscheduler(0, os.SCHED_OTHER, _NO_PRIORITY)
            os.close(report)
            for descriptor in opened:
                os.close(descriptor)

    def _await_exec(self, pid: int, report: int, plan: LaunchPlan, executable: str) -> None:
        """End of file means exec'd (or killed, which the pidfd tells); bytes are the step that failed."""
        poll = select.poll()
        poll.register(report, select.POLLIN)
        if not poll.poll(SHIM_BOUND_MS):
            return
        said = os.read(report, 512)
        if not said:
            return
        os.kill(pid, signal.SIGKILL)  # it is about to exit by itself; this bounds the wait
        os.waitpid(pid, 0)
        raise explain_step(said, plan.user.name if plan.user else "", executable)

    def _steps(self, plan: LaunchPlan) -> list[str]:
        """The shim's program, in its order: what needs privileges, the user, what the user must be allowed to do."""
        steps: list[str] = []
        if plan.spare is not None:
            steps += ("taken", plan.spare.ledger_path, str(plan.spare.at), plan.spare.note)
        if plan.cgroup is not None:
            steps += ("cgroup", plan.cgroup)
        if plan.oom_score_adj is not None:
            steps += ("oom", str(plan.oom_score_adj))
        if plan.nice is not None:
            steps += ("nice", str(plan.nice))
        for number, (soft, hard) in self._limits(plan).items():
            steps += ("limit", str(number), limit_text(soft), limit_text(hard) if hard is not None else "=")
        if plan.user is not None and not plan.user.is_self():
            groups = ",".join(str(gid) for gid in plan.user.groups)
            steps += ("groups", groups or "-", "gid", str(plan.user.gid), "uid", str(plan.user.uid))
        if plan.umask is not None:
            steps += ("umask", f"{plan.umask:o}")
        if plan.cwd is not None:
            steps += ("chdir", plan.cwd)
        if plan.sockets:
            steps.append("listen")
        return steps

    def _limits(self, plan: LaunchPlan) -> dict[int, tuple[int, int | None]]:
        limits: dict[int, tuple[int, int | None]] = {}
        if self._own_nofile != self._old_nofile:
            limits[resource.RLIMIT_NOFILE] = (self._old_nofile[0], None)
        limits.update({number: (soft, None) for number, soft in plan.soft_limits.items()})
        limits.update(plan.hard_limits)
        return limits


def _stand_back() -> bool:
    """As the spawn in C does: nobody is pushed aside by our waking until the policy is set back. False where it is not ours
    to change."""
    if os.sched_getscheduler(0) != os.SCHED_OTHER:
        return False
    os.sched_setscheduler(0, os.SCHED_BATCH, _NO_PRIORITY)
    return True
