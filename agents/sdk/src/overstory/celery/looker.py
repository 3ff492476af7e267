"""What stands in for a pool that has no worker at present: it looks at the queues from outside, and takes nothing.

    python -m overstory.celery --app=shop.celery:app look --queues=mail,celery

The worker driver starts it where a pool that scales by what waits is at zero. It reports as a worker does, each second, so
that the pool is given a worker when something waits; and it does what a worker is asked to do in the broker: publish what is
due, look into a queue, empty it. It has no pool of processes and prefetches nothing, and is a fraction of a worker.
"""

import argparse
import signal
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from types import FrameType
from typing import Any

from celery.app.utils import find_app

from .. import channel, notify
from . import supervise
from .holder import Holder
from .reporter import Reporter

COMMAND = "look"


@dataclass(frozen=True, slots=True)
class NoPool:
    """In the place of Celery's."""

    num_processes: int = 0


@dataclass(frozen=True, slots=True)
class Looker:
    """In the place of a worker's consumer."""

    app: Any
    hostname: str
    pool: NoPool = NoPool()


def is_asked_for(argv: Sequence[str]) -> bool:
    """Whether these arguments are the driver's for a looker."""
    return len(argv) > 1 and argv[0].startswith("--app=") and argv[1] == COMMAND


def main(argv: Sequence[str]) -> None:
    """Until a signal asks it to stop."""
    parser = argparse.ArgumentParser(prog="python -m overstory.celery")
    parser.add_argument("--app", required=True)
    parser.add_argument("command", choices=[COMMAND])
    parser.add_argument("--queues", required=True)
    given = parser.parse_args(argv)
    stop = threading.Event()

    def asked(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
        signal.signal(number, asked)
    app = find_app(given.app)
    supervise(app)
    app.amqp.queues.select(given.queues.split(","))
    holder = Holder.of_this_process()
    if holder is None:
        raise SystemExit("overstory: it looks for a pool of a tree, and this is none of its children")
    reporter = Reporter(app, Looker(app, f"{COMMAND}@{holder.key}"), holder, looks_only=True)
    reporter.start()
    notify.ready(f"looks at {given.queues}: no worker is needed while nothing waits")
    period_s = (notify.watchdog_s() or 30.0) / 3
    while not stop.wait(period_s):
        notify.alive()
    notify.stopping()
    reporter.stop()
    channel.default().flush(2.0)
