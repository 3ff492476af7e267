"""The thread of a supervised worker that tells what it does, and does what only a worker can.

Each second it says which queues it consumes, how long they are and how old, and how much it runs; the answer names messages
to publish (retries that are due, replays, tasks whose starter died), tasks that nobody wants any more, and requests to look
into a queue or to empty it. It has a connection of its own. A store or a broker that is away ends one round, no more.
"""

import contextlib
import logging
import os
import signal
import threading
from pathlib import Path
from typing import Any

from celery.worker import state

from .. import channel
from ..errors import OverstoryError
from . import processes
from .broker import Queues
from .calls import publish
from .footprint import Footprint
from .holder import Holder
from .names import app_name

logger = logging.getLogger("overstory.celery")

EVERY_S = 1.0
TOPIC = "tasks"
"""A hint that there is something to do: the next round is now."""


class Reporter:
    """Of one worker; started when it consumes, ended with it. `looks_only`: it takes nothing, and is no worker."""

    def __init__(self, app: Any, consumer: Any, holder: Holder, *, looks_only: bool = False) -> None:
        self._app, self._consumer, self._holder = app, consumer, holder
        self._looks_only = looks_only
        self._stopping = False
        self._due = threading.Event()
        self._memory = Footprint()
        self._thread = threading.Thread(target=self._run, name="overstory-reporter", daemon=True)

    def start(self) -> None:
        channel.default().subscribe(TOPIC, lambda _push: self._due.set())
        self._thread.start()

    def stop(self) -> None:
        self._stopping = True
        self._due.set()
        self._thread.join(timeout=2.0)

    def _run(self) -> None:
        while not self._stopping:
            try:
                with self._app.connection_for_write() as connection:
                    self._live(Queues(self._app, connection))
            except Exception as error:  # the broker's client has many; each means: connect anew
                logger.debug("overstory: reporter: %r", error, exc_info=True)
                self._rest()

    def _live(self, queues: Queues) -> None:
        while not self._stopping:
            self.round(queues)
            self._rest()

    def _rest(self) -> None:
        self._due.wait(EVERY_S)
        self._due.clear()

    def round(self, queues: Queues) -> None:
        """One report, and what it brings. What the broker's client raises is raised."""
        consumer = self._consumer
        body = {
            "app": app_name(self._app),
            "holder": str(self._holder),
            "worker": consumer.hostname,
            "pool": type(consumer.pool).__module__.rpartition(".")[2],
            "concurrency": int(getattr(consumer.pool, "num_processes", 0) or 0),
            "running": len(state.active_requests),
            "tasks_total": sum(state.total_count.values()),
            "memory_bytes": self._memory.used(),
            "queues": queues.look(sorted(self._app.amqp.queues.consume_from)),
            "unacked": queues.unacked(),
            "looks_only": self._looks_only,
        }
        try:
            errands = channel.default().ask("task.report", body, 3.0)
        except OverstoryError as error:
            logger.debug("overstory: reporter: %s", error)
            return
        for message in errands.get("publish", ()):
            publish(self._app, message)
        for task in errands.get("revoked", ()):
            self._revoke(task)
        for request in errands.get("requests", ()):
            self._answer(queues, request)

    # -- revoking ---------------------------------------------------------------------------------------------------

    def _revoke(self, task: dict[str, Any]) -> None:
        """It is not begun here any more; what runs is killed, with everything below it, where the pool can do that."""
        if not task.get("supervised"):
            state.revoked.add(str(task["id"]))
        pid = int(task.get("pid") or 0)
        if task.get("kill") and _is_child(pid):
            logger.warning("overstory: task %s is revoked: its process %d is killed", task["id"], pid)
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    # -- requests ---------------------------------------------------------------------------------------------------

    def _answer(self, queues: Queues, request: dict[str, Any]) -> None:
        try:
            answer = self._carry_out(queues, request)
        except Exception as error:  # noqa: BLE001  it is the answer
            answer = {"error": f"{type(error).__name__}: {error}"[:500]}
        with contextlib.suppress(OverstoryError):
            channel.default().ask("task.answer", {"request": request["request"], "answer": answer})

    def _carry_out(self, queues: Queues, request: dict[str, Any]) -> dict[str, Any]:
        kind, queue, body = request["kind"], str(request["queue"]), request.get("body") or {}
        if kind == "peek":
            return {"messages": queues.peek(queue, int(body.get("limit", 20)))}
        if kind == "purge":
            count, ids = queues.purge(queue)
            for start in range(0, len(ids), 1000):
                channel.default().event("task.purged", {"ids": ids[start : start + 1000]})
            return {"purged": count}
        if kind == "return":
            return {"returned": queues.put_back(str(body["id"]))}
        return {"error": f"this worker knows no request {kind!r}"}


def _is_child(pid: int) -> bool:
    """Whether the process is a child of our own pool, which leads a group of its own: nothing else is ever killed."""
    stat = processes.stat_of(pid) if pid > 1 else None
    if stat is None or pid not in (stat.group, stat.session):
        return False
    with contextlib.suppress(OSError, ValueError, IndexError):
        text = Path(f"/proc/{pid}/stat").read_bytes()
        return int(text[text.rindex(b")") + 2 :].split()[1]) == os.getpid()
    return False
