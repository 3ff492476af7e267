"""Records as the reader brings them from PostgreSQL."""

from datetime import UTC, datetime
from typing import Any

AT = datetime(2027, 1, 15, 8, 0, tzinfo=UTC)
"""Unix second 1_800_000_000."""


def node(node_id: str, **columns: Any) -> dict[str, Any]:
    return {
        "id": node_id, "name": f"host-{node_id}", "labels": {"zone": "a"}, "state": "up", "draining": False,
        "version": "0.1.0", "pid": 10, "guardian_pid": 9, "started_at": AT,
        "joined_at": AT, "renewed_at": AT, "lease_until": AT,
        "epoch": 1, "stream_epoch": 1, "journal_seq": 5, "helpers": [],
    } | columns  # fmt: skip


def member(key: str, **columns: Any) -> dict[str, Any]:
    tree = key.partition("/")[0]
    return {
        "node_id": "n1", "tree": tree, "key": key, "parent": key.rpartition("/")[0], "position": 0,
        "child_id": key.rpartition("/")[2], "kind": "process", "is_supervisor": False, "state": "running", "wanted": "up",
        "incarnation": 1, "pid": None, "since": AT, "restarts": 0, "restart": "permanent", "last_exit_reason": "",
        "last_exit_at": None, "last_exit_incarnation": None, "held": False, "held_until": None, "backoff_until": None,
        "waiting_for": [], "status": "", "stage": "main", "command": ["sleep", "9"], "dynamic": False, "ready": True,
        "strategy": "", "intensity": None, "period": None, "window_used": None, "stop": "", "seq": 5, "removed": False,
    } | columns  # fmt: skip


def supervisor(key: str, **columns: Any) -> dict[str, Any]:
    return member(key) | {
        "is_supervisor": True, "kind": "supervisor", "strategy": "one_for_one", "intensity": 3, "period": 5.0,
        "window_used": 0, "command": [],
    } | columns  # fmt: skip
