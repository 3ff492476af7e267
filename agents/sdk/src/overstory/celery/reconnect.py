"""A worker whose broker went away goes on when it is back, and so do its pool children with what they were given.

Celery throws away what a pool child was given and has not yet said that it began, and takes that child for idle. But the
child has it and runs it: the task, which goes back into its queue, runs twice; and what is given to that child next waits
for as long as that takes, unseen, while others are idle. So we keep it: it is a task that runs.

Messages also arrive while the lost connection is closed: what had been sent already is read then. They came through a
channel that is gone, as all did that came before the next connection is made.
"""

import functools
from typing import Any

from celery.concurrency.asynpool import AsynPool
from celery.worker.consumer import Consumer

from .held import HELD

Jobs = dict[int, Any]
"""Of a pool, by number. Any: billiard's ApplyResult."""


def install() -> None:
    """For every worker of this process."""
    _mark_what_is_lost()
    _keep_what_is_handed()


def _mark_what_is_lost() -> None:
    by_celery, connect = Consumer.on_connection_error_after_connected, Consumer.connect

    @functools.wraps(by_celery)
    def after_connected(self: Any, exc: BaseException) -> None:
        HELD.connection_lost(tags_of(handed(_jobs(self.pool))))
        by_celery(self, exc)

    @functools.wraps(connect)
    def connecting(self: Any) -> Any:
        HELD.connection_lost(tags_of(_jobs(self.pool)))  # what is left in the pool now will run
        return connect(self)

    Consumer.on_connection_error_after_connected = after_connected
    Consumer.connect = connecting


def _keep_what_is_handed() -> None:
    by_celery = AsynPool.flush

    @functools.wraps(by_celery)
    def flush(self: Any) -> None:
        kept = handed(self._cache) | {number: job for number, job in self._cache.items() if job._accepted}
        by_celery(self)
        for number, job in kept.items():
            if not job.ready() and _lives(job._write_to):
                self._cache[number] = job
                self._busy_workers.add(job._write_to.inqW_fd)

    AsynPool.flush = flush


def handed(jobs: Jobs) -> Jobs:
    """Those that were written to a living child, in part at least, which did not say yet that it began."""
    return {number: job for number, job in jobs.items() if not job._accepted and _lives(job._write_to)}


def tags_of(jobs: Jobs) -> set[str]:
    """Delivery tags of the messages that jobs are of."""
    requests = [getattr(job._accept_callback, "__self__", None) for job in jobs.values()]
    return {str(request.message.delivery_tag) for request in requests if request is not None}


def _jobs(pool: Any) -> Jobs:
    """Of a pool with processes; the others have none that outlive a connection unseen."""
    return dict(getattr(getattr(pool, "_pool", None), "_cache", None) or {})


def _lives(process: Any) -> bool:
    return process is not None and bool(process._is_alive())
