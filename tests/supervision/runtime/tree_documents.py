"""Tree documents for tests: small ones in a line, and one that says every field there is."""

import copy
from collections.abc import Iterator
from typing import Any

from supervision.runtime.treedoc import DocumentErrors, TreeDocument, parse_tree

Json = dict[str, Any]


def tree(*children: Json, **supervisor: Any) -> Json:
    """A tree with these children of the root; keywords are fields of the root supervisor."""
    return {"version": 1, "tree": "t", "supervisor": {**supervisor, "children": list(children)}}


def child(child_id: str = "a", *, process: Json | None = None, **fields: Any) -> Json:
    """A child that is a process; `process` adds fields to its section."""
    return {"id": child_id, **fields, "process": {"command": ["/bin/sleep", "9"], **(process or {})}}


def supervisor(child_id: str, *children: Json, **fields: Any) -> Json:
    """A child that is a supervisor."""
    return {"id": child_id, "supervisor": {**fields, "children": list(children)}}


def faults(document: object) -> dict[str, str]:
    """Pointer to message of every fault; empty when the document is valid."""
    try:
        parse_tree(document)
    except DocumentErrors as errors:
        return {error.pointer: error.message for error in errors.errors}
    return {}


def section(name: str, **fields: Any) -> Json:
    """The normal form of a process with these fields: what became of the field `name`, in a mapping, if it is there."""
    found = parse_tree(tree(child(process=fields)))
    process: Json = found.document["supervisor"]["children"][0]["process"]
    return {name: process[name]} if name in process else {}


_HOST: Json = {
    "cwd": "/srv",
    "user": "nobody",
    "group": "nogroup",
    "umask": "027",
    "nice": 5,
    "environment": {"A": "1", "B": {"secret": "B"}, "C": {"secret_file": "/run/secrets/c"}},
    "environment_files": ["/etc/one.env", {"path": "/etc/two.env", "optional": True}],
    "limits": {
        "nofile": 1024,
        "nproc": {"soft": 10, "hard": 20},
        "core": 0,
        "as": "1GiB",
        "data": "unlimited",
        "stack": "8MiB",
        "fsize": {"hard": "1GiB"},
        "memlock": "64KiB",
        "msgqueue": 819200,
        "cpu": "1h",
        "rtprio": 0,
        "sigpending": 100,
        "memory_max": "256MiB",
    },
    "data_directory": "/srv/data",
    "health": [
        {"heartbeat": {"within": "10s"}},
        {
            "name": "front",
            "http": {"url": "http://127.0.0.1:8000/", "status": "2xx"},
            "interval": "10s",
            "timeout": "1s",
            "rise": 1,
            "fall": 2,
            "start_period": "1m",
            "on_unhealthy": "restart",
        },
        {"exec": {"command": ["/bin/true"]}},
        {"tcp": {"host": "127.0.0.1", "port": 80}},
        {"python": {"call": "shop.checks:ping", "interpreter": "/usr/bin/python3"}},
        {"postgres": {"host": "db", "port": 5432, "socket": "/run/postgresql/.s.PGSQL.5432"}},
        {"redis": {"host": "cache", "port": 6379, "socket": "/run/redis.sock"}},
        {"consumes": True},
    ],
    "stop_signal": "SIGINT",
    "descendants": "keep",
    "watchdog": "10s",
    "output": {"max_bytes": "1MiB", "segments": 3},
}

FULL: Json = {
    "version": 1,
    "tree": "everything",
    "on_failure": {"action": "stay_down", "initial": "2s", "factor": 1.5, "cap": "30s"},
    "environment": {"T": "tree", "A": "overridden"},
    "report_errors": False,
    "placement": {
        "labels": {"zone": "a", "disk": "fast"},
        "mode": "replicas",
        "replicas": 3,
        "singleton": False,
        "fence": True,
    },
    "rollout": {"max_unavailable": 2, "ready_deadline": "30s", "auto_rollback": True},
    "supervisor": {
        "strategy": "rest_for_one",
        "intensity": 5,
        "period": "10s",
        "auto_shutdown": "any_significant",
        "stop": "parallel",
        "max_children": 50,
        "children": [
            {
                "id": "web",
                "kind": "process",
                "restart": "transient",
                "significant": True,
                "shutdown": "1m30s",
                "backoff": {
                    "initial": "100ms",
                    "factor": 3,
                    "cap": "1s",
                    "jitter": 0.5,
                    "reset_after": "20s",
                },
                "success_exit_codes": [3, 4],
                "instances": 2,
                "on_leak": {"does": "restart", "memory": "512MiB"},
                "process": {
                    "command": ["/bin/sleep", 10],
                    **_HOST,
                    "reload": "notify",
                    "reload_signal": "USR1",
                    "pre_start": [["/bin/true"], {"command": ["/bin/true", "x"], "timeout": "5s"}],
                    "post_stop": [["/bin/true"]],
                    "readiness": {
                        "http": {"url": "http://localhost:80/", "status": [200, "2xx", "300-302"]},
                        "interval": "2s",
                        "timeout": "3s",
                        "start_period": "1s",
                        "deadline": "infinity",
                    },
                    "sockets": [
                        {"name": "http", "type": "tcp", "address": "[::1]:8080", "backlog": 10},
                        {"name": "local", "type": "unix", "address": "/run/x.sock"},
                    ],
                },
            },
            {
                "id": "below",
                "restart": "temporary",
                "significant": True,
                "shutdown": "infinity",
                "backoff": {},
                "depends_on": ["web@1", "probe"],
                "supervisor": {
                    "strategy": "simple_one_for_one",
                    "children": [
                        {"id": "template", "shutdown": "brutal_kill", "process": {"command": ["/bin/true"]}}
                    ],
                },
            },
            {"id": "probe", "process": {"command": ["a"], "readiness": {"exec": {"command": ["b", "c"]}}}},
            {"id": "port", "process": {"command": ["a"], "readiness": {"tcp": {"host": "::1", "port": 1}}}},
            {"id": "speaks", "process": {"command": ["a"], "readiness": {"notify": True}}},
            {
                "id": "job",
                "restart": "temporary",
                "process": {"command": ["a"], "readiness": {"completed": True}},
            },
            {
                "id": "agent",
                "agent": {
                    "entry_point": "shop.agents:Buyer",
                    "namespace": "shop",
                    "arguments": {"budget": 10.5, "names": ["x", None]},
                    "capabilities": ["buy"],
                    "metadata": {"owner": "me"},
                    "start": "exec",
                    "python": "/srv/.venv/bin/python",
                    "preload": ["json", "http.client"],
                    "spares": 2,
                    "ready_within": "20s",
                    "heartbeat": "1s",
                    "checkpoint": {"keep": 5, "max_age": "1d", "max_bytes": "2MiB"},
                    **_HOST,
                },
            },
            {"id": "configured", "agent": {"config": "shop/buyer", "revision": 3, "on_change": "deliver"}},
            {
                "id": "program",
                "instances": 3,
                "agent": {"command": ["/bin/agent"]},
                "canary": {"instance": 2, "agent": {"command": ["/bin/newer"]}},
            },
            {
                "id": "worker",
                "kind": "celery_worker",
                "celery_worker": {
                    "app": "shop.celery:app",
                    "python": "/srv/.venv/bin/python",
                    "queues": ["fast", "slow"],
                    "concurrency": 4,
                    "pool": "threads",
                    "prefetch": 2,
                    "soft_shutdown": "4s",
                    "task_time_limit": "10m",
                    "task_soft_time_limit": "9m",
                    "arguments": ["--loglevel", "info"],
                    "looks_only": True,
                    "recycle": {"memory": "1GiB", "tasks": 1000, "age": "1d"},
                    "scale": {
                        "min": 2,
                        "max": 8,
                        "queue_length": 100,
                        "oldest": "30s",
                        "cooldown": "2m",
                        "schedule": [{"cron": "0 8 * * 1-5", "workers": 4, "timezone": "Europe/Berlin"}],
                    },
                    "stalled_after": "2m",
                    "ready_within": "infinity",
                    **_HOST,
                },
            },
            {
                "id": "task",
                "celery_task": {
                    "python": "/srv/.venv/bin/python",
                    **_HOST,
                    "app": "shop.celery",
                    "task": "shop.tasks.count",
                    "args": [1, "two"],
                    "kwargs": {"three": {"four": 5}},
                    "queue": "slow",
                    "priority": 3,
                    "timeout": "1h",
                    "start_within": "10m",
                    "max_attempts": 2,
                },
            },
        ],
    },
}
"""Valid, and every field of every section is written somewhere in it (test_reference.py sees to that)."""


def full() -> Json:
    """A copy of FULL, to be changed."""
    return copy.deepcopy(FULL)


def places(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """The path to every value in a document, the document itself first."""
    yield path
    if isinstance(value, dict):
        for key, held in value.items():
            yield from places(held, (*path, key))
    elif isinstance(value, list):
        for index, held in enumerate(value):
            yield from places(held, (*path, index))


def parsed(*children: Json, **supervisor_fields: Any) -> TreeDocument:
    """The tree of `tree(...)`, which is valid."""
    return parse_tree(tree(*children, **supervisor_fields))
