"""A worker whose main loop broke ends at once, as a whole; and one way to break it that is none of the user's.

Celery stops such a worker warmly: it waits for tasks whose results nobody reads any more, for ever. Its node would find it
silent a minute later. Ended at once, what it held runs elsewhere within a second.

A connection that is lost makes Celery's loop forget which results of pool children it had read in part; what is read next is
taken for the beginning of a message, and is none. So a part that was read is kept with its process.
"""

import logging
import os
import sys
from collections.abc import Iterator
from typing import Any

from celery.concurrency.asynpool import ResultHandler
from celery.worker.worker import WorkController

from .. import channel

logger = logging.getLogger("overstory.celery")

FLUSH_S = 1.0


def install() -> None:
    """For every worker of this process."""
    _end_broken_loops()
    _keep_parts()


def _end_broken_loops() -> None:
    by_celery = WorkController.stop

    def stop(self: Any, in_sighandler: bool = False, exitcode: int | None = None) -> None:
        error = sys.exc_info()[1]
        if exitcode and isinstance(error, Exception) and not in_sighandler:
            logger.critical("overstory: the main loop of this worker broke (%r): it ends", error)
            channel.default().flush(FLUSH_S)
            logging.shutdown()
            os._exit(exitcode)
        by_celery(self, in_sighandler=in_sighandler, exitcode=exitcode)

    WorkController.stop = stop


def _keep_parts() -> None:
    by_celery = ResultHandler._recv_message

    def receive(self: Any, add_reader: Any, fd: int, callback: Any, *args: Any) -> Iterator[None]:
        parts = self.__dict__.setdefault("_overstory_parts", {})
        process = self.fileno_to_outq.get(fd)
        kept = parts.get(fd)
        if kept is None or kept[0] is not process:
            kept = (process, by_celery(self, add_reader, fd, callback, *args))
        parts[fd] = kept
        try:
            for _ in kept[1]:  # not `yield from`, which would end it when this generator is thrown away
                yield
        except GeneratorExit:
            raise
        except BaseException:
            parts.pop(fd, None)
            raise
        parts.pop(fd, None)

    ResultHandler._recv_message = receive
