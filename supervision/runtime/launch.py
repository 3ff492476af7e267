"""Starting a process: a plain spawn (vfork.py, or posix_spawn) where that is enough, through the C shim where it is not.

Why not subprocess: Popen adds 0.1 ms to every restart, `user=` 0.8 (it leaves vfork) and `preexec_fn` 1.3; the shim 0.1.
What is to be launched is said by launch_spec.py; launch_plain.py and launch_shim.py are the two other ways beside vfork.py.

Descriptors 0, 1 and 2 of the launching process must be open: the child's files are opened in their place, which also
works when the node holds more files than the child may.
"""

import errno
import os
import resource
import signal
from collections.abc import Iterable

from supervision.runtime import vfork
from supervision.runtime.launch_errors import LaunchError, cwd_error, explain_spawn, limit_error
from supervision.runtime.launch_plain import PlainSpawn
from supervision.runtime.launch_shim import ShimSpawn
from supervision.runtime.launch_spec import LaunchPlan, NextLife, needs_shim
from supervision.runtime.linux import seal_descriptors
from supervision.runtime.standby import Standby
from supervision.runtime.vfork import Prebuilt, SpawnFailedError, VforkSpawn


class Launcher:
    """Starts processes in sessions of their own, with clean signals and nothing of ours inherited.

    `old_nofile` is what `linux.raise_nofile()` returned: children get that limit back. `shim_path` is the built
    overstory-exec, or None when it was not built (plans that need it then fail by name). `spawn_path` is the built
    overstory-spawn.so; without it posix_spawn does the same, slower. Single-threaded use only.
    """

    def __init__(
        self, old_nofile: tuple[int, int], shim_path: str | None, spawn_path: str | None = None
    ) -> None:
        self._old_nofile = old_nofile
        self._own_nofile = resource.getrlimit(resource.RLIMIT_NOFILE)
        self._vfork = VforkSpawn.load(spawn_path) if spawn_path is not None else None
        seal_descriptors()
        # All of them, not the ignored ones only: glibc's child makes one call for a listed signal and two for others.
        signals = tuple(int(s) for s in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP})
        self._plain = PlainSpawn(old_nofile=old_nofile, own_nofile=self._own_nofile, signals=signals)
        self._shim = ShimSpawn(shim_path, old_nofile=old_nofile, own_nofile=self._own_nofile, signals=signals)
        self.standby: Standby | None = None
        """For starts on their own; whoever uses it has it made, and counts it as a child."""
        if self._vfork is not None and shim_path is not None:
            self.standby = Standby(self._vfork, shim_path, signals=signals)

    def close(self) -> None:
        self._plain.close()

    def restore_nofile(self) -> None:
        """Give this process back the limit that it raised: its successor would take the raised one for its own."""
        resource.setrlimit(resource.RLIMIT_NOFILE, self._old_nofile)

    def launch(self, plan: LaunchPlan) -> int:
        """As `start`, for who opens a pidfd of his own: the pid."""
        pid, pidfd = self.start(plan)
        os.close(pidfd)
        return pid

    def start(self, plan: LaunchPlan, *, child_first: bool = False) -> tuple[int, int]:
        """Start `plan`: its pid and a pidfd. LaunchError names what failed, and then no process is left.

        A plan without user, hard limits, nice, cgroup and sockets returns when the program runs; another waits at most
        SHIM_BOUND_MS for the shim to hand over. `child_first`: leave the processor to the child until it first sleeps, or
        its share is used up.
        """
        executable = plan.program()
        try:
            if needs_shim(plan):
                pid = self._shim.spawn(plan, executable, child_first=child_first)
            elif self._vfork is not None:
                return self._launch_by_vfork(self._vfork, plan, executable, child_first=child_first)
            else:
                plan.spare = None  # the slow way
                pid = self._plain.spawn(plan, executable)
            return pid, os.pidfd_open(pid)
        except ValueError as error:
            raise LaunchError(
                errno.EINVAL, "executable", f"no argument or variable may hold this: {error}"
            ) from error

    def prebuild(self, plan: LaunchPlan, *, without: Iterable[str]) -> Prebuilt | None:
        """What starts of `plan` have in common, without variables that are each life's own; None where it is not started
        by the spawn of our own. ValueError, LaunchError."""
        if self._vfork is None or needs_shim(plan):
            return None
        environment = {name: value for name, value in plan.environment.items() if name not in without}
        return self._prebuilt(plan, environment, plan.program())

    def start_next(self, life: NextLife, *, child_first: bool) -> tuple[int, int] | None:
        """As `start`; None where it failed: the same by a whole plan is tried again, or says in words why not."""
        if self._vfork is None:
            return None
        text = life.prebuilt.text(life.stdout, life.stderr, life.spare, life.own)
        try:
            return self._vfork.spawn_text(text, child_first=child_first)
        except SpawnFailedError:
            return None

    def _prebuilt(self, plan: LaunchPlan, environment: dict[str, str], executable: str) -> Prebuilt:
        inherited = plan.inherited
        if inherited is not None and not environment.keys().isdisjoint(inherited.variables):
            environment = inherited.variables | environment  # a variable may not come twice
            inherited = None
        return Prebuilt(
            executable=executable,
            argv=plan.argv,
            environment=environment,
            inherited=inherited,
            cwd=plan.cwd,
            umask=plan.umask,
            limits=self._soft_limits(plan),
        )

    def _soft_limits(self, plan: LaunchPlan) -> list[tuple[int, int]]:
        limits = [*plan.soft_limits.items()] if plan.soft_limits else []
        if self._own_nofile != self._old_nofile and resource.RLIMIT_NOFILE not in plan.soft_limits:
            limits.append((resource.RLIMIT_NOFILE, self._old_nofile[0]))
        return limits

    def _launch_by_vfork(
        self, spawn: VforkSpawn, plan: LaunchPlan, executable: str, *, child_first: bool
    ) -> tuple[int, int]:
        if "\0" in plan.stdout or "\0" in plan.stderr:
            raise ValueError("embedded null character")
        text = self._prebuilt(plan, plan.environment, executable).text(
            plan.stdout, plan.stderr, plan.spare, ""
        )
        try:
            return spawn.spawn_text(text, child_first=child_first)
        except SpawnFailedError as failed:
            error = OSError(failed.errno, os.strerror(failed.errno))
            if failed.step == vfork.PROCESS and failed.errno not in (errno.EAGAIN, errno.ENOMEM):
                self._vfork, plan.spare = None, None  # the call is not to be had here
                pid = self._plain.spawn(plan, executable)
                return pid, os.pidfd_open(pid)
            if failed.step == vfork.CWD and plan.cwd is not None:
                raise cwd_error(plan.cwd, error) from error
            if failed.step >= vfork.LIMIT:
                number, soft = self._soft_limits(plan)[failed.step - vfork.LIMIT]
                raise limit_error(error, number, soft) from error
            raise explain_spawn(error, plan.stdout, plan.stderr, executable) from error
