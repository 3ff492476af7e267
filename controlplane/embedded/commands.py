"""Short commands that prepare a store: run to the end, killed whole when we are interrupted."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from controlplane.embedded.errors import EmbeddedStoreError


def run(
    argv: Sequence[str],
    *,
    what: str,
    user: str | None = None,
    stdin: str = "",
    environment: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> str:
    """What `argv` printed; EmbeddedStoreError with its last lines when it fails.

    It runs in a process group of its own: an exception (a signal handler's too) kills the group before it passes on.
    """
    child = subprocess.Popen(
        list(argv),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env=dict(environment or os.environ),
        cwd=cwd,
        process_group=0,
        user=user,
        group=None if user is None else _group_of(user),
        extra_groups=None if user is None else [],
    )
    try:
        output, _ = child.communicate(stdin)
    except BaseException:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        raise
    if child.returncode != 0:
        tail = "\n".join(output.splitlines()[-15:])
        raise EmbeddedStoreError(f"{what} failed with status {child.returncode}:\n{tail}")
    return output


def _group_of(user: str) -> int:
    import pwd

    return pwd.getpwnam(user).pw_gid
