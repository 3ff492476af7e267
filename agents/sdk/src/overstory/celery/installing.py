"""The tasks' part of `supervise(app)`: a reporter in every worker."""

from typing import Any

from celery.signals import worker_ready, worker_shutdown

from .holder import Holder
from .reporter import Reporter

_reporters: list[Reporter] = []


def install_tasks(app: Any) -> None:
    """Start a reporter when a worker of `app` consumes, and end it with the worker. Nothing outside Overstory."""

    def ready(sender: Any, **_: Any) -> None:
        holder = Holder.of_this_process()
        if holder is None or _reporters:
            return
        reporter = Reporter(sender.app, sender, holder)
        _reporters.append(reporter)
        reporter.start()

    def shutdown(**_: Any) -> None:
        while _reporters:
            _reporters.pop().stop()

    if Holder.of_this_process() is not None:
        worker_ready.connect(ready, weak=False)
        worker_shutdown.connect(shutdown, weak=False)
