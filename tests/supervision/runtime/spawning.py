"""Real processes for the tests of the runtime: plans, waiting for their end by pidfd, scripts in fresh interpreters."""

import atexit
import functools
import os
import resource
import select
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from supervision.runtime.identity import read_stat
from supervision.runtime.launch import Launcher
from supervision.runtime.launch_spec import LaunchPlan
from supervision.runtime.shim import build_shim, build_spawn
from tests.support.waiting import wait_for

ROOT = Path(__file__).parents[3]
AS_ROOT = os.geteuid() == 0
DEADLINE_MS = 30_000
PATH = "/usr/local/bin:/usr/bin:/bin"


@functools.cache
def shim() -> str:
    """A freshly built shim, in a directory every user may enter."""
    directory = Path(tempfile.mkdtemp(prefix="overstory-shim-"))
    atexit.register(shutil.rmtree, directory)
    directory.chmod(0o755)
    return str(build_shim(directory))


@functools.cache
def spawn_library() -> str:
    """The freshly built spawn library, beside the shim."""
    return str(build_spawn(Path(shim()).parent))


def launcher(*, vfork: bool = True) -> Launcher:
    """With the spawn of our own, or through posix_spawn where that was not built."""
    return Launcher(resource.getrlimit(resource.RLIMIT_NOFILE), shim(), spawn_library() if vfork else None)


def plan(directory: Path, *argv: str, **fields: Any) -> LaunchPlan:
    """A plan that writes to `out` and `err` in `directory`."""
    environment = {"PATH": PATH, **fields.pop("environment", {})}
    return LaunchPlan(
        argv=list(argv),
        environment=environment,
        cwd=fields.pop("cwd", None),
        stdout=fields.pop("stdout", str(directory / "out")),
        stderr=fields.pop("stderr", str(directory / "err")),
        **fields,
    )


def await_readable(descriptor: int) -> None:
    """Wait for a pidfd's process to end, or for a pipe to hold something."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    assert poll.poll(DEADLINE_MS), "nothing came within the deadline"


def await_end(pid: int) -> int:
    """Wait for our child and reap it; its wait status."""
    pidfd = os.pidfd_open(pid)
    await_readable(pidfd)
    os.close(pidfd)
    return os.waitpid(pid, 0)[1]


def await_exec(pid: int) -> None:
    """posix_spawn returns in the middle of exec, when arguments, environment and name are not in place yet."""

    def has_exec_d() -> bool:
        stat = read_stat(pid)
        assert stat is not None
        return stat.is_zombie or (
            not stat.is_between_fork_and_exec and bool(Path(f"/proc/{pid}/environ").read_bytes())
        )

    wait_for(has_exec_d, timeout=DEADLINE_MS / 1000, every=0.001)


def run(start: Launcher, what: LaunchPlan) -> str:
    """Launch, wait for exit 0, and return what it wrote to standard output."""
    status = await_end(start.launch(what))
    assert status == 0, Path(what.stderr).read_text()
    return Path(what.stdout).read_text()


def script(code: str, *arguments: str) -> str:
    """Run `code` in an interpreter of its own, as the node runs, and return what it printed."""
    prelude = f"import os, sys; sys.path.insert(0, {str(ROOT)!r})\n"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", prelude + code, *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


class Helper:
    """A process that does one thing for each line it is told, and answers with one line.

    `code` defines `answer(line) -> str`. It is somebody else's parent: what it starts is not our child.
    """

    def __init__(self, code: str) -> None:
        loop = "\nfor line in sys.stdin:\n    print(answer(line.strip()), flush=True)\n"
        self.process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", f"import os, signal, sys\n{code}{loop}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.pid = self.process.pid

    def ask(self, line: str = "") -> str:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        await_readable(self.process.stdout.fileno())
        return self.process.stdout.readline().strip()

    def close(self) -> None:
        """End it; descendants of it that hold its pipes are not waited for."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


@contextmanager
def helper(code: str) -> Iterator[Helper]:
    made = Helper(code)
    try:
        yield made
    finally:
        made.close()


@contextmanager
def running(start: Launcher, what: LaunchPlan) -> Iterator[tuple[int, int]]:
    """(pid, pidfd) of a launched process that has exec'd, ended and reaped afterwards if it is not yet."""
    pid = start.launch(what)
    pidfd = os.pidfd_open(pid)
    try:
        await_exec(pid)
        yield pid, pidfd
    finally:
        try:
            os.kill(pid, 9)
            os.waitpid(pid, 0)
        except (ProcessLookupError, ChildProcessError):
            pass
        os.close(pidfd)
