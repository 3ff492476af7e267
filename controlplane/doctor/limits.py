"""How many descriptors and processes this user may have here."""

import os
import resource
from collections.abc import Iterator
from pathlib import Path

from controlplane.doctor.findings import Finding, Host, fail, ok, warn

PER_CHILD = 1
"""Descriptors that a child takes in the node: its pidfd."""

OWN = 64
"""Descriptors of the node itself, generously."""

FEW_CHILDREN, MANY_CHILDREN = 100, 1_000


def descriptors(_host: Host) -> Iterator[Finding]:
    """The node raises its soft limit to the hard one, so the hard one counts."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    room = (1 << 30 if hard == resource.RLIM_INFINITY else hard) - OWN
    text = f"{_words(hard)} descriptors at most (soft limit {_words(soft)})"
    advice = "Raise the hard limit: `ulimit -Hn` as root, or LimitNOFILE= in the systemd unit."
    if room < FEW_CHILDREN * PER_CHILD:
        yield fail("limits.nofile", f"{text}: room for {max(0, room)} children", advice)
    elif room < MANY_CHILDREN * PER_CHILD:
        yield warn("limits.nofile", f"{text}: room for about {room} children", advice)
    else:
        yield ok("limits.nofile", text)


def processes(_host: Host) -> Iterator[Finding]:
    _soft, hard = resource.getrlimit(resource.RLIMIT_NPROC)
    if os.geteuid() == 0:
        yield ok("limits.nproc", "no limit for root")
        return
    text = f"{_words(hard)} processes and threads of this user at most"
    if hard != resource.RLIM_INFINITY and hard < 4 * FEW_CHILDREN:
        yield warn(
            "limits.nproc", text, "Raise it: LimitNPROC= in the systemd unit, or /etc/security/limits.conf."
        )
    else:
        yield ok("limits.nproc", text)


def pids(_host: Host) -> Iterator[Finding]:
    most = min(int(Path("/proc/sys/kernel", name).read_text()) for name in ("pid_max", "threads-max"))
    here = _cgroup_pids()
    text = f"{most} processes and threads on this host at most" + (
        f", {here} in this control group" if here else ""
    )
    if min(most, here or most) < 4 * MANY_CHILDREN:
        yield warn(
            "limits.pid_max", text, "Raise kernel.pid_max, kernel.threads-max or the group's TasksMax=."
        )
    else:
        yield ok("limits.pid_max", text)


def _cgroup_pids() -> int | None:
    """`pids.max` of the nearest group above us that has one."""
    try:
        own = next(
            line[4:].strip()
            for line in Path("/proc/self/cgroup").read_text().splitlines()
            if line.startswith("0::/")
        )
        directory = Path("/sys/fs/cgroup", own)
        for group in (directory, *directory.parents):
            if group == Path("/sys/fs"):
                break
            limit = group / "pids.max"
            if limit.exists() and (text := limit.read_text().strip()) != "max":
                return int(text)
    except (OSError, StopIteration, ValueError):
        pass
    return None


def _words(limit: int) -> str:
    return "unlimited" if limit == resource.RLIM_INFINITY else str(limit)


CHECKS = (descriptors, processes, pids)
