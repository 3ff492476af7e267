"""What the main thread of a worker tells its custodian: that its loop goes round, and that nothing is on its way to it.

The custodian asks by a callback in Celery's own queue, which every kind of loop empties when it comes round.
"""

import select
import time
from typing import Any

from celery.worker import state

GREEN = ("gevent", "eventlet")


class Consuming:
    """Of one worker. Times are of the monotonic clock; the callback runs in the main thread, the rest in the custodian's."""

    def __init__(self, consumer: Any) -> None:
        self._consumer = consumer
        self.ticked_at = time.monotonic()
        self.clear_at = 0.0
        self._asked = False

    def ask(self) -> None:
        """Have the loop tick when it comes round; at most one callback waits."""
        if not self._asked:
            self._asked = True
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

    def _tick(self) -> None:
        self._asked = False
        self.ticked_at = time.monotonic()
        if not self._is_expecting():
            self.clear_at = self.ticked_at

    def _is_expecting(self) -> bool:
        """Whether a message may have arrived that was not looked at yet."""
        connection = self._consumer.connection
        cycle = getattr(getattr(connection, "transport", None), "cycle", None)
        if cycle is None:
            return connection is not None
        if getattr(cycle, "_paused_brpop", None):
            return True
        for broker in cycle._channels:
            waiting = broker._in_poll
            sock = getattr(waiting, "_sock", None) if waiting else None
            if sock is not None and _is_readable(sock):
                return True
        return False


def _is_readable(sock: Any) -> bool:
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(0))
