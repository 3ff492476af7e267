"""Why a process could not be started, in words: which step failed and what an operator can do about it.

posix_spawn answers with one number for all of its steps, so after a failure (and only then) we look at what each needed.
"""

import errno
import os
import resource
from typing import Literal

from supervision.exceptions import SupervisionError

What = Literal["executable", "cwd", "user", "limit", "nice", "cgroup", "output", "socket", "shim", "process"]


class LaunchError(SupervisionError):
    """A process could not be started; `what` failed and str() is a sentence for people.

    `errno` is the kernel's number. The caller may try again or show the words; nothing is left running.
    """

    def __init__(self, number: int, what: What, message: str) -> None:
        super().__init__(message)
        self.errno = number
        self.what: What = what
        self.message = message


def problem_with(path: str) -> LaunchError | None:
    """Why `path` cannot be executed, as far as can be told without trying."""
    if os.path.isdir(path):
        return LaunchError(errno.EACCES, "executable", f"{path} is a directory")
    if not os.path.lexists(path):
        return LaunchError(errno.ENOENT, "executable", f"{path} does not exist")
    if not os.path.exists(path):
        return LaunchError(errno.ENOENT, "executable", f"{path} is a link to a file that does not exist")
    if not os.access(path, os.X_OK):
        return LaunchError(errno.EACCES, "executable", f"{path} is not executable")
    return None


def limit_text(value: int) -> str:
    return "unlimited" if value == resource.RLIM_INFINITY else str(value)


def limit_name(number: int) -> str:
    """`nofile` for RLIMIT_NOFILE, as tree files and ulimit write it."""
    for name in dir(resource):
        if name.startswith("RLIMIT_") and getattr(resource, name) == number:
            return name.removeprefix("RLIMIT_").lower()
    return str(number)


def limit_error(error: Exception, number: int, soft: int) -> LaunchError:
    """Why the soft limit `soft` could not be had."""
    hard = resource.getrlimit(number)[1]
    return LaunchError(
        getattr(error, "errno", None) or errno.EPERM,
        "limit",
        f"limit {limit_name(number)} cannot be {limit_text(soft)}: the hard limit is {limit_text(hard)}",
    )


def cwd_error(cwd: str, error: OSError) -> LaunchError:
    words = {
        errno.ENOENT: "does not exist",
        errno.ENOTDIR: "is not a directory",
        errno.EACCES: "may not be entered",
    }
    number = error.errno or 0
    return LaunchError(number, "cwd", f"working directory {cwd} {words.get(number, os.strerror(number))}")


def explain_spawn(
    error: OSError, stdout: str, stderr: str, executable: str, *, by_shim: bool = False
) -> LaunchError:
    """Which step of the spawn failed: the kernel says only a number, so look at what each step needed."""
    number = error.errno or 0
    for path in (stdout, stderr):
        directory = os.path.dirname(path) or "."
        if not os.path.isdir(directory):
            return LaunchError(number, "output", f"output directory {directory} does not exist")
        if os.path.isdir(path) or not os.access(path if os.path.exists(path) else directory, os.W_OK):
            return LaunchError(number, "output", f"output file {path} may not be written")
    if by_shim and number not in (errno.E2BIG, errno.EAGAIN, errno.ENOMEM):
        return LaunchError(number, "shim", f"the exec shim {executable}: {os.strerror(number)}")
    return _explain_exec(number, executable)


def _explain_exec(number: int, executable: str) -> LaunchError:
    if number in (errno.EAGAIN, errno.ENOMEM):
        return LaunchError(number, "process", f"no new process: {os.strerror(number)}")
    if number == errno.E2BIG:
        return LaunchError(number, "executable", "the arguments and the environment are too long")
    problem = problem_with(executable)
    if problem is not None:
        return problem
    words = {
        errno.ENOENT: "names an interpreter or a loader that does not exist",
        errno.ENOEXEC: "is not a program: no #! line and no format this kernel runs",
        errno.EACCES: "may not be executed here",
        errno.ETXTBSY: "is being written",
    }
    return LaunchError(number, "executable", f"{executable} {words.get(number, os.strerror(number))}")


def explain_step(said: bytes, user: str, executable: str) -> LaunchError:
    """The shim's report is `errno step argument`."""
    text, step, argument = [*said.decode(errors="replace").rstrip("\n").split(" ", 2), "", ""][:3]
    number = int(text) if text.isdecimal() else 0
    reason = os.strerror(number)
    if step == "exec":
        return _explain_exec(number, executable)
    if step == "chdir":
        return cwd_error(argument, OSError(number, reason))
    if step in ("groups", "gid", "uid"):
        return LaunchError(number, "user", f"this node may not run as user {user or argument}: {reason}")
    if step == "limit":
        name = limit_name(int(argument)) if argument.isdecimal() else argument
        why = "it is above the hard limit" if number == errno.EINVAL else reason
        return LaunchError(number, "limit", f"limit {name} may not be set: {why}")
    if step == "nice":
        return LaunchError(number, "nice", f"nice {argument} may not be set: {reason}")
    if step == "cgroup":
        return LaunchError(number, "cgroup", f"control group {argument} may not be joined: {reason}")
    return LaunchError(number, "shim", f"the exec shim failed at {step} {argument}: {reason}")
