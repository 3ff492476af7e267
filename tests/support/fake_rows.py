"""Rows of a tree as a node answers them, healthy unless told otherwise."""

import time
from typing import Any

Json = dict[str, Any]


def child(key: str, state: str = "running", **fields: Any) -> Json:
    """A child's row as `tree` answers it, healthy unless told otherwise."""
    running = state in ("running", "starting", "stopping")
    body = {
        "key": key, "id": key.rpartition("/")[2], "kind": "process", "state": state, "incarnation": 1,
        "pid": 4000 + sum(key.encode()) % 1000 if running else None, "since": time.time() - 75, "restarts": 0,
        "restart": "permanent", "last_exit": None, "held": False, "held_until": None,
        "wanted": "down" if state == "stopped" else "up", "waiting_for": [], "backoff_until": None, "status": "",
        "command": ["sleep", "600"], "ready": state == "running", "stage": "main" if running else None,
        "dynamic": False, "depends_on": [], "descendants_ending": [], "blocked": "",
    }  # fmt: skip
    return body | fields


def supervisor(key: str, *children: Json, strategy: str = "one_for_one", **fields: Any) -> Json:
    """A supervisor's row around `children`."""
    body = {
        "key": key, "id": key.rpartition("/")[2], "kind": "supervisor", "state": "running", "incarnation": 1,
        "strategy": strategy, "intensity": 3, "period": 5.0, "window_used": 0, "restarts": 0, "stop": "ordered",
        "since": time.time() - 75, "wanted": "up", "restart": "permanent", "children": list(children),
    }  # fmt: skip
    return body | fields


def tree(root: Json, *, revision: int = 1, message: str = "") -> Json:
    """One applied tree."""
    return {
        "name": root["key"], "revision": revision, "message": message, "applied_at": time.time() - 100,
        "digest": f"{revision:064x}", "ended": None, "blocked": 0, "root": root,
    }  # fmt: skip


def shop() -> Json:
    """The tree most tests talk about: two instances that share a supervisor with their database, and a crash loop."""
    return tree(
        supervisor(
            "shop",
            child("shop/db"),
            supervisor("shop/web", child("shop/web/api@1"), child("shop/web/api@2"), strategy="rest_for_one"),
            child(
                "shop/mail", "backoff", incarnation=7, restarts=6, backoff_until=time.time() + 40,
                last_exit={"reason": "exit(3)", "at": time.time() - 2, "incarnation": 7},
            ),
        ),
        revision=4,
        message="bigger pool",
    )  # fmt: skip
