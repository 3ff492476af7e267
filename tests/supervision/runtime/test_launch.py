"""Launching: what a child gets, what it does not inherit, and which failure is called what."""

import errno
import os
import resource
import signal
import socket
import stat
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from supervision.runtime import launch_shim
from supervision.runtime.executables import resolve_executable
from supervision.runtime.launch import Launcher
from supervision.runtime.launch_errors import LaunchError
from supervision.runtime.launch_spec import UserIds, needs_shim
from tests.supervision.runtime.spawning import (
    AS_ROOT,
    PATH,
    await_end,
    launcher,
    plan,
    run,
    running,
    script,
    shim,
)
from tests.support.leftovers import own_children


@pytest.fixture(params=[True, False], ids=["vfork", "posix_spawn"])
def start(request: pytest.FixtureRequest) -> Iterator[Launcher]:
    made = launcher(vfork=request.param)
    yield made
    made.close()


def nobody() -> UserIds:
    return UserIds.lookup("nobody")


# What a child gets


def test_output_is_appended_to_files_only_the_owner_reads(start: Launcher, tmp_path: Path) -> None:
    what = plan(tmp_path, "sh", "-c", "echo one; echo two >&2")
    run(start, what)
    assert run(start, what) == "one\none\n"
    assert (tmp_path / "err").read_text() == "two\ntwo\n"
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == 0o600


def test_both_outputs_may_be_one_file(start: Launcher, tmp_path: Path) -> None:
    what = plan(tmp_path, "sh", "-c", "echo one; echo two >&2", stderr=str(tmp_path / "out"))
    assert run(start, what) == "one\ntwo\n"


def test_standard_input_is_empty(start: Launcher, tmp_path: Path) -> None:
    assert run(start, plan(tmp_path, "cat")) == ""


def test_the_environment_is_exactly_the_plan(start: Launcher, tmp_path: Path) -> None:
    assert run(start, plan(tmp_path, "env", environment={"A": "1"})).splitlines() == [f"PATH={PATH}", "A=1"]


def test_a_child_leads_a_session_of_its_own(start: Launcher, tmp_path: Path) -> None:
    with running(start, plan(tmp_path, "sleep", "1000")) as (pid, _):
        assert os.getsid(pid) == os.getpgid(pid) == pid


@pytest.mark.parametrize("extra", [{}, {"nice": 1}], ids=["plain", "shim"])
def test_no_signal_is_blocked_or_ignored(start: Launcher, tmp_path: Path, extra: dict[str, Any]) -> None:
    assert signal.getsignal(signal.SIGPIPE) == signal.SIG_IGN  # Python's own doing
    old = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    handler = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        said = run(start, plan(tmp_path, "grep", "-E", "Sig(Ign|Blk)", "/proc/self/status", **extra))
    finally:
        signal.signal(signal.SIGHUP, handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, old)
    of_libc = 1 << 31 | 1 << 32  # signals 32 and 33 belong to glibc, whose posix_spawn leaves them ignored
    assert {int(line.split()[1], 16) & ~of_libc for line in said.splitlines()} == {0}


@pytest.mark.parametrize("extra", [{}, {"nice": 1}], ids=["plain", "shim"])
def test_no_descriptor_is_inherited(start: Launcher, tmp_path: Path, extra: dict[str, Any]) -> None:
    assert run(start, plan(tmp_path, "ls", "/proc/self/fd", **extra)).split() == [
        "0",
        "1",
        "2",
        "3",
    ]  # 3 is ls's own


def test_descriptors_that_the_launcher_inherited_are_not_passed_on(tmp_path: Path) -> None:
    assert script(
        """
os.dup2(0, 77); os.set_inheritable(77, True)
from supervision.runtime.launch import Launcher
from supervision.runtime.launch_spec import LaunchPlan
Launcher((1024, 1024), None)
print(os.get_inheritable(77))
"""
    ).split() == ["False"]


@pytest.mark.parametrize("extra", [{}, {"nice": 1}], ids=["plain", "shim"])
def test_children_get_the_limit_of_open_files_back(tmp_path: Path, extra: dict[str, Any]) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    start = Launcher((soft - 10, hard), shim())
    said = run(start, plan(tmp_path, "sh", "-c", "ulimit -Sn; ulimit -Hn", **extra))
    assert said.split() == [str(soft - 10), str(hard)]
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == (soft, hard)
    start.close()


def test_a_launcher_with_more_open_files_than_the_child_may_have_can_start_it(tmp_path: Path) -> None:
    said = script(
        """
import resource
from supervision.runtime.launch import Launcher
from supervision.runtime.launch_spec import LaunchPlan
for _ in range(100): os.dup(0)
old = resource.getrlimit(resource.RLIMIT_NOFILE)
out = sys.argv[1]
pid = Launcher((20, old[1]), None).launch(LaunchPlan(["/bin/sh", "-c", "ulimit -n"], {}, None, out, out))
print(os.waitpid(pid, 0)[1])
""",
        str(tmp_path / "out"),
    )
    assert said.split() == ["0"]
    assert (tmp_path / "out").read_text() == "20\n"


def test_working_directory_umask_and_soft_limits_are_the_childs_alone(
    start: Launcher, tmp_path: Path
) -> None:
    umask = os.umask(0o022)
    try:
        before = Path.cwd(), resource.getrlimit(resource.RLIMIT_CORE)
        what = plan(
            tmp_path,
            *("sh", "-c", "pwd; umask; ulimit -Sc; ulimit -Sn"),
            cwd="/usr",
            umask=0o027,
            soft_limits={resource.RLIMIT_CORE: 0, resource.RLIMIT_NOFILE: 99},
        )
        assert not needs_shim(what)
        assert run(start, what).split() == ["/usr", "0027", "0", "99"]
        assert (Path.cwd(), resource.getrlimit(resource.RLIMIT_CORE)) == before
        with pytest.raises(LaunchError):
            start.launch(plan(tmp_path, "/nope", cwd="/usr", umask=0o027, soft_limits=what.soft_limits))
        assert (Path.cwd(), resource.getrlimit(resource.RLIMIT_CORE)) == before
        assert os.umask(0o022) == 0o022
    finally:
        os.umask(umask)


def test_a_launcher_whose_own_directory_was_closed_does_not_lose_the_child(tmp_path: Path) -> None:
    said = script(
        """
from supervision.runtime.launch import Launcher
from supervision.runtime.launch_spec import LaunchPlan
os.chdir(sys.argv[1])
start = Launcher((1024, 1024), None)
os.close(start._plain._home)
start._plain._home = os.open("/dev/null", os.O_RDONLY)  # as good as a directory that may not be entered any more
pid = start.launch(LaunchPlan(["/bin/true"], {}, "/usr", sys.argv[1] + "/out", sys.argv[1] + "/out"))
print(os.waitpid(pid, 0)[1], os.getcwd())
""",
        str(tmp_path),
    )
    assert said.split() == ["0", "/"]


@pytest.mark.parametrize("extra", [{}, {"nice": 1}], ids=["plain", "shim"])
def test_a_relative_command_stands_in_the_childs_directory(
    start: Launcher, tmp_path: Path, extra: dict[str, Any]
) -> None:
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\necho here\n")
    program.chmod(0o755)
    assert run(start, plan(tmp_path, "./program", cwd=str(tmp_path), **extra)) == "here\n"


def test_the_first_argument_stays_as_it_was_written(start: Launcher, tmp_path: Path) -> None:
    what = plan(tmp_path, "cat", "/proc/self/cmdline")
    assert run(start, what) == "cat\0/proc/self/cmdline\0"


# Through the shim


@pytest.mark.parametrize(
    ("extra", "answer"),
    [
        ({}, False),
        ({"soft_limits": {resource.RLIMIT_NOFILE: 9}}, False),
        ({"umask": 0o077}, False),
        ({"cwd": "/"}, False),
        ({"user": UserIds("me", os.geteuid(), os.getegid(), ())}, False),
        ({"user": UserIds("other", 12345, 12345, ())}, True),
        ({"hard_limits": {resource.RLIMIT_NOFILE: (9, 9)}}, True),
        ({"nice": 0}, True),
        ({"cgroup": "/g"}, True),
        ({"oom_score_adj": 0}, True),
        ({"sockets": (("http", 9),)}, True),
        ({"soft_limits": {resource.RLIMIT_CPU: 9}}, True),  # lowered around a spawn it could end the launcher
        ({"umask": 0o277}, True),  # the log file would be created unreadable
    ],
)
def test_the_shim_is_used_only_where_posix_spawn_is_not_enough(
    tmp_path: Path, extra: dict[str, Any], answer: bool
) -> None:
    assert needs_shim(plan(tmp_path, "true", **extra)) is answer


def test_another_user_with_its_groups_and_nothing_of_ours(start: Launcher, tmp_path: Path) -> None:
    what = plan(
        tmp_path,
        "sh",
        "-c",
        "id -u; id -g; id -G; grep CapEff /proc/self/status; pwd",
        user=nobody(),
        cwd="/",
    )
    if not AS_ROOT:
        with pytest.raises(LaunchError, match="may not run as user root: Operation not permitted") as refused:
            start.launch(replace(what, user=UserIds.lookup("root")))
        assert refused.value.what == "user"
        return
    uid, gid, *groups, _, capabilities, directory = run(start, what).split()
    assert (int(uid), int(gid)) == (nobody().uid, nobody().gid)
    assert {int(group) for group in groups} == set(nobody().groups)
    assert int(capabilities, 16) == 0
    assert directory == "/"


def test_hard_limits_nice_umask_and_oom_score(start: Launcher, tmp_path: Path) -> None:
    what = plan(
        tmp_path,
        *(
            "sh",
            "-c",
            "ulimit -Sn; ulimit -Hn; ulimit -St; ulimit -Sc; nice; umask; cat /proc/self/oom_score_adj",
        ),
        soft_limits={resource.RLIMIT_CPU: 1234},
        hard_limits={resource.RLIMIT_NOFILE: (50, 60), resource.RLIMIT_CORE: (0, resource.RLIM_INFINITY)},
        nice=os.nice(0) + 3,
        umask=0o477,
        oom_score_adj=500,
    )
    assert run(start, what).split() == ["50", "60", "1234", "0", str(os.nice(0) + 3), "0477", "500"]


def test_sockets_are_passed_as_systemd_passes_them(start: Launcher, tmp_path: Path) -> None:
    with socket.socket() as first, socket.socket(socket.AF_UNIX) as second:
        first.bind(("127.0.0.1", 0))
        first.listen()
        code = "echo $LISTEN_FDS $LISTEN_FDNAMES $$ $LISTEN_PID; ls /proc/self/fd; readlink /proc/$$/fd/3 /proc/$$/fd/4"
        what = plan(
            tmp_path, "sh", "-c", code, sockets=(("http", first.fileno()), ("admin", second.fileno()))
        )
        fds, names, pid, listen_pid, *rest = run(start, what).split()
        assert (fds, names) == ("2", "http:admin")
        assert pid == listen_pid
        assert rest == ["0", "1", "2", "3", "4", "5"] + [
            f"socket:[{os.fstat(sock.fileno()).st_ino}]" for sock in (first, second)
        ]
        assert first.fileno() >= 0  # ours stay open


def test_sockets_that_stand_where_others_go_do_not_collide(tmp_path: Path) -> None:
    """Sources 5, 4, 3 for targets 3, 4, 5, the report pipe among them: a naive order of dup2 would lose some."""
    said = script(
        """
from supervision.runtime.launch import Launcher
from supervision.runtime.launch_spec import LaunchPlan
os.closerange(3, 64)
names = []
for target in (3, 4, 5):
    fd = os.memfd_create(f"file{target}")
    assert fd == target
start = Launcher((1024, 1024), sys.argv[2])
sockets = (("a", 5), ("b", 4), ("c", 3))
code = "readlink /proc/$$/fd/3 /proc/$$/fd/4 /proc/$$/fd/5; ls /proc/$$/fd | tr '\\n' ' '"
pid = start.launch(LaunchPlan(["/bin/sh", "-c", code], {}, None, sys.argv[1], sys.argv[1], sockets=sockets))
assert os.waitpid(pid, 0)[1] == 0
print(sorted(map(int, os.listdir("/proc/self/fd")))[:7])
""",
        str(tmp_path / "out"),
        shim(),
    )
    lines = (tmp_path / "out").read_text().splitlines()
    assert [line.split()[0] for line in lines[:3]] == ["/memfd:file5", "/memfd:file4", "/memfd:file3"]
    assert lines[3].split()[:6] == ["0", "1", "2", "3", "4", "5"]
    assert said.strip() == "[0, 1, 2, 3, 4, 5, 6]"  # 6: the launcher's own directory; nothing is left open


def test_exit_127_of_a_program_is_not_a_failed_exec(start: Launcher, tmp_path: Path) -> None:
    pid = start.launch(plan(tmp_path, "sh", "-c", "exit 127", nice=1))
    assert os.waitstatus_to_exitcode(await_end(pid)) == 127


def test_a_shim_that_hangs_does_not_hold_the_launcher(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hanging = tmp_path / "hanging"
    hanging.write_text("#!/bin/sh\nexec sleep 1000\n")
    hanging.chmod(0o755)
    monkeypatch.setattr(launch_shim, "SHIM_BOUND_MS", 20)
    start = Launcher(resource.getrlimit(resource.RLIMIT_NOFILE), str(hanging))
    with running(start, plan(tmp_path, "true", nice=1)) as (pid, _):
        assert os.getpgid(pid) == pid
    start.close()


# Failures by name


def file(path: Path, text: str, mode: int) -> str:
    path.write_text(text)
    path.chmod(mode)
    return str(path)


def failures(directory: Path) -> list[tuple[str, list[str], dict[str, Any], str, int, str]]:
    """(name, argv, fields of the plan, what, errno, words)."""
    plain = file(directory / "plain", "text", 0o644)
    script_without_interpreter = file(directory / "script", "#!/nope/python\n", 0o755)
    no_format = file(directory / "noformat", "text", 0o755)
    (directory / "dangling").symlink_to("/nope")
    return [
        ("missing", ["/nope/program"], {}, "executable", errno.ENOENT, "/nope/program does not exist"),
        ("not in PATH", ["nope"], {}, "executable", errno.ENOENT, "nope is not in PATH"),
        ("directory", ["/usr"], {}, "executable", errno.EACCES, "is a directory"),
        ("not executable", [plain], {}, "executable", errno.EACCES, "is not executable"),
        (
            "dangling",
            [str(directory / "dangling")],
            {},
            "executable",
            errno.ENOENT,
            "a link to a file that does not",
        ),
        ("interpreter", [script_without_interpreter], {}, "executable", errno.ENOENT, "names an interpreter"),
        ("format", [no_format], {}, "executable", errno.ENOEXEC, "is not a program"),
        ("arguments", ["/bin/true", "x" * 200_000], {}, "executable", errno.E2BIG, "too long"),
        ("NUL", ["/bin/true", "a\0b"], {}, "executable", errno.EINVAL, "may hold this"),
        (
            "cwd missing",
            ["/bin/true"],
            {"cwd": "/nope"},
            "cwd",
            errno.ENOENT,
            "directory /nope does not exist",
        ),
        ("cwd a file", ["/bin/true"], {"cwd": plain}, "cwd", errno.ENOTDIR, "is not a directory"),
        ("output", ["/bin/true"], {"stdout": "/nope/out"}, "output", errno.ENOENT, "/nope does not exist"),
        ("output a directory", ["/bin/true"], {"stderr": "/"}, "output", errno.EISDIR, "may not be written"),
    ]


@pytest.mark.parametrize("extra", [{}, {"nice": 5}], ids=["plain", "shim"])
def test_a_failure_names_what_failed_and_leaves_no_process(
    start: Launcher, tmp_path: Path, extra: dict[str, Any]
) -> None:
    before = own_children()
    for name, argv, fields, what, number, words in failures(tmp_path):
        with pytest.raises(LaunchError, match=words) as failed:
            start.launch(plan(tmp_path, *argv, **fields, **extra))
        assert (failed.value.what, failed.value.errno) == (what, number), name
        assert own_children() == before


@pytest.mark.parametrize("extra", [{}, {"nice": 5}], ids=["plain", "shim"])
def test_a_soft_limit_above_the_hard_one_is_named(
    start: Launcher, tmp_path: Path, extra: dict[str, Any]
) -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    with pytest.raises(LaunchError, match="limit nofile") as failed:
        start.launch(plan(tmp_path, "true", soft_limits={resource.RLIMIT_NOFILE: hard + 1}, **extra))
    assert failed.value.what == "limit"


def test_a_limit_beyond_what_anyone_may_have_is_named(start: Launcher, tmp_path: Path) -> None:
    too_many = 1 << 40
    with pytest.raises(LaunchError, match="limit nofile may not be set: Operation not permitted"):
        start.launch(plan(tmp_path, "true", hard_limits={resource.RLIMIT_NOFILE: (9, too_many)}))


def test_a_control_group_that_is_not_there_is_named(start: Launcher, tmp_path: Path) -> None:
    with pytest.raises(LaunchError, match="control group /nope may not be joined: No such file") as failed:
        start.launch(plan(tmp_path, "true", cgroup="/nope"))
    assert failed.value.what == "cgroup"


def test_a_directory_the_user_may_not_enter_is_named(start: Launcher, tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700 if AS_ROOT else 0)
    user = nobody() if AS_ROOT else None
    with pytest.raises(LaunchError, match="may not be entered") as failed:
        start.launch(plan(tmp_path, "true", user=user, cwd=str(closed)))
    assert failed.value.what == "cwd"


def test_without_a_shim_what_needs_one_fails_by_name(tmp_path: Path) -> None:
    start = Launcher((1024, 1024), None)
    with pytest.raises(LaunchError, match="not built: run make setup") as failed:
        start.launch(plan(tmp_path, "true", nice=1))
    assert failed.value.what == "shim"
    start.close()


@pytest.mark.parametrize(
    ("user", "group"), [("no-such-user", None), ("root", "no-such-group"), ("987654", None)]
)
def test_unknown_users_and_groups_are_named(user: str, group: str | None) -> None:
    with pytest.raises(LaunchError, match="does not exist") as failed:
        UserIds.lookup(user, group)
    assert failed.value.what == "user"


def test_users_are_found_by_name_number_and_group() -> None:
    assert UserIds.lookup("root") == UserIds.lookup("0")
    assert UserIds.lookup("root").home == "/root"
    assert UserIds.lookup("nobody", "root").gid == 0
    assert UserIds.lookup("987654", "0") == UserIds("987654", 987654, 0, (0,))


# Finding the executable


def test_the_search_is_execs_in_the_childs_path(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    file(tmp_path / "a" / "tool", "", 0o644)
    found = file(tmp_path / "b" / "tool", "#!/bin/sh\n", 0o755)
    search = f"{tmp_path}/a:{tmp_path}/b"
    assert resolve_executable("tool", search, None) == found
    assert resolve_executable("tool", "b", str(tmp_path)) == found
    assert resolve_executable("./b/tool", None, str(tmp_path)) == f"{tmp_path}/./b/tool"
    assert resolve_executable("sh", None, None) == "/bin/sh"
    with pytest.raises(LaunchError, match=f"{tmp_path}/a/tool is not executable"):
        resolve_executable("tool", f"{tmp_path}/a", None)
    with pytest.raises(LaunchError, match="command is empty"):
        resolve_executable("", search, None)


def test_the_interpreter_of_a_virtual_environment_is_itself(start: Launcher, tmp_path: Path) -> None:
    """It finds its packages by argv[0], so resolving must not follow the link."""
    python = Path(sys.executable)
    environment = {"PATH": str(python.parent)}
    what = plan(tmp_path, python.name, "-c", "import sys; print(sys.prefix)", environment=environment)
    assert run(start, what).strip() == sys.prefix
