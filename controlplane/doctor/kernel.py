"""The kernel's facilities, and control groups."""

import os
from collections.abc import Iterator
from pathlib import Path

from controlplane.doctor.findings import Finding, Host, fail, ok, warn
from controlplane.embedded.privileges import can_enter_namespace
from supervision.runtime import linux
from supervision.runtime.cgroups import NodeCgroup
from supervision.runtime.client import ControlClient, ControlError

OLDEST = (5, 4)
"""pidfd_open and waitid(P_PIDFD)."""

FACILITIES: dict[str, tuple[str, str, str, bool]] = {
    "pidfd": (
        "kernel.pidfd",
        "deaths are seen by pidfd",
        "Linux 5.4 or newer is needed, and a seccomp filter that lets pidfd_open pass.",
        True,
    ),
    "pidfd exit status": (
        "kernel.pidfd_info",
        "exit statuses of adopted children by PIDFD_GET_INFO",
        "Linux 6.15 has it. Without, they come from /proc and the guardian's file: right as long as the guardian lives.",
        False,
    ),
    "pidfd inode": (
        "kernel.pidfs",
        "process identities by pidfs inode",
        "Linux 6.9 has it. Without, a process is known by pid and start time.",
        False,
    ),
    "pidfd group signal": (
        "kernel.group_signal",
        "process groups are signalled by pidfd",
        "Linux 6.9 has it. Without, groups are killed by number while their leader is a zombie.",
        False,
    ),
    "children list": (
        "kernel.children",
        "direct children by /proc/PID/task/TID/children",
        "A kernel with CONFIG_PROC_CHILDREN is needed to find strays.",
        True,
    ),
}
"""Name in `linux.supports()`: check, what works with it, advice without it, needed."""


def version(_host: Host) -> Iterator[Finding]:
    release = os.uname().release
    if linux.kernel_version() >= OLDEST:
        yield ok("kernel.version", f"Linux {release}")
    else:
        yield fail("kernel.version", f"Linux {release} is too old", "Linux 5.4 or newer is needed (pidfd).")


def facilities(_host: Host) -> Iterator[Finding]:
    supported = linux.supports()
    for name, (check, what, advice, needed) in FACILITIES.items():
        if supported.get(name):
            yield ok(check, what)
        else:
            yield (fail if needed else warn)(check, f"not here: {what}", advice)


def user_namespaces(_host: Host) -> Iterator[Finding]:
    """Only root needs one: PostgreSQL refuses to run as uid 0."""
    if os.geteuid() != 0:
        yield ok("kernel.unshare", "not needed: not run as root")
        return
    if can_enter_namespace():
        yield ok("kernel.unshare", "user namespaces: the embedded PostgreSQL runs in one")
    else:
        yield warn(
            "kernel.unshare",
            "user namespaces are forbidden here",
            "The embedded PostgreSQL runs from a copy under /var/lib/overstory as another user; or give a DATABASE_URL.",
        )


def control_group(host: Host) -> Iterator[Finding]:
    """The running node's own answer where there is one: this shell stands in another group than the guardian."""
    running = _node_has_group(host)
    if running is not None:
        if running:
            yield ok("cgroup.writable", "the node holds a cgroup v2 group of its own")
        else:
            yield warn("cgroup.writable", "the node has no cgroup v2 group of its own", _NO_GROUP)
        return
    group = NodeCgroup.open(f"doctor{os.getpid()}")
    if group is None:
        yield warn("cgroup.writable", NodeCgroup.why_not or "no writable cgroup v2 group", _NO_GROUP)
        return
    base = group.base
    group.remove()
    yield ok("cgroup.writable", f"cgroup v2 is writable ({base})")
    controllers = Path(base, "cgroup.controllers").read_text().split()
    if "memory" in controllers:
        yield ok("cgroup.memory", f"controllers here: {' '.join(controllers)}")
    else:
        yield warn(
            "cgroup.memory",
            "no memory controller in this group" + (f", only {' '.join(controllers)}" if controllers else ""),
            "memory_max is refused. On a cgroup v1 or hybrid host boot with systemd.unified_cgroup_hierarchy=1.",
        )


_NO_GROUP = (
    "Children are found by /proc instead: a process that scrubbed its environment and outlived guardian and node both is "
    "not found, and memory_max is refused. Under systemd: Delegate=yes."
)


def _node_has_group(host: Host) -> bool | None:
    try:
        with ControlClient(host.paths.control_socket, clock=host.clock, connect_timeout_s=1.0) as client:
            answer = client.call("status", timeout_s=2.0)
    except ControlError:
        return None
    return bool(answer.get("cgroup")) if isinstance(answer, dict) else None


CHECKS = (version, facilities, user_namespaces, control_group)
