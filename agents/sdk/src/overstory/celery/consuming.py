"""What the main thread of a worker tells its custodian: that its loop goes round, and that nothing is on its way to it.

The custodian asks by a callback in Celery's own queue, which every kind of loop empties when it comes round.
"""

import select
import time
from typing import Any

from celery.worker import state

ASK_AGAIN_S = 2.0


class Consuming:
    """Of one worker. Times are of the monotonic clock; the callback runs in the main thread, the rest in the custodian's."""

    def __init__(self, consumer: Any) -> None:
        self._consumer = consumer
        self.ticked_at = time.monotonic()
        self.clear_at = 0.0
        self._asked_at: float | None = None

    def ask(self) -> None:
        """Have the loop tick when it comes round. It is asked again when it did not within ASK_AGAIN_S: a callback that
        raises takes those that wait behind it along."""
        now = time.monotonic()
        if self._asked_at is None or now - self._asked_at > ASK_AGAIN_S:
            self._asked_at = now
            self._consumer.call_soon(self._tick)

    @property
    def is_consuming(self) -> bool:
        """Whether it is connected and has a consumer."""
        consumer = self._consumer
        return consumer.connection is not None and consumer.task_consumer is not None

    @property
    def has_room(self) -> bool:
        """Whether it may take another message. A connection on its way out has none."""
        try:
            return bool(self._consumer.task_consumer.channel.qos.can_consume())
        except AttributeError:
            return True

    @property
    def is_in_the_loop(self) -> bool:
        """Whether the main loop runs a task itself, so that it cannot tick."""
        return self._consumer.hub is None and bool(state.active_requests)

    @property
    def queues(self) -> list[str]:
        return sorted(self._consumer.app.amqp.queues.consume_from)

    @property
    def _cycle(self) -> Any:
        """kombu's poller of the worker's channels; None while there is no connection, and for brokers that have none."""
        return getattr(getattr(self._consumer.connection, "transport", None), "cycle", None)

    def _tick(self) -> None:
        self._asked_at = None
        give_back(self._cycle)
        self.ticked_at = time.monotonic()
        if not self._is_expecting():
            self.clear_at = self.ticked_at

    def _is_expecting(self) -> bool:
        """Whether a message may have arrived that was not looked at yet. A full worker looks at none, and may be full for
        long; it keeps nobody waiting unless one did arrive."""
        cycle = self._cycle
        if cycle is None:
            return self._consumer.connection is not None
        for broker in cycle._channels:
            waiting = broker._in_poll
            sock = getattr(waiting, "_sock", None) if waiting else None
            if sock is not None and _is_readable(sock):
                return True
        return False


def give_back(cycle: Any) -> None:
    """Put back what came after the last room was gone: asked for while there was some, as a task with a later start gives
    room back when it begins. kombu lets it lie, seen by nobody, until there is room again; that may be hours."""
    for fd, (channel, client, connection, sock) in list(
        (getattr(cycle, "_paused_brpop", None) or {}).items()
    ):
        if channel._in_poll is not connection or channel.qos.can_consume() or not _is_readable(sock):
            continue
        reply = client.parse_response(
            connection, "BRPOP"
        )  # raises what tells the loop that the connection is gone
        channel._in_poll = None
        cycle._discard_paused_brpop(fd)
        if reply:
            queue_list, message = reply
            client.rpush(queue_list, message)  # its copy is there yet, should we die just now


def _is_readable(sock: Any) -> bool:
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(0))
