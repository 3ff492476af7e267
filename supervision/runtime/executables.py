"""Which file a command names, searched for as the child itself would."""

import errno
import os

from supervision.runtime.launch_errors import LaunchError, problem_with


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
