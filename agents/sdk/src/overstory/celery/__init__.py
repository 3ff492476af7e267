"""Celery under Overstory. One call, in the module that makes the application:

    from overstory.celery import supervise

    supervise(app)

Outside Overstory it applies the recommended settings and keeps what publishers and beats write in step with supervised
workers elsewhere; it starts nothing. docs/celery.md says what it does.
"""

import importlib
from typing import TYPE_CHECKING, Any

from .install import supervise as _supervise

if TYPE_CHECKING:
    from .outcome import Exit, Ok
    from .pools import TaskPool
    from .supervisedtask import SupervisedTask, attempt, supervised
    from .supervisors import TaskSupervisor

_LATER = {
    "Exit": "outcome",
    "Ok": "outcome",
    "SupervisedTask": "supervisedtask",
    "TaskPool": "pools",
    "TaskSupervisor": "supervisors",
    "attempt": "supervisedtask",
    "supervised": "supervisedtask",
}
"""What is loaded when it is first named: a program that only publishes plain tasks needs none of it."""

__all__ = [
    "Exit",
    "Ok",
    "SupervisedTask",
    "TaskPool",
    "TaskSupervisor",
    "attempt",
    "supervise",
    "supervised",
]


def __getattr__(name: str) -> Any:
    module = _LATER.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{module}", __name__), name)


def supervise(app: Any) -> None:
    """Supervise a Celery application: idempotent, cheap, and harmless where there is no Overstory."""
    _supervise(app)
