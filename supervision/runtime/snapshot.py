"""The complete state of a node as one journal record: what `recovery.from_snapshot` reads.

Taken between two steps, while every kernel has heard of everything that happened: then it says the same as all the records
before it.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from supervision.runtime.desired import DesiredTree
from supervision.runtime.recovery import Recovered, RecoveredProcess, RecoveredTree
from supervision.runtime.run import Run
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


# -- of a state that was read back ----------------------------------------------------------------------------------------


def of_recovered(state: Recovered) -> dict[str, Any]:
    """The snapshot of a state that was folded from records: `recovery.from_snapshot` makes the same state of it.

    What no snapshot holds is left out: whose last words are still wanted, and whether a document waits for its kernel.
    """
    return {
        "version": VERSION,
        "boot_id": state.boot_id,
        "guardian_pid": state.guardian_pid,
        "adopted_strays": {str(pid): [*value] for pid, value in state.adopted_strays.items()},
        "strays": {str(pid): [*value] for pid, value in state.strays.items()},
        "own_children": {str(pid): own.to_json() for pid, own in state.own_children.items()},
        "helpers": sorted(state.helpers),
        "fences": {name: [fence.epoch, fence.down] for name, fence in state.fences.items()},
        "commands": {command_id: entry.to_json() for command_id, entry in state.commands.items()},
        "local_seq": state.local_seq,
        "interrupted": sorted(state.interrupted),
        "stopped_cleanly": state.stopped_cleanly,
        "incarnations": {name: dict(numbers) for name, numbers in state.incarnations.items()},
        "removing": sorted(state.removing),
        "returning": {
            name: [request.to_json() for request in requests] for name, requests in state.returning.items()
        },
        "trees": {name: _recovered_tree(tree) for name, tree in state.trees.items()},
        "processes": {key: _recovered_process(process) for key, process in state.processes.items()},
        "unconfirmed": {key: [*value] for key, value in state.unconfirmed.items()},
    }


def _recovered_tree(tree: RecoveredTree) -> dict[str, Any]:
    return {
        "kernel": tree.kernel.dump(),
        "revision": tree.revision,
        "digest": tree.digest,
        "message": tree.message,
        "applied_at": tree.applied_at,
        "document": tree.document,
        "origin": tree.origin,
        "epoch": tree.epoch,
        "fence": tree.fence,
        "since": dict(tree.since),
        "last_exit": dict(tree.last_exit),
        "ended": tree.ended,
    }


def _recovered_process(process: RecoveredProcess) -> dict[str, Any]:
    return {name: getattr(process, name) for name in RecoveredProcess.__slots__ if name != "key"}
