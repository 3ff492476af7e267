"""What the spawn of our own does beside what every launch does (test_launch.py runs over both ways)."""

import errno
import fcntl
import os
import resource
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from supervision.runtime import vfork
from supervision.runtime.launch import Launcher
from supervision.runtime.launch_errors import LaunchError
from supervision.runtime.processes import direct_children
from supervision.runtime.vfork import Prebuilt, SpawnFailedError, VforkSpawn
from tests.supervision.runtime.spawning import await_end, launcher, plan, run, script, spawn_library


@pytest.fixture
def start() -> Iterator[Launcher]:
    made = launcher()
    yield made
    made.close()


def spawn(directory: Path, *argv: str, **fields: Any) -> tuple[int, int]:
    library = VforkSpawn.load(spawn_library())
    assert library is not None
    out = str(directory / "out")
    asked: dict[str, Any] = {
        "executable": argv[0],
        "argv": argv,
        "environment": {},
        "cwd": None,
        "umask": None,
        "stdout": out,
        "stderr": out,
        "limits": (),
    }
    asked |= fields
    files = [asked.pop("stdout"), asked.pop("stderr"), asked.pop("spare", None), ""]
    return library.spawn_text(Prebuilt(**{"inherited": None} | asked).text(*files))


def test_our_own_descriptors_stay_open_and_as_they_are(start: Launcher, tmp_path: Path) -> None:
    """The child starts with our table, not with a copy: what it closes must not be ours."""
    held = [os.open("/dev/null", os.O_RDONLY) for _ in range(50)]
    before = {name: Path(f"/proc/self/fd/{name}").readlink() for name in "012"}
    said = run(start, plan(tmp_path, "ls", "/proc/self/fd"))
    assert said.split() == ["0", "1", "2", "3"]  # 3 is ls's own
    assert all(fcntl.fcntl(fd, fcntl.F_GETFD) == fcntl.FD_CLOEXEC for fd in held)
    assert {name: Path(f"/proc/self/fd/{name}").readlink() for name in "012"} == before
    for fd in held:
        os.close(fd)


def test_the_pidfd_is_the_childs_and_closes_on_exec(start: Launcher, tmp_path: Path) -> None:
    pid, pidfd = start.start(plan(tmp_path, "sleep", "100"))
    assert fcntl.fcntl(pidfd, fcntl.F_GETFD) == fcntl.FD_CLOEXEC
    signal.pidfd_send_signal(pidfd, signal.SIGKILL)
    assert os.WTERMSIG(await_end(pid)) == signal.SIGKILL
    os.close(pidfd)


def test_a_failed_start_leaves_no_process_and_no_descriptor(start: Launcher, tmp_path: Path) -> None:
    before, children = sorted(Path("/proc/self/fd").iterdir()), direct_children(os.getpid())
    for fields in ({}, {"cwd": "/nope"}, {"stdout": "/nope/out"}):
        with pytest.raises(LaunchError):
            start.start(plan(tmp_path, "/nope", **fields))
    assert sorted(Path("/proc/self/fd").iterdir()) == before
    assert direct_children(os.getpid()) == children


@pytest.mark.parametrize(
    ("fields", "step", "number"),
    [
        ({}, vfork.EXEC, errno.ENOENT),
        ({"cwd": "/nope"}, vfork.CWD, errno.ENOENT),
        ({"stderr": "/nope/err"}, vfork.OUTPUT, errno.ENOENT),
        ({"limits": ((resource.RLIMIT_CORE, 0), (999, 1))}, vfork.LIMIT + 1, errno.EINVAL),
    ],
)
def test_the_step_that_failed_is_told(tmp_path: Path, fields: dict[str, Any], step: int, number: int) -> None:
    with pytest.raises(SpawnFailedError) as failed:
        spawn(tmp_path, "/nope/program", **fields)
    assert (failed.value.step, failed.value.errno) == (step, number)


@pytest.mark.parametrize(
    "fields", [{"environment": {"A=B": "c"}}, {"environment": {"A": "\0"}}, {"argv": ("/bin/true", "\0")}]
)
def test_text_that_no_program_can_get_is_refused(tmp_path: Path, fields: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"null character|variable name"):
        spawn(tmp_path, "/bin/true", **fields)


def test_empty_words_and_bytes_that_are_no_text_arrive(start: Launcher, tmp_path: Path) -> None:
    odd = os.fsdecode(b"\xff")
    said = run(
        start, plan(tmp_path, "sh", "-c", 'printf "[%s]" "$@"', "sh", "", "b", "", environment={"X": odd})
    )
    assert said == "[][b][]"
    what = plan(tmp_path, "sh", "-c", 'printf %s "$X" >&2', environment={"X": odd})
    run(start, what)
    assert Path(what.stderr).read_bytes() == b"\xff"


def test_a_kernel_that_refuses_the_call_is_served_by_posix_spawn(start: Launcher, tmp_path: Path) -> None:
    class Refusing:
        def spawn_text(self, *_: Any, **__: Any) -> tuple[int, int]:
            raise SpawnFailedError(errno.ENOSYS, vfork.PROCESS)

    start._vfork = Refusing()  # type: ignore[assignment]  # a stand-in
    assert run(start, plan(tmp_path, "echo", "here")) == "here\n"
    assert start._vfork is None


def test_without_the_library_there_is_none(tmp_path: Path) -> None:
    assert VforkSpawn.load(str(tmp_path / "nope.so")) is None


def test_a_thousand_starts_in_a_row_leave_nothing_behind(tmp_path: Path) -> None:
    """The stack and the list of words are used again and again; a leak of either would show in the size."""
    said = script(
        """
import resource
from supervision.runtime.vfork import Prebuilt, VforkSpawn
spawn = VforkSpawn.load(sys.argv[1])
program = Prebuilt(executable="/bin/true", argv=["true"] * 500, environment={}, inherited=None, cwd="/", umask=0o22,
    limits=[])
def once():
    pid, pidfd = spawn.spawn_text(program.text(sys.argv[2], sys.argv[2], None, ""))
    os.close(pidfd)
    assert os.waitpid(pid, 0)[1] == 0
for _ in range(1000): once()
def size():
    with open("/proc/self/smaps_rollup") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("Anonymous"))
before = size()
for _ in range(1000): once()
print(size() - before <= 64, len(os.listdir("/proc/self/fd")))
""",
        spawn_library(),
        str(tmp_path / "out"),
    )
    assert said.split() == ["True", "4"]
