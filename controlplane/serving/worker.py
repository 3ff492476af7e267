"""The platform's Celery worker: `python -m controlplane.serving.worker`.

Ready when it consumes, not when it runs. Its flags: no mingle and no gossip (nothing of ours depends on what
workers tell each other), one message taken ahead, no remote control; scaling is by whole workers.

It is made without Celery's command line, whose prompt takes as long to import as Celery does, and without Django's system
checks, which bring every page, the REST interface and the admin into a process that serves none: half of its start.
"""

import logging
import os
import sys

from celery.signals import worker_ready, worker_shutting_down
from celery.utils.nodenames import default_nodename, host_format

from controlplane.celery import PLATFORM_QUEUE, app
from controlplane.serving import notify
from controlplane.serving.loading import loading

CONCURRENCY = 2
"""Two, so that a webhook that hangs until its deadline does not hold back the clean-up."""


def main() -> int:
    """The exit status of the worker."""
    heart = notify.Heart()

    def is_ready(**_: object) -> None:
        notify.ready(f"consumes {PLATFORM_QUEUE}")
        heart.start()

    def stops(**_: object) -> None:
        notify.tell("STOPPING=1", "STATUS=finishing its tasks")

    worker_ready.connect(is_ready, weak=False)
    worker_shutting_down.connect(stops, weak=False)
    os.environ["CELERY_SKIP_CHECKS"] = "1"
    with loading():
        worker = app.Worker(
            hostname=host_format(default_nodename("platform@%h")), loglevel=logging.WARNING,
            queues=[PLATFORM_QUEUE], concurrency=CONCURRENCY, without_mingle=True, without_gossip=True,
        )  # fmt: skip
    worker.start()
    return int(worker.exitcode or 0)


if __name__ == "__main__":
    sys.exit(main())
