"""A process that was made ahead of need, and what becomes of it: a child as any other, or nothing."""

import os
import resource
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from supervision.runtime.identity import read_stat
from supervision.runtime.launch import Launcher
from supervision.runtime.launch_spec import LaunchPlan
from supervision.runtime.linux import set_comm
from supervision.runtime.processes import NODE_COMM, direct_children, may_be_about_to_exec
from supervision.runtime.spare_files import SpareFiles, Taking, make_pairs
from supervision.runtime.standby import MESSAGE_MAX, Standby
from supervision.runtime.vfork import encoded
from tests.supervision.runtime.spawning import await_end, launcher, plan, script, shim, spawn_library
from tests.support.waiting import wait_for

UNUSED = 79


@pytest.fixture
def start() -> Iterator[Launcher]:
    made = launcher()
    yield made
    standby_of(made).end()
    made.close()


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[int]:
    descriptor = os.open(tmp_path / "ledger", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    yield descriptor
    os.close(descriptor)


def standby_of(start: Launcher) -> Standby:
    assert start.standby is not None
    return start.standby


def program(start: Launcher, what: LaunchPlan) -> bytes:
    built = start.prebuild(what, without=())
    assert built is not None
    return encoded(built.text(what.stdout, what.stderr, what.spare, ""))


def become(start: Launcher, ledger: int, what: LaunchPlan) -> int:
    """Its pid, which was there before."""
    waiting = standby_of(start).make(ledger)
    started = standby_of(start).become(program(start, what))
    assert started is not None
    assert started[0] == waiting
    os.close(started[1])
    return started[0]


def test_it_becomes_a_child_as_the_spawn_makes_them(start: Launcher, ledger: int, tmp_path: Path) -> None:
    """Session, signals, mask, descriptors, limits, directory, umask, environment, output: the same by both ways."""
    shows = (
        "import os, resource, signal; print(os.getsid(0) == os.getpid(), os.getppid(), os.getcwd(), os.umask(0),"
        " sorted(os.environ.items()), resource.getrlimit(resource.RLIMIT_NOFILE), resource.getrlimit(resource.RLIMIT_CORE),"
        " sorted(os.listdir('/proc/self/fd')), os.readlink('/proc/self/fd/0'),"
        " [n for n in range(1, 65) if n not in (9, 19) and signal.getsignal(n) == signal.SIG_IGN],"
        " signal.pthread_sigmask(signal.SIG_BLOCK, ()), os.sched_getscheduler(0), os.getpriority(os.PRIO_PROCESS, 0))"
    )
    what = plan(
        tmp_path,
        "/usr/bin/env", "python3", "-I", "-c", shows,
        cwd=str(tmp_path),
        umask=0o27,
        soft_limits={resource.RLIMIT_CORE: 4096, resource.RLIMIT_NOFILE: 200},
        environment={"A": "b c", "EMPTY": ""},
    )  # fmt: skip
    assert os.WEXITSTATUS(await_end(start.launch(what))) == 0
    by_spawn = Path(what.stdout).read_text()
    ahead = replace(what, stdout=str(tmp_path / "out2"), stderr=str(tmp_path / "err2"))
    assert await_end(become(start, ledger, ahead)) == 0
    assert Path(ahead.stdout).read_text() == by_spawn
    assert (tmp_path / "out2").stat().st_mode == (tmp_path / "out").stat().st_mode


def test_nobody_waits_after_it_was_used(start: Launcher, ledger: int, tmp_path: Path) -> None:
    before = set(Path("/proc/self/fd").iterdir())
    assert await_end(become(start, ledger, plan(tmp_path, "/bin/true"))) == 0
    assert standby_of(start).pid is None
    assert standby_of(start).become(b"") is None
    assert set(Path("/proc/self/fd").iterdir()) <= before  # what other tests left may be collected meanwhile


def test_output_in_one_file_stays_in_order(start: Launcher, ledger: int, tmp_path: Path) -> None:
    what = plan(tmp_path, "/bin/sh", "-c", "echo a; echo b >&2; echo c", stderr=str(tmp_path / "out"))
    assert await_end(become(start, ledger, what)) == 0
    assert (tmp_path / "out").read_text() == "a\nb\nc\n"


def test_it_says_which_spare_files_it_took_and_since_when_it_lives(start: Launcher, tmp_path: Path) -> None:
    make_pairs(str(tmp_path))
    spares = SpareFiles(str(tmp_path))
    spares.refresh()
    (tmp_path / "shop").mkdir()
    names = (str(tmp_path / "shop" / "3.out"), str(tmp_path / "shop" / "3.err"))
    pair = spares.take("shop", 3, *names)
    assert pair is not None
    standby = standby_of(start)
    pid = standby.make(spares.ledger)
    assert pid is not None
    stat = read_stat(pid)
    assert stat is not None
    what = plan(tmp_path, "/bin/echo", "hello", stdout=names[0], stderr=names[1], spare=standby.note(pair))
    assert standby.become(program(start, what)) is not None
    assert await_end(pid) == 0
    taking = Taking("shop", 3, pid, Path(pair.out).name.removeprefix("out."), stat.start_time)
    assert spares.takings() == {("shop", 3): taking}
    assert taking.is_by(stat.start_time, stat.start_time + 500)
    assert not taking.is_by(stat.start_time + 1, 0)
    assert spares.settle()
    assert Path(names[0]).read_text() == "hello\n"
    spares.close()


@pytest.mark.parametrize(
    "fields", [{}, {"cwd": "/nope"}, {"stdout": "/nope/out"}], ids=["program", "directory", "output"]
)
def test_what_it_cannot_become_leaves_nothing(
    start: Launcher, ledger: int, tmp_path: Path, fields: dict[str, str]
) -> None:
    before, children = sorted(Path("/proc/self/fd").iterdir()), direct_children(os.getpid())
    assert standby_of(start).make(ledger) is not None
    argv = ("/bin/true",) if fields else ("/nope",)
    assert standby_of(start).become(program(start, plan(tmp_path, *argv, **fields))) is None
    assert standby_of(start).pid is None
    assert direct_children(os.getpid()) == children
    assert sorted(Path("/proc/self/fd").iterdir()) == before


def test_more_than_it_takes_is_refused(start: Launcher, ledger: int, tmp_path: Path) -> None:
    assert standby_of(start).make(ledger) is not None
    long = plan(tmp_path, "/bin/true", "x" * MESSAGE_MAX)
    assert standby_of(start).become(program(start, long)) is None
    most = plan(tmp_path, "/bin/sh", "-c", "echo $#", "sh", *["" for _ in range(60_000)])
    assert await_end(become(start, ledger, most)) == 0
    assert Path(most.stdout).read_text() == "60000\n"


def test_one_that_somebody_ended_becomes_nothing(start: Launcher, ledger: int, tmp_path: Path) -> None:
    pid = standby_of(start).make(ledger)
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: (stat := read_stat(pid)) is not None and stat.is_zombie, timeout=30, every=0.001)
    assert standby_of(start).become(program(start, plan(tmp_path, "/bin/true"))) is None
    assert not (tmp_path / "out").exists()
    assert pid not in direct_children(os.getpid())


def test_there_is_one_at_a_time(start: Launcher, ledger: int) -> None:
    assert standby_of(start).make(ledger) is not None
    assert standby_of(start).make(ledger) is None


def test_it_ends_unused_when_who_made_it_is_killed(tmp_path: Path) -> None:
    """We are its subreaper here, as the guardian is a node's; the status says that it was never a child."""
    said = script(
        """
import time
from supervision.runtime import linux
linux.become_subreaper()
made, told = os.pipe()
if os.fork() == 0:
    from supervision.runtime.launch import Launcher
    start = Launcher((1024, 4096), sys.argv[1], sys.argv[2])
    ledger = os.open(sys.argv[3], os.O_WRONLY | os.O_CREAT)
    os.write(told, str(start.standby.make(ledger)).encode())
    os.kill(os.getpid(), 9)
waiting = int(os.read(made, 20))
ends = dict(os.wait() for _ in range(2))
print(os.WEXITSTATUS(ends[waiting]))
""",
        shim(),
        spawn_library(),
        str(tmp_path / "ledger"),
    )
    assert int(said) == UNUSED


def test_one_that_waits_below_a_node_is_not_taken_for_one_in_the_middle_of_its_exec(
    start: Launcher, ledger: int
) -> None:
    """It has no environment either. A look for marks waits for those that may still become a child."""
    pid = standby_of(start).make(ledger)
    assert pid is not None
    assert not Path(f"/proc/{pid}/environ").read_bytes()
    ours = Path("/proc/self/comm").read_text().strip()
    assert may_be_about_to_exec(pid)  # its parent is no node: it may have been given what to become
    set_comm(NODE_COMM)
    try:
        assert not may_be_about_to_exec(pid)
    finally:
        set_comm(ours)
