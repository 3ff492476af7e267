"""The node's control group: for real where this machine has a writable cgroup v2, and its file logic anywhere."""

import os
import signal
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from supervision.runtime import cgroups
from supervision.runtime.cgroups import CgroupUnsupported, NodeCgroup
from supervision.runtime.launch import Launcher
from tests.supervision.runtime.spawning import (
    AS_ROOT,
    await_end,
    await_readable,
    helper,
    launcher,
    plan,
    running,
    script,
)


def is_writable_here() -> bool:
    """Whether this machine should give us a group: root, with some cgroup v2 mounted read-write."""
    mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    return AS_ROOT and any(" - cgroup2 " in line and " rw" in line.partition(" - ")[2] for line in mounts)


@pytest.fixture
def group() -> Iterator[NodeCgroup | None]:
    """A node's group of our own, or None on a machine that has none to give."""
    found = NodeCgroup.open(uuid.uuid4().hex[:8])
    if found is None:
        assert not is_writable_here(), NodeCgroup.why_not
        assert NodeCgroup.why_not
        yield None
        return
    yield found
    found.kill()
    assert found.remove()


@pytest.fixture
def start() -> Iterator[Launcher]:
    made = launcher()
    yield made
    made.close()


# A process that left its parent, session and environment behind.
ESCAPING = "setsid env -i sh -c 'sleep 1000 & echo stands' & wait; exec sleep 1000"


@pytest.mark.parametrize("way", ["cgroup.kill", "freeze", "spare"])
def test_whatever_descends_from_the_group_is_killed_with_it(
    group: NodeCgroup | None, start: Launcher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    if group is None:
        return
    if way == "freeze":
        write = cgroups._write

        def without_kill(path: str, text: str) -> None:
            if path.endswith("cgroup.kill"):
                raise FileNotFoundError(path)
            write(path, text)

        monkeypatch.setattr(cgroups, "_write", without_kill)
    os.mkfifo(tmp_path / "fifo")
    reading = os.open(tmp_path / "fifo", os.O_RDONLY | os.O_NONBLOCK)
    what = plan(tmp_path, "sh", "-c", ESCAPING, stdout=str(tmp_path / "fifo"), cgroup=group.run_path)
    spared = plan(tmp_path, "sleep", "1000", cgroup=group.run_path)
    with running(start, what) as (pid, pidfd), running(start, spared) as (other, other_pidfd):
        await_readable(reading)
        members = group.members()
        assert {pid, other} < set(members)
        pidfds = [os.pidfd_open(member) for member in members if member not in (pid, other)]
        assert pidfds, "the one that escaped is a member"
        assert not group.remove()
        group.kill(spare=[other] if way == "spare" else [])
        for each in [pidfd, *pidfds]:
            await_readable(each)
        if way == "spare":
            assert group.members() == [other]
            os.kill(other, signal.SIGKILL)
        await_readable(other_pidfd)
        assert group.members() == []
        for each in pidfds:
            os.close(each)
    os.close(reading)


def test_node_and_guardian_stand_apart_and_find_the_same_group_from_within(group: NodeCgroup | None) -> None:
    if group is None:
        return
    said = script(
        f"""
from supervision.runtime.cgroups import NodeCgroup
group = NodeCgroup.open({group.path.rpartition("-")[2]!r})
own = lambda: [line for line in open("/proc/self/cgroup") if line.startswith("0::")][0].strip().rpartition("/")[2]
group.enter_run()
print(own(), os.getpid() in group.members(), NodeCgroup.open({group.path.rpartition("-")[2]!r}).path == group.path)
group.enter_guardian()
print(own(), os.getpid() in group.members(), NodeCgroup.open({group.path.rpartition("-")[2]!r}).path == group.path)
print(group.remove(), os.path.exists(group.path))
group.leave_guardian()
print(own().startswith("overstory"), os.path.exists(group.guardian_path))
os.mkdir(group.path)
"""
    )
    name = Path(group.path).name
    assert said.splitlines() == ["run True True", f"{name}-guardian False True", "True False", "False False"]


def test_a_memory_limit_is_real_or_refused_in_words(
    group: NodeCgroup | None, start: Launcher, tmp_path: Path
) -> None:
    if group is None:
        return
    why_not = group.why_no_memory()
    if why_not:
        assert "memory" in why_not
        with pytest.raises(CgroupUnsupported, match="memory controller"):
            group.child_group("shop/api@1", 32 << 20)
        return
    path = group.child_group("shop/api@1", 32 << 20)
    assert not group.oom_killed(path)
    eats = plan(tmp_path, "python3", "-c", "x = bytearray(256 << 20)", cgroup=path)
    assert os.WTERMSIG(await_end(start.launch(eats))) == signal.SIGKILL
    assert group.oom_killed(path)
    assert group.remove_child(path)


# The file logic, against a directory that looks like a delegated cgroup v2


class Tree:
    """A base directory whose groups get the files that the kernel would make."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.base = directory / "service"
        self.controllers = "cpu memory pids"
        monkeypatch.setattr(cgroups, "_make_group", self.make)
        monkeypatch.setattr(cgroups, "_rmdir", self.remove)
        self.make(str(self.base))
        self.group = NodeCgroup(str(self.base), "01234567")
        self.group._create()

    def make(self, path: str) -> None:
        if Path(path).exists():
            return
        Path(path).mkdir()
        for name, text in {
            "cgroup.procs": "",
            "cgroup.controllers": self.controllers,
            "cgroup.subtree_control": "",
            "memory.max": "max",
            "memory.oom.group": "0",
            "memory.events": "low 0\nhigh 0\nmax 0\noom 0\noom_kill 0",
        }.items():
            (Path(path) / name).write_text(text + "\n" if text else "")

    def remove(self, path: str) -> bool:
        for file in Path(path).iterdir():
            file.unlink()
        Path(path).rmdir()
        return True


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tree:
    return Tree(tmp_path, monkeypatch)


def test_a_childs_group_is_limited_and_dies_as_one(tree: Tree) -> None:
    path = tree.group.child_group("shop/web/api@2", 64 << 20)
    assert path == tree.group.child_path("shop/web/api@2")
    assert Path(path).parent == Path(tree.group.path)
    assert Path(path).name == "child-shop:web:api@2"
    assert (Path(path) / "memory.max").read_text().startswith(str(64 << 20))
    assert (Path(path) / "memory.oom.group").read_text().startswith("1")
    for above in (tree.base, Path(tree.group.path)):
        assert (above / "cgroup.subtree_control").read_text() == "+memory"


def test_a_key_too_long_for_a_name_still_has_a_group_of_its_own(tree: Tree) -> None:
    keys = ["/".join([first, *["x" * 60] * 5]) for first in ("a", "b")]
    paths = {tree.group.child_group(key, 1 << 20) for key in keys}
    assert len(paths) == 2


def test_only_a_kill_since_this_incarnation_counts(tree: Tree) -> None:
    path = tree.group.child_group("shop/api", 1 << 20)
    events = Path(path) / "memory.events"
    assert not tree.group.oom_killed(path)
    events.write_text("oom 3\noom_kill 2\n")
    assert tree.group.oom_killed(path)
    tree.group.child_group("shop/api", 1 << 20)  # the next one, beside kept descendants that hold the group
    assert not tree.group.oom_killed(path)
    events.write_text("oom 4\noom_kill 3\n")
    assert tree.group.oom_killed(path)
    assert NodeCgroup(str(tree.base), "01234567").oom_killed(tree.group.child_path("shop/api"))  # adopted
    assert tree.group.remove_child(path)
    assert not tree.group.oom_killed(path)


def test_without_the_controller_the_reason_is_told(tree: Tree) -> None:
    (tree.base / "cgroup.controllers").write_text("cpu pids\n")
    with pytest.raises(CgroupUnsupported, match="need the cgroup v2 memory controller"):
        tree.group.child_group("shop/api", 1 << 20)
    assert "memory controller" in tree.group.why_no_memory()


def test_a_base_that_holds_processes_is_named_and_may_be_free_later(
    tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = cgroups._write

    def busy(path: str, text: str) -> None:
        if path.endswith("service/cgroup.subtree_control"):
            raise OSError(16, "Device or resource busy")
        write(path, text)

    monkeypatch.setattr(cgroups, "_write", busy)
    assert "processes stand in" in tree.group.why_no_memory()
    monkeypatch.setattr(cgroups, "_write", write)
    assert tree.group.why_no_memory() == ""


def test_processes_of_another_pid_namespace_are_no_members(tree: Tree) -> None:
    """They read as 0, and kill(0) would hit our own group."""
    (Path(tree.group.run_path) / "cgroup.procs").write_text("0\n12\n")
    assert tree.group.members() == [12]


def test_members_of_a_group_removed_meanwhile_are_none(tree: Tree) -> None:
    (Path(tree.group.run_path) / "cgroup.procs").unlink()
    assert tree.group.members() == []


# Where our own group stands


@pytest.mark.parametrize(
    ("own", "mountinfo", "base"),
    [
        ("/", "/ {mount}", "{mount}"),
        ("/system.slice/overstory.service", "/ {mount}", "{mount}/system.slice/overstory.service"),
        ("/a/overstory-01234567/run", "/ {mount}", "{mount}/a"),
        ("/a/overstory-01234567-guardian", "/ {mount}", "{mount}/a"),
        ("/a/overstory-89abcdef/run", "/ {mount}", "{mount}/a/overstory-89abcdef/run"),  # below another node
        ("/docker/x/y", "/docker/x {mount}", "{mount}/y"),
    ],
)
def test_our_own_group_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own: str, mountinfo: str, base: str
) -> None:
    expected = Path(base.format(mount=tmp_path))
    expected.mkdir(parents=True, exist_ok=True)
    pretend(monkeypatch, own, "30 24 0:26 " + mountinfo.format(mount=tmp_path) + " rw - cgroup2 cgroup2 rw\n")
    assert cgroups._own_base("01234567", str(tmp_path)) == str(expected)


def test_a_group_outside_of_the_mount_and_no_mount_at_all_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mount = f"30 24 0:26 /docker/x {tmp_path} rw - cgroup2 cgroup2 rw\n"
    pretend(monkeypatch, "/../other", mount)
    with pytest.raises(CgroupUnsupported, match="outside"):
        cgroups._own_base("01234567", str(tmp_path))
    pretend(monkeypatch, "/", "30 24 0:26 / / rw - ext4 /dev/vda rw\n")
    with pytest.raises(CgroupUnsupported, match="no cgroup v2 file system"):
        cgroups._own_base("01234567", str(tmp_path))
    assert NodeCgroup.open("01234567", str(tmp_path)) is None
    assert "no cgroup v2" in NodeCgroup.why_not


def test_a_group_that_may_not_be_written_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, "/", f"30 24 0:26 / {tmp_path} rw - cgroup2 cgroup2 rw\n")
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert NodeCgroup.open("01234567", str(tmp_path)) is None
    assert "Delegate=yes" in NodeCgroup.why_not


def pretend(monkeypatch: pytest.MonkeyPatch, own: str, mountinfo: str) -> None:
    """Let /proc/self/cgroup and mountinfo say this."""
    said = {"/proc/self/cgroup": f"4:memory:/\n0::{own}\n", "/proc/self/mountinfo": mountinfo}
    monkeypatch.setattr(cgroups, "_read", lambda path: said[path])


def test_the_group_outlives_the_helper_that_was_in_it(group: NodeCgroup | None) -> None:
    if group is None:
        return
    code = f"""
def answer(line):
    with open({group.run_path!r} + "/cgroup.procs", "w") as file:
        file.write("0")
    return "in"
"""
    with helper(code) as child:
        child.ask()
        assert group.members() == [child.pid]
    assert group.members() == []
