"""Starting a process: a plain spawn (vfork.py, or posix_spawn) where that is enough, through the C shim where it is not.

Why not subprocess: Popen adds 0.1 ms to every restart, `user=` 0.8 (it leaves vfork) and `preexec_fn` 1.3; the shim 0.1.
What posix_spawn has no attribute for is done to ourselves around the spawn and undone after it: working directory,
umask, and the soft limits that cannot hurt us meanwhile. The node has one thread, so nobody sees it. The rest (user,
groups, hard limits, nice, cgroup, inherited sockets, and soft limits whose lowering would hurt the node) is the shim's.

Descriptors 0, 1 and 2 of the launching process must be open: the child's files are opened in their place, which also
works when the node holds more files than the child may.
"""

import errno
import fcntl
import grp
import os
import pwd
import resource
import select
import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from supervision.runtime import vfork
from supervision.runtime.launch_errors import (
    LaunchError,
    cwd_error,
    explain_spawn,
    explain_step,
    limit_name,
    limit_text,
    problem_with,
)
from supervision.runtime.linux import seal_descriptors
from supervision.runtime.spare_files import Pair
from supervision.runtime.vfork import Inherited, SpawnFailedError, VforkSpawn

__all__ = ["LaunchError", "LaunchPlan", "Launcher", "UserIds", "needs_shim", "resolve_executable"]

FIRST_SOCKET = 3  # sd_listen_fds(3): SD_LISTEN_FDS_START
# How long launch() waits for the shim to exec. It takes about 0.1 ms; a file system that hangs must not hold the node
# past its heartbeat (2 s). After that the child counts as started: a failed exec is then its exit 127.
SHIM_BOUND_MS = 500
# Lowering these around the spawn cannot hurt the launcher. The others can: a soft CPU limit below our own use sends
# us SIGXCPU, AS and DATA make the spawn's own stack fail, NPROC counts what runs already.
_HARMLESS = frozenset(
    {resource.RLIMIT_NOFILE, resource.RLIMIT_CORE, resource.RLIMIT_FSIZE, resource.RLIMIT_MEMLOCK}
)

_NO_PRIORITY = os.sched_param(0)


@dataclass(frozen=True, slots=True)
class UserIds:
    """A user as the kernel knows it, looked up beforehand so that no name service is asked on the restart path."""

    name: str
    uid: int
    gid: int
    groups: tuple[int, ...]
    home: str = "/"

    @classmethod
    def lookup(cls, user: str, group: str | None = None) -> "UserIds":
        """Resolve names (or decimal ids) now. LaunchError("user") when there is no such user or group."""
        try:
            entry = pwd.getpwuid(int(user)) if user.isdecimal() else pwd.getpwnam(user)
        except KeyError:
            if not (user.isdecimal() and group is not None):
                raise LaunchError(errno.ESRCH, "user", f"user {user} does not exist") from None
            entry = None
        try:
            gid = _group_id(group) if group is not None else entry.pw_gid if entry else 0
        except KeyError:
            raise LaunchError(errno.ESRCH, "user", f"group {group} does not exist") from None
        if entry is None:
            return cls(user, int(user), gid, (gid,))
        return cls(entry.pw_name, entry.pw_uid, gid, tuple(os.getgrouplist(entry.pw_name, gid)), entry.pw_dir)

    def is_self(self) -> bool:
        """Whether it is who we are already; then nothing is changed, for which an ordinary user has no right anyway."""
        return self.uid == os.geteuid() and self.gid == os.getegid()


def _group_id(group: str) -> int:
    return int(group) if group.isdecimal() else grp.getgrnam(group).gr_gid


@dataclass(slots=True)
class LaunchPlan:
    """Everything one launch needs, resolved beforehand. Not frozen: it is made on the restart path, where that shows.

    `stdout` and `stderr` are absolute paths, created 0600 and appended to. `environment` is the child's whole
    environment, or what is its own beside `inherited`.
    `executable` is what is exec'd; without it argv[0] is found by the child's own PATH on each launch.
    Limits are keyed by resource.RLIMIT_*; a soft limit leaves the hard one, a hard limit is (soft, hard).
    `spare`: files to open instead of these, where they are there; whoever gave them gives them the names. None after a
    launch that could not use them.
    `sockets` become descriptors 3, 4, ... with LISTEN_FDS, LISTEN_FDNAMES and LISTEN_PID set as systemd sets them.
    """

    argv: list[str] | tuple[str, ...]
    environment: dict[str, str]
    cwd: str | None
    stdout: str
    stderr: str
    executable: str | None = None
    soft_limits: Mapping[int, int] = field(default_factory=dict)
    hard_limits: Mapping[int, tuple[int, int]] = field(default_factory=dict)
    user: UserIds | None = None
    nice: int | None = None
    umask: int | None = None
    cgroup: str | None = None
    oom_score_adj: int | None = None
    sockets: tuple[tuple[str, int], ...] = ()
    inherited: Inherited | None = None
    spare: Pair | None = None

    def variables(self) -> dict[str, str]:
        """The whole environment."""
        if self.inherited is None:
            return self.environment
        return self.inherited.variables | self.environment


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
        self._shim_path = shim_path
        self._vfork = VforkSpawn.load(spawn_path) if spawn_path is not None else None
        seal_descriptors()
        # All of them, not the ignored ones only: glibc's child makes one call for a listed signal and two for others.
        self._signals = tuple(int(s) for s in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP})
        try:
            self._home = os.open(".", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError:  # our own directory is closed to us
            self._home = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)

    def close(self) -> None:
        os.close(self._home)

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
        executable = plan.executable or _executable(plan)
        try:
            if needs_shim(plan):
                pid = self._launch_by_shim(plan, executable, child_first=child_first)
            elif self._vfork is not None:
                return self._launch_by_vfork(self._vfork, plan, executable, child_first=child_first)
            else:
                plan.spare = None  # the slow way
                pid = self._launch_plain(plan, executable)
            return pid, os.pidfd_open(pid)
        except ValueError as error:
            raise LaunchError(
                errno.EINVAL, "executable", f"no argument or variable may hold this: {error}"
            ) from error

    def _launch_by_vfork(
        self, spawn: VforkSpawn, plan: LaunchPlan, executable: str, *, child_first: bool
    ) -> tuple[int, int]:
        limits = [*plan.soft_limits.items()] if plan.soft_limits else []
        inherited, environment = plan.inherited, plan.environment
        if inherited is not None and not environment.keys().isdisjoint(inherited.variables):
            inherited, environment = None, plan.variables()  # a variable may not come twice
        if self._own_nofile != self._old_nofile and resource.RLIMIT_NOFILE not in plan.soft_limits:
            limits.append((resource.RLIMIT_NOFILE, self._old_nofile[0]))
        try:
            return spawn.spawn(
                executable=executable,
                argv=plan.argv,
                environment=environment,
                inherited=inherited,
                cwd=plan.cwd,
                umask=plan.umask,
                stdout=plan.stdout,
                stderr=plan.stderr,
                limits=limits,
                spare=plan.spare,
                child_first=child_first,
            )
        except SpawnFailedError as failed:
            error = OSError(failed.errno, os.strerror(failed.errno))
            if failed.step == vfork.PROCESS and failed.errno not in (errno.EAGAIN, errno.ENOMEM):
                self._vfork, plan.spare = None, None  # the call is not to be had here
                pid = self._launch_plain(plan, executable)
                return pid, os.pidfd_open(pid)
            if failed.step == vfork.CWD and plan.cwd is not None:
                raise cwd_error(plan.cwd, error) from error
            if failed.step >= vfork.LIMIT:
                number, soft = limits[failed.step - vfork.LIMIT]
                raise _limit_error(error, number, soft) from error
            raise explain_spawn(error, plan.stdout, plan.stderr, executable) from error

    def _launch_plain(self, plan: LaunchPlan, executable: str) -> int:
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
                file_actions=_output_actions(plan),
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

    def _launch_by_shim(self, plan: LaunchPlan, executable: str, *, child_first: bool) -> int:
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
            actions = _output_actions(plan)
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
                if plan.spare is not None:  # it is not there any more: with files of its own, then
                    plan.spare = None
                    if stands_back:
                        stands_back = False
                        os.sched_setscheduler(0, os.SCHED_OTHER, _NO_PRIORITY)
                    return self._launch_by_shim(plan, executable, child_first=child_first)
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


def needs_shim(plan: LaunchPlan) -> bool:
    """Whether posix_spawn alone cannot do it."""
    return bool(
        (plan.user is not None and not plan.user.is_self())
        or plan.hard_limits
        or plan.sockets
        or plan.nice is not None
        or plan.cgroup is not None
        or plan.oom_score_adj is not None
        or (plan.soft_limits and not _HARMLESS.issuperset(plan.soft_limits))
        # the log files are created under this mask, and we must stay able to read them
        or (plan.umask is not None and plan.umask & 0o600)
    )


def resolve_executable(argv0: str, environment_path: str | None, cwd: str | None) -> str:
    """The absolute path that exec would use, searched as execvp(3) does but in the *child's* PATH and directory.

    LaunchError("executable") says whether it is missing or not executable.
    """
    base = cwd or os.getcwd()
    if not argv0:
        raise LaunchError(errno.ENOENT, "executable", "the command is empty")
    if "/" in argv0:
        path = os.path.join(base, argv0)
        problem = problem_with(path)
        if problem is not None:
            raise problem
        return path
    refused: LaunchError | None = None
    search = os.defpath if environment_path is None else environment_path
    for directory in search.split(":"):
        path = os.path.join(base, directory, argv0)
        if os.access(path, os.X_OK) and os.path.isfile(path):
            return path
        if refused is None and os.path.lexists(path):
            refused = problem_with(path)
    raise refused or LaunchError(errno.ENOENT, "executable", f"{argv0} is not in PATH ({search})")


def _executable(plan: LaunchPlan) -> str:
    """As `resolve_executable`, leaving the checks of a plain path to exec itself."""
    if "/" in plan.argv[0]:
        return plan.argv[0] if plan.cwd is None else os.path.join(plan.cwd, plan.argv[0])
    return resolve_executable(plan.argv[0], plan.variables().get("PATH"), plan.cwd)


FileAction = tuple[int, int, int] | tuple[int, int, str, int, int]


def _output_actions(plan: LaunchPlan) -> list[FileAction]:
    append = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    actions: list[FileAction] = [
        (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
    ]
    if plan.spare is not None:
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


def _lower(number: int, soft: int, hard: int) -> None:
    try:
        resource.setrlimit(number, (soft, hard))
    except (OSError, ValueError) as error:
        raise _limit_error(error, number, soft) from error


def _limit_error(error: Exception, number: int, soft: int) -> LaunchError:
    hard = resource.getrlimit(number)[1]
    return LaunchError(
        getattr(error, "errno", None) or errno.EPERM,
        "limit",
        f"limit {limit_name(number)} cannot be {limit_text(soft)}: the hard limit is {limit_text(hard)}",
    )
