"""What one launch is to be: the program, as whom, where, within which limits, with which files and sockets."""

import errno
import grp
import os
import pwd
import resource
from collections.abc import Mapping
from dataclasses import dataclass, field

from supervision.runtime.executables import resolve_executable
from supervision.runtime.launch_errors import LaunchError
from supervision.runtime.spare_files import Pair
from supervision.runtime.vfork import Inherited, Prebuilt

# Lowering these around the spawn cannot hurt the launcher. The others can: a soft CPU limit below our own use sends
# us SIGXCPU, AS and DATA make the spawn's own stack fail, NPROC counts what runs already.
_HARMLESS = frozenset(
    {resource.RLIMIT_NOFILE, resource.RLIMIT_CORE, resource.RLIMIT_FSIZE, resource.RLIMIT_MEMLOCK}
)


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

    def program(self) -> str:
        """The path to exec. A plain path's checks are left to exec itself. LaunchError("executable")."""
        if self.executable:
            return self.executable
        if "/" in self.argv[0]:
            return self.argv[0] if self.cwd is None else os.path.join(self.cwd, self.argv[0])
        return resolve_executable(self.argv[0], self.variables().get("PATH"), self.cwd)


@dataclass(slots=True)
class NextLife:
    """The launch of one more life of a child, of which all but this was put together beforehand (`Launcher.prebuild`).

    `own`: variables of this life alone, `NAME=value` with a NUL behind each. They, and the paths, hold no other NUL.
    """

    prebuilt: Prebuilt
    stdout: str
    stderr: str
    own: str
    spare: Pair | None


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
