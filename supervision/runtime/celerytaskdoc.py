"""What the driver reads of a Celery task: its `celery_task` section, made into the process that stands for it.

That process loads the application, publishes the task under the child's key, is ready while a worker runs it, and ends as it
ended: it says with what reason, as an exit status has no room for one. Asked to stop it revokes the task, and its worker
kills what runs.
"""

import json
import sys
from collections.abc import Mapping
from typing import Any

from supervision.runtime import boot
from supervision.runtime.environmentdoc import ENVIRONMENT
from supervision.runtime.fielddoc import collect
from supervision.runtime.kindfields import CELERY_TASK
from supervision.runtime.processdoc import ProcessBody
from supervision.runtime.processfields import INFINITY

KIND = "celery_task"
RUN = str(boot.ROOT / "agents" / "sdk" / "src" / "overstory" / "_celery_task.py")


def task_body(body: Mapping[str, Any]) -> ProcessBody:
    """The process of a task. Raises DocumentErrors (a ValueError) for a body this release does not understand."""
    section: dict[str, Any] = collect(lambda report: CELERY_TASK.read(body.get(KIND), f"/{KIND}", report))
    tree = collect(
        lambda report: ENVIRONMENT.read(body.get("tree_environment", {}), "/tree_environment", report)
    )
    return ProcessBody.of_section(
        {
            **section,
            "command": [python_of(section), RUN, section["app"]],
            "readiness": {"notify": True, "deadline": INFINITY},
            "reload": "none",
            "pre_start": [],
            "post_stop": [],
            "sockets": [],
        },
        tree,
        told=told_of(section),
        tells_reason=True,
    )


def python_of(section: Mapping[str, Any]) -> str:
    """The interpreter of the application, or the node's."""
    return str(section.get("python") or sys.executable)


def told_of(section: Mapping[str, Any]) -> dict[str, str]:
    """What is to be run, and how. Three variables, because a JSON value may have 64 KiB and one variable 128."""
    names = ("task", "queue", "priority", "timeout", "start_within", "max_attempts")
    return {
        "OVERSTORY_TASK": json.dumps(
            {name: section[name] for name in names if section.get(name) is not None}
        ),
        "OVERSTORY_TASK_ARGS": json.dumps(section["args"]),
        "OVERSTORY_TASK_KWARGS": json.dumps(section["kwargs"]),
    }
