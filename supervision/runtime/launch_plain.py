"""A launch by posix_spawn: where the library with our own spawn is not to be had.

What posix_spawn has no attribute for is done to ourselves around the spawn and undone after it: working directory, umask,
and the soft limits that cannot hurt us meanwhile. The node has one thread, so nobody sees it.
"""

import os
import resource

from supervision.runtime.launch_errors import cwd_error, explain_spawn, limit_error
from supervision.runtime.launch_spec import LaunchPlan

FileAction = tuple[int, int, int] | tuple[int, int, str, int, int]


def output_actions(plan: LaunchPlan) -> list[FileAction]:
    """Descriptors 0, 1 and 2."""
    append = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    actions: list[FileAction] = [
        (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
    ]
    if plan.spare is not None and plan.spare.out:
        append = os.O_WRONLY | os.O_APPEND
        actions.append((os.POSIX_SPAWN_OPEN, 1, plan.spare.out, append, 0))
        actions.append((os.POSIX_SPAWN_OPEN, 2, plan.spare.err, append, 0))
        return actions
    actions.append((os.POSIX_SPAWN_OPEN, 1, plan.stdout, append, 0o600))
    if plan.stderr == plan.stdout:
        actions.append((os.POSIX_SPAWN_DUP2, 1, 2))
    else:
        actions.append((os.POSIX_SPAWN_OPEN, 2, plan.stderr, append, 0o600))
    return actions


class PlainSpawn:
    """`old_nofile` is the limit that children get back, `own_nofile` the one that this process has raised itself to;
    `signals` are reset in the child."""

    def __init__(
        self, *, old_nofile: tuple[int, int], own_nofile: tuple[int, int], signals: tuple[int, ...]
    ) -> None:
        self._old_nofile, self._own_nofile, self._signals = old_nofile, own_nofile, signals
        try:
            self._home = os.open(".", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError:  # our own directory is closed to us
            self._home = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)

    def close(self) -> None:
        os.close(self._home)

    def spawn(self, plan: LaunchPlan, executable: str) -> int:
        """The pid. LaunchError."""
        limits: list[tuple[int, tuple[int, int]]] = []
        old_umask = None
        moved = False
        try:
            if self._own_nofile != self._old_nofile and resource.RLIMIT_NOFILE not in plan.soft_limits:
                resource.setrlimit(resource.RLIMIT_NOFILE, (self._old_nofile[0], self._own_nofile[1]))
                limits.append((resource.RLIMIT_NOFILE, self._own_nofile))
            for number, soft in plan.soft_limits.items():
                own = resource.getrlimit(number)
                _lower(number, soft, own[1])
                limits.append((number, own))
            if plan.cwd is not None:
                try:
                    os.chdir(plan.cwd)
                except OSError as error:
                    raise cwd_error(plan.cwd, error) from error
                moved = True
            if plan.umask is not None:
                old_umask = os.umask(plan.umask)
            return os.posix_spawn(
                executable,
                plan.argv,
                plan.variables(),
                file_actions=output_actions(plan),
                setsid=True,
                setsigmask=(),
                setsigdef=self._signals,
            )
        except OSError as error:
            raise explain_spawn(error, plan.stdout, plan.stderr, executable) from error
        finally:
            if moved:
                self._go_home()
            if old_umask is not None:
                os.umask(old_umask)
            for number, own in limits:
                resource.setrlimit(number, own)

    def _go_home(self) -> None:
        try:
            os.fchdir(self._home)
        except OSError:  # closed to us meanwhile; an error here would lose the pid of what was just started
            os.chdir("/")


def _lower(number: int, soft: int, hard: int) -> None:
    try:
        resource.setrlimit(number, (soft, hard))
    except (OSError, ValueError) as error:
        raise limit_error(error, number, soft) from error
