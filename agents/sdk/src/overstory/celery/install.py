"""What `supervise(app)` does: in every process of the application, and in its workers."""

import os
import threading
from typing import Any

from celery.signals import worker_process_init, worker_ready, worker_shutdown, worker_shutting_down

from .. import channel, notify
from . import installing, lifecycle, settings, versions
from .held import HELD
from .holder import Holder

STALLED_VARIABLE = "OVERSTORY_STALLED_AFTER_S"
"""Told by the worker driver; empty: never."""
RECOVERY = "recovery of lost tasks"

IS_READY = threading.Event()
"""The worker of this process consumes, and its custodian speaks for it."""

_installed: set[str] = set()


def supervise(app: Any) -> None:
    """See overstory.celery. The order matters: settings before anybody reads them, classes before anybody makes one."""
    if getattr(app, "_overstory_supervised", False):
        return
    app._overstory_supervised = True
    if app.configured:
        settings.recommend(app.conf)
    else:
        app.on_after_configure.connect(_configured, sender=app, weak=False)
    why = versions.why_unknown()
    if not why:
        _once("everywhere", _everywhere)
    if Holder.of_this_process() is not None:
        if why:
            versions.off(RECOVERY, why)
        else:
            _once("worker", _in_workers)
        _once("life", _life)
        installing.install_tasks(app)


def _configured(sender: Any, source: Any = None, **_: Any) -> None:
    settings.recommend(source)


def _once(name: str, work: Any) -> None:
    if name not in _installed:
        _installed.add(name)
        work()


def _everywhere() -> None:
    """What publishers and beats take part in."""
    try:
        from . import transport
    except ImportError:
        return  # no Redis client here: no Redis broker
    transport.install()
    from . import beat

    beat.install()


def _in_workers() -> None:
    from . import broken, pool, reconnect, request, retries, runclock

    broken.install()
    pool.install()
    request.install()
    reconnect.install()
    retries.install()
    runclock.install()


def _life() -> None:
    worker_ready.connect(_ready, weak=False)
    worker_shutting_down.connect(_shutting_down, weak=False)
    worker_shutdown.connect(_shutdown, weak=False)
    worker_process_init.connect(_in_pool_child, weak=False)


_custodian: Any = None


def _ready(sender: Any, **_: Any) -> None:
    """The worker consumes for the first time."""
    global _custodian
    from .custodian import Custodian

    holder = Holder.of_this_process()
    if holder is None:
        return
    transport = sender.connection.transport
    is_redis = transport.driver_type == "redis" and not versions.why_unknown()
    if transport.driver_type != "redis":
        versions.off(RECOVERY, f"the broker is {transport.driver_type}, not Redis")
    HELD.room = int(getattr(sender, "max_prefetch_count", 0) or 0)
    stalled = os.environ.get(STALLED_VARIABLE, "")
    _custodian = Custodian(
        sender.app, sender, holder, float(stalled) if stalled else None, has_broker=is_redis
    )
    _custodian.start()
    IS_READY.set()
    notify.ready("consumes " + ", ".join(sorted(sender.app.amqp.queues.consume_from)))
    channel.default().event(
        "worker.consuming",
        {
            "holder": str(holder), "worker": sender.hostname, "concurrency": sender.pool.num_processes,
            "queues": sorted(sender.app.amqp.queues.consume_from), "pool": type(sender.pool).__module__,
            "celery": ".".join(map(str, versions.version_of("celery"))),
            "kombu": ".".join(map(str, versions.version_of("kombu"))),
            "broker": sender.connection.as_uri(),
        },
    )  # fmt: skip


def _shutting_down(**_: Any) -> None:
    notify.stopping()
    if _custodian is not None:
        _custodian.is_ending = True


def _shutdown(**_: Any) -> None:
    if _custodian is not None:
        _custodian.stop()
    lifecycle.STARTS.tell_older(0.0)
    channel.default().flush(2.0)


def _in_pool_child(**_: Any) -> None:
    """A pool child is not its worker: it must not speak for it to the watchdog."""
    for name in ("NOTIFY_SOCKET", "WATCHDOG_USEC"):
        os.environ.pop(name, None)
