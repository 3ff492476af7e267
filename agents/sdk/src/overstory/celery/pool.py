"""The death of a pool child, seen in milliseconds: a pidfd in the place of the pipe that Celery's pool watches.

The pipe closes when the last of the child's descriptors does, which is before the child can be reaped; the pool then looks,
finds it alive, and looks again up to five seconds later. A pidfd is readable when the child can be reaped.
"""

import contextlib
import os
from typing import Any

from celery.concurrency.asynpool import AsynPool
from celery.signals import worker_process_init

from . import processes
from .versions import off


def install() -> None:
    """Watch the children of every prefork pool of this process so."""
    if not hasattr(os, "pidfd_open"):
        off("noticing dead pool children at once", "this Python has no os.pidfd_open")
        return
    by_celery = AsynPool._track_child_process

    def track(self: Any, proc: Any, hub: Any) -> None:
        if getattr(proc, "_sentinel_poll", None) is None:
            with contextlib.suppress(OSError):  # gone already: the pipe tells, or the next look
                proc._sentinel_poll = os.pidfd_open(proc.pid)
        by_celery(self, proc, hub)

    AsynPool._track_child_process = track
    worker_process_init.connect(_begin, weak=False)


def _begin(**_: Any) -> None:
    """In a new pool child: a process group and a mark of its own, by which what it leaves behind is found."""
    os.environ[processes.MARK] = str(os.getpid())
    with contextlib.suppress(OSError):  # a session leader already: by a start method of its own
        os.setpgid(0, 0)
