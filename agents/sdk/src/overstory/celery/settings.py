"""Celery's settings as we recommend them, each only where the user set none. docs/celery.md lists them with the reason."""

import os
from typing import Any

SOFT_SHUTDOWN_VARIABLE = "OVERSTORY_SOFT_SHUTDOWN_S"
"""Told by the worker driver: what is left of the child's `shutdown` for running tasks."""

RECOMMENDED: dict[str, Any] = {
    "task_acks_late": True,
    "task_reject_on_worker_lost": True,
    "worker_prefetch_multiplier": 1,
    "worker_cancel_long_running_tasks_on_connection_loss": False,
    "broker_connection_retry_on_startup": True,
    "broker_connection_max_retries": None,
    "accept_content": ["json"],
    "result_accept_content": ["json"],
    "redis_socket_keepalive": True,
    "redis_retry_on_timeout": True,
    "redis_backend_health_check_interval": 25,
}


def recommend(conf: Any) -> dict[str, Any]:
    """Apply them below what the user set, and say which are in force. The configuration is loaded with this."""
    wanted = dict(RECOMMENDED)
    soft = os.environ.get(SOFT_SHUTDOWN_VARIABLE)
    if soft:
        wanted["worker_soft_shutdown_timeout"] = float(soft)
    made = {name: value for name, value in wanted.items() if not conf.value_set_for(name)}
    # Before the last map, Celery's own defaults: whatever the user sets, also later, stands before ours.
    conf.defaults.insert(len(conf.defaults) - 1, made)
    conf.maps.insert(len(conf.maps) - 1, made)
    return made
