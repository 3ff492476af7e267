"""One cgroup v2 for each node, where we may have one: the only thing that holds a process whatever it does to itself.

    own group, as we found it (systemd: the service, with Delegate=yes)
    ├─ overstory-<id8>-guardian    the guardian, so that the group above holds no process (see `enter_guardian`)
    └─ overstory-<id8>             everything the node is answerable for; killed as one
        ├─ run                     node, helpers, children without a limit of their own
        └─ child-<key>             a child with a memory limit

cgroup v2 lets a group hand controllers to its children only while it holds no process itself (the root is exempt), so
memory limits need the guardian out of the way first. One group for each child costs 0.2 ms a spawn, so only children
with a limit have one. On a hybrid host (v1 with a v2 mount beside it) v2 has no memory controller: groups, no limits.
"""

import contextlib
import errno
import os
import signal
from collections.abc import Collection

from supervision.exceptions import SupervisionError
from supervision.runtime.sha256 import sha256_hex

CGROUP2 = "cgroup2"
_KILL_ROUNDS = 200


class CgroupUnsupported(SupervisionError):  # noqa: N818 it states a fact about the host
    """This host cannot do it; the message says why in words for the operator."""


class NodeCgroup:
    """The node's group. `why_not` holds the words of the last `open` that found none."""

    why_not = ""

    def __init__(self, base: str, node_id8: str) -> None:
        self.base = base
        self.path = os.path.join(base, f"overstory-{node_id8}")
        self.run_path = os.path.join(self.path, "run")
        self.guardian_path = os.path.join(base, f"overstory-{node_id8}-guardian")
        self._oom_before: dict[str, int] = {}

    @classmethod
    def open(cls, node_id8: str, root: str = "/sys/fs/cgroup") -> "NodeCgroup | None":
        """The node's group below our own one, created if need be; None with `why_not` where we may not have one."""
        try:
            group = cls(_own_base(node_id8, root), node_id8)
            group._create()
        except CgroupUnsupported as error:
            cls.why_not = str(error)
            return None
        except OSError as error:
            cls.why_not = f"{error.filename or root}: {os.strerror(error.errno or 0)}"
            return None
        cls.why_not = ""
        return group

    def _create(self) -> None:
        for path in (self.path, self.run_path):
            _make_group(path)
        if not os.access(os.path.join(self.run_path, "cgroup.procs"), os.W_OK):
            raise CgroupUnsupported(f"{self.run_path} may not be written")

    # membership

    def enter_run(self) -> None:
        """Move this process into the group of node and children; what it starts from now on is born there."""
        _write(os.path.join(self.run_path, "cgroup.procs"), "0")

    def enter_guardian(self) -> None:
        """Move this process beside the node's group: out of what `kill` kills, and out of our own group, which can
        then hand on its memory controller."""
        _make_group(self.guardian_path)
        _write(os.path.join(self.guardian_path, "cgroup.procs"), "0")

    def leave_guardian(self) -> None:
        """Move this process back to where it came from and remove the group that `enter_guardian` made."""
        with contextlib.suppress(OSError):
            _write(os.path.join(self.base, "cgroup.procs"), "0")
        _rmdir(self.guardian_path)

    def members(self) -> list[int]:
        """Every process in the node's group and below; also what has left its session, parent and environment."""
        return [pid for group in _subtree(self.path) for pid in _pids(group)]

    def kill(self, *, spare: Collection[int] = ()) -> None:
        """SIGKILL everything in it, forks under way included. A caller that is a member must `spare` itself.

        One write to cgroup.kill (Linux 5.14); older kernels and `spare` go round until a whole pass finds nothing new.
        """
        if not spare:
            try:
                _write(os.path.join(self.path, "cgroup.kill"), "1")
                return
            except FileNotFoundError:
                pass
            self._freeze("1")  # nothing forks; SIGKILL ends frozen processes too
        try:
            killed: set[int] = set(spare)
            for _ in range(_KILL_ROUNDS):
                fresh = [pid for pid in self.members() if pid not in killed]
                if not fresh:
                    break
                for pid in fresh:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                killed.update(fresh)
        finally:
            if not spare:
                self._freeze("0")

    def _freeze(self, text: str) -> None:
        with contextlib.suppress(OSError):  # Linux 5.2
            _write(os.path.join(self.path, "cgroup.freeze"), text)

    # memory limits

    def child_path(self, key: str) -> str:
        """Where the group of child `key` stands, if it has one."""
        return os.path.join(self.path, "child-" + _escape(key))

    def child_group(self, key: str, memory_max_bytes: int) -> str:
        """A fresh group for one incarnation of `key` under a memory limit; its path goes into LaunchPlan.cgroup.

        The limit counts memory, not swap, as systemd's MemoryMax=. The kernel's out-of-memory killer ends the whole
        group. CgroupUnsupported in words when this host has no memory controller to give.
        """
        self._enable_memory()
        path = self.child_path(key)
        with contextlib.suppress(FileNotFoundError, OSError):
            os.rmdir(path)  # counters begin at zero again
        _make_group(path)  # still holds descendants that were kept
        _write(os.path.join(path, "memory.max"), str(memory_max_bytes))
        with contextlib.suppress(OSError):  # Linux 4.19
            _write(os.path.join(path, "memory.oom.group"), "1")
        self._oom_before[path] = _oom_kills(path)
        return path

    def oom_killed(self, path: str) -> bool:
        """Whether the out-of-memory killer was at work in that group since its `child_group`.

        For an adopted child pass `child_path(key)`: its group began at zero with the incarnation.
        """
        return _oom_kills(path) > self._oom_before.get(path, 0)

    def remove_child(self, path: str) -> bool:
        """Remove the group of an incarnation that ended; False while something still runs in it."""
        self._oom_before.pop(path, None)
        return _rmdir(path)

    def remove(self) -> bool:
        """Remove the node's groups, emptied before; False when something is still in one."""
        removed = [_rmdir(path) for path in reversed(_subtree(self.path))]
        return all(removed)

    def why_no_memory(self) -> str:
        """Why memory limits cannot be had here, in words; empty when they can."""
        try:
            self._enable_memory()
        except CgroupUnsupported as error:
            return str(error)
        return ""

    def _enable_memory(self) -> None:
        for path in (self.base, self.path):
            _hand_on_memory(path)


def _hand_on_memory(path: str) -> None:
    """Give the children of `path` the memory controller."""
    if "memory" in _read(os.path.join(path, "cgroup.subtree_control")).split():
        return
    if "memory" not in _read(os.path.join(path, "cgroup.controllers")).split():
        where = "cgroup v1 holds it" if _v1_has_memory() else "it was not delegated to this group"
        raise CgroupUnsupported(f"memory limits need the cgroup v2 memory controller: {where} ({path})")
    try:
        _write(os.path.join(path, "cgroup.subtree_control"), "+memory")
    except OSError as error:
        if error.errno == errno.EBUSY:
            words = f"processes stand in {path} itself, so it cannot hand on its memory controller"
        else:
            words = f"the memory controller of {path} may not be handed on: {os.strerror(error.errno or 0)}"
        raise CgroupUnsupported(words) from error


def _v1_has_memory() -> bool:
    return any("memory" in line.split(":")[1].split(",") for line in _read("/proc/self/cgroup").splitlines())


def _own_base(node_id8: str, root: str) -> str:
    """The directory of our own group, or of the one above when we already stand in one of the node's."""
    mount, mounted = _cgroup2_mount(root)
    groups = _read("/proc/self/cgroup").splitlines()
    own = next((line[3:] for line in groups if line.startswith("0::")), None)
    if own is None:
        raise CgroupUnsupported("this process is in no cgroup v2 group")
    inside = os.path.relpath(own, mounted)
    if inside.startswith(".."):
        raise CgroupUnsupported(f"our group {own} is outside of what is mounted at {mount}")
    parts = [] if inside == "." else inside.split("/")
    ours = {f"overstory-{node_id8}", f"overstory-{node_id8}-guardian"}
    for depth, part in enumerate(parts):
        if part in ours:
            parts = parts[:depth]
            break
    base = os.path.join(mount, *parts)
    if not os.access(base, os.W_OK):
        raise CgroupUnsupported(f"our group {base} may not be written (under systemd: Delegate=yes)")
    return base


def _cgroup2_mount(root: str) -> tuple[str, str]:
    """(mount point, the group that is mounted there) of the cgroup2 file system at or below `root`."""
    for line in _read("/proc/self/mountinfo").splitlines():
        before, _, after = line.partition(" - ")
        fields = before.split()
        if after.split()[0] == CGROUP2 and (fields[4] + "/").startswith(root.rstrip("/") + "/"):
            return fields[4], fields[3]
    raise CgroupUnsupported(f"no cgroup v2 file system is mounted below {root}")


def _escape(key: str) -> str:
    """A directory's name for a child's key; a key too long for one keeps its end and is told apart by its digest."""
    name = key.replace("/", ":")
    if len(name) <= 200:
        return name
    return f"{sha256_hex(key.encode())[:16]}:{name[-160:]}"


def _subtree(path: str) -> list[str]:
    """`path` and every group below it, parents first."""
    return [directory for directory, _, _ in os.walk(path)]


def _pids(path: str) -> list[int]:
    try:
        # 0 stands for a process outside our pid namespace; as an argument of kill it would mean our own group
        return [int(pid) for pid in _read(os.path.join(path, "cgroup.procs")).split() if pid != "0"]
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENODEV):  # removed meanwhile
            return []
        raise


def _oom_kills(path: str) -> int:
    try:
        events = dict(line.split() for line in _read(os.path.join(path, "memory.events")).splitlines())
    except OSError:
        return 0
    return int(events.get("oom_kill", 0))


def _read(path: str) -> str:
    with open(path) as file:
        return file.read()


def _write(path: str, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)


def _make_group(path: str) -> None:
    with contextlib.suppress(FileExistsError):
        os.mkdir(path, 0o755)


def _rmdir(path: str) -> bool:
    try:
        os.rmdir(path)
    except FileNotFoundError:
        return True
    except OSError as error:
        if error.errno in (errno.EBUSY, errno.ENOTEMPTY):
            return False
        raise
    return True
