"""What the driver reads of a Celery worker: its `celery_worker` section, made into the process that it is.

The worker is Celery's own, started in the application's interpreter through a file of the SDK that supervises whatever
application it loads, so nothing in the application has to change. It says READY=1 once it consumes, and WATCHDOG=1 only
while it consumes; one that stops doing so ends as `unhealthy`.
"""

import sys
from collections.abc import Mapping
from typing import Any

from supervision.runtime import boot
from supervision.runtime.environmentdoc import ENVIRONMENT
from supervision.runtime.fielddoc import collect
from supervision.runtime.kindfields import CELERY_WORKER
from supervision.runtime.processdoc import ProcessBody
from supervision.runtime.processfields import INFINITY

KIND = "celery_worker"
RUN = str(boot.ROOT / "agents" / "sdk" / "src" / "overstory" / "_celery.py")
OF_THE_POOL = ("scale", "recycle")
"""What the control plane acts on, and no worker is told."""
WATCHDOG_S = 30.0
"""A worker whose custodian is silent for so long is stopped as a whole: it hangs, or somebody stopped it with a signal."""
GRACE_S = 2.0
"""What soft shutdown leaves of the child's `shutdown`: Celery looks once a second whether tasks ended, ends the pool, and
puts messages back; seen: 1.2 s."""


def worker_body(body: Mapping[str, Any]) -> ProcessBody:
    """The process of a worker. Raises DocumentErrors (a ValueError) for a body this release does not understand."""
    section: dict[str, Any] = collect(lambda report: CELERY_WORKER.read(body.get(KIND), f"/{KIND}", report))
    tree = collect(
        lambda report: ENVIRONMENT.read(body.get("tree_environment", {}), "/tree_environment", report)
    )
    return ProcessBody.of_section(
        {
            **section,
            "command": command_of(section),
            "readiness": {"notify": True, "deadline": section["ready_within"]},
            "watchdog": section.get("watchdog") or WATCHDOG_S,
            "reload": "none",
            "pre_start": [],
            "post_stop": [],
            "sockets": [],
        },
        tree,
        watchdog_reason="unhealthy",
        told=told_of(section),
    )


def python_of(section: Mapping[str, Any]) -> str:
    """The interpreter of a worker: its application's, or the node's."""
    return str(section.get("python") or sys.executable)


def command_of(section: Mapping[str, Any]) -> list[str]:
    """The argv. Mingle and gossip are off: both are lossy, and a start must not wait for other workers."""
    queues = f"--queues={','.join(section['queues'])}"
    if section.get("looks_only"):
        return [python_of(section), RUN, f"--app={section['app']}", "look", queues]
    command = [
        python_of(section), RUN, f"--app={section['app']}", "worker", queues,
        f"--pool={section['pool']}", f"--prefetch-multiplier={section['prefetch']}", "--without-mingle",
        "--without-gossip",
    ]  # fmt: skip
    options = {
        "--concurrency": section.get("concurrency"),
        "--time-limit": section.get("task_time_limit"),
        "--soft-time-limit": section.get("task_soft_time_limit"),
    }
    command += [f"{name}={value:g}" for name, value in options.items() if value is not None]
    return [*command, *section["arguments"]]


def told_of(section: Mapping[str, Any]) -> dict[str, str]:
    """What the worker is told beside its arguments.

    REMAP_SIGTERM is Celery's: asked to stop, it gives running tasks the time of its soft shutdown and then puts their
    messages back, instead of waiting for them for ever.
    """
    told = {}
    if section["stalled_after"] != INFINITY:
        told["OVERSTORY_STALLED_AFTER_S"] = f"{section['stalled_after']:g}"
    soft = section.get("soft_shutdown")
    if soft is not None:
        told["OVERSTORY_SOFT_SHUTDOWN_S"] = f"{soft:g}"
        if section["stop_signal"] == "TERM":
            told["REMAP_SIGTERM"] = "SIGQUIT"
    return told


def soft_shutdown_s(shutdown: str | float) -> float | None:
    """What running tasks get when a document says nothing: the child's `shutdown` but for GRACE_S; None: no bound."""
    return None if isinstance(shutdown, str) else max(0.0, float(shutdown) - GRACE_S)
