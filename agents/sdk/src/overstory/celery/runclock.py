"""Since when the function of a supervised task runs, told by a pool child to its worker through shared memory.

The time-out of a supervised task bounds its function. Celery's timer begins when the child takes the message, but an attempt
asks the control plane for its epoch first, waits for a store that is away, and tells its end afterwards: none of that is the
function's time, and a healthy task must not be killed for it. So the worker, when its timer is over, looks since when the
function runs, and sets the timer anew for what is left.

The table has a place for each pid there can be; only the pages that are written to take memory.
"""

import mmap
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

PID_LIMIT = 2**22
"""Linux gives no pid above it (PID_MAX_LIMIT)."""
NEVER = 0.0

_table: "memoryview[float] | None" = None


def install() -> None:
    """In a worker's main process, before its pool is made: what it forks shares the table."""
    from celery.concurrency.asynpool import AsynPool
    from celery.signals import worker_process_init

    global _table
    _table = memoryview(mmap.mmap(-1, PID_LIMIT * 8)).cast("d")
    worker_process_init.connect(_forget, weak=False)
    by_celery = AsynPool._on_hard_timeout

    def over(self: Any, number: int) -> None:
        job = self._cache.get(number)
        left_s = 0.0 if job is None else left_of(job, time.monotonic())
        if left_s > 0:
            self.on_timeout_set(job, None, left_s)
        else:
            by_celery(self, number)

    AsynPool._on_hard_timeout = over


@contextmanager
def running() -> Iterator[None]:
    """The function of this process runs."""
    _note(time.monotonic())
    try:
        yield
    finally:
        _note(NEVER)


def left_of(job: Any, now: float) -> float:
    """Seconds of a job's time-out that its function has not used; all of them while it does not run. Not above zero: it is
    over, and so for tasks that are not supervised, of which Celery's timer is right. Any: billiard's ApplyResult."""
    request = getattr(job._accept_callback, "__self__", None)
    if _table is None or not getattr(request, "timeout_is_of_the_function", False):
        return 0.0
    began = _table[job._worker_pid]
    return float(job._timeout if began == NEVER else began + job._timeout - now)


def _note(at: float) -> None:
    if _table is not None:
        _table[os.getpid()] = at


def _forget(**_: Any) -> None:
    """In a new pool child: one that had its pid may have been killed as it ran."""
    _note(NEVER)
