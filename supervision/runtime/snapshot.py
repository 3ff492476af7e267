"""The complete state of a node as one journal record: what `recovery.from_snapshot` reads.

Taken between two steps, while every kernel has heard of everything that happened: then it says the same as all the records
before it.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from supervision.runtime.desired import DesiredTree
from supervision.runtime.process_driver import Run
from supervision.runtime.tree_runner import TreeRunner

VERSION = 1


def trees_of(runners: Mapping[str, TreeRunner], revisions: Mapping[str, DesiredTree]) -> dict[str, Any]:
    """Each tree: its kernel whole, its revision, and what pages show beside it."""
    return {name: tree_of(runner, revisions[name]) for name, runner in runners.items()}


def tree_of(runner: TreeRunner, revision: DesiredTree) -> dict[str, Any]:
    return {
        "kernel": runner.kernel.dump(),
        "revision": revision.revision,
        "digest": revision.digest,
        "message": revision.message,
        "applied_at": revision.applied_at,
        "document": revision.document,
        "origin": revision.origin,
        "epoch": revision.epoch,
        "fence": revision.fence,
        "since": runner.since,
        "last_exit": runner.last_exit,
        "ended": runner.ended,
    }


def processes_of(runs: Iterable[Run]) -> dict[str, Any]:
    """The process of each incarnation, and how far that one is."""
    return {
        run.key: {
            "incarnation": run.incarnation,
            "pid": run.leader.pid,
            "inode": run.leader.inode,
            "start_time": run.leader.start_time,
            "asked": run.asked,
            "killed_for": run.leader.killed_for,
            "ready": run.is_ready,
            "role": run.leader.role,
            "job": run.job,
            "reason": run.reason,
        }
        for run in runs
        if run.leader is not None
    }


def unconfirmed_of(runs: Iterable[Run], now: float) -> dict[str, Any]:
    """Starts that have no process yet; `now` is boot time."""
    return {run.key: [run.incarnation, now] for run in runs if run.leader is None}
