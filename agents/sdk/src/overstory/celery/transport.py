"""kombu's Redis transport, with what we write beside its own entries: who holds a message, and a copy while it is queued.

Both ride in the pipelines kombu sends anyway, so they cost no round trip. Only messages of Celery tasks are concerned.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any

from celery.worker import state
from kombu.transport import redis as transport
from kombu.transport import virtual
from kombu.utils.json import dumps

from . import claims, names
from .copies import COPIES
from .held import HELD, Held, Stage
from .holder import Holder
from .names import BARE

CLIENT_NAME = "overstory"
"""Of our connections, where the user chose none: a consumer without it is one that leaves copies behind."""


class SupervisedQoS(transport.QoS):  # type: ignore[misc]  # kombu's classes are untyped
    """Records the holder of each message with the message; knows which of them are whose."""

    _sweeping = False

    @cached_property
    def holder(self) -> str:
        """Of this process; empty outside Overstory, where nobody would bring a message back. Asked for with each message."""
        found = Holder.of_this_process()
        return "" if found is None else str(found)

    def can_consume(self) -> bool:
        """kombu's; but what runs since before the connection was lost takes room too. Celery lowers the count for that, but
        to no less than one: the message it takes then waits behind what runs, while others are idle."""
        if not super().can_consume():
            return False
        left_over = HELD.left_over
        if not left_over or not self.prefetch_count:
            return True
        taken = len(self._delivered) - len(self._dirty)
        return bool(taken + left_over < max(HELD.room, self.prefetch_count))

    def append(self, message: Any, delivery_tag: str) -> None:
        """A message came: it is ours, and no longer in a queue."""
        raw = message._raw
        task_id = names.task_id(raw)
        if not task_id:
            super().append(message, delivery_tag)
            return
        headers = raw["headers"]
        carried = names.ours(headers)
        HELD.take(Held(delivery_tag, task_id, headers["task"], attempts_lost=int(carried.get("lost") or 0)))
        with self._beside() as pipe:
            if self.holder:
                pipe.hset(BARE.holders, delivery_tag, self.holder)
            if carried.get("list"):
                pipe.hdel(BARE.copies(carried["list"]), task_id)
                pipe.zrem(BARE.copied(carried["list"]), task_id)
            self._pipe = pipe
            try:
                super().append(message, delivery_tag)
            finally:
                self._pipe = None

    _pipe: Any = None

    @contextmanager
    def _beside(self) -> Iterator[Any]:
        with self.channel.conn_or_acquire() as client, client.pipeline() as pipe:
            yield pipe

    @contextmanager
    def pipe_or_acquire(self, pipe: Any = None, client: Any = None) -> Iterator[Any]:
        """kombu's, but a pipeline that `append` began already is the one it goes on with."""
        with super().pipe_or_acquire(pipe or self._pipe, client) as found:
            yield found

    def _remove_from_indices(self, delivery_tag: str, pipe: Any = None) -> Any:
        made = super()._remove_from_indices(delivery_tag, pipe).hdel(BARE.holders, delivery_tag)
        held = HELD.get(delivery_tag)
        if held is not None and held.outcome:
            made = made.hset(BARE.outcomes, held.outcome_field, held.outcome)
        return made

    def ack(self, delivery_tag: str) -> None:
        held = HELD.get(delivery_tag)
        if held is not None:
            held.stage = Stage.ENDED
        if self._is_left_to_custodian(held):
            virtual.QoS.ack(self, delivery_tag)
            return
        super().ack(delivery_tag)
        if held is not None:
            HELD.end(held)
            if held.outcome:
                HELD.acknowledged(held)

    def reject(self, delivery_tag: str, requeue: bool = False) -> None:
        held = HELD.get(delivery_tag)
        if (
            held is not None
        ):  # before the broker is asked: should it be away, the custodian has to know what was wanted
            held.stage = Stage.RESERVED if requeue else Stage.ENDED
        if self._is_left_to_custodian(held):
            virtual.QoS.ack(self, delivery_tag)
            return
        super().reject(delivery_tag, requeue=requeue)
        HELD.drop(delivery_tag)

    def _is_left_to_custodian(self, held: Held | None) -> bool:
        """Whether this channel is gone, and the custodian does what was to be done through its own, if it did not yet. In
        Celery 5.7.0 the attempt alone ends the worker (AttributeError)."""
        if not self.holder:
            return False
        if self.channel.closed and held is not None:
            held.stale = True
        return self.channel.closed if held is None else held.stale

    def forget(self, delivery_tag: str) -> None:
        """It went back by a script: only the bookkeeping of this process is left."""
        virtual.QoS.ack(self, delivery_tag)
        HELD.drop(delivery_tag)

    def restore_unacked(self, client: Any = None) -> None:
        """The channel closes. Of a worker that ends, everything goes back; of one that lost its connection nothing: what
        runs runs on, and the custodian brings the rest back as soon as the broker is there again."""
        if not self.holder or state.should_stop or state.should_terminate:
            super().restore_unacked(client)
            return
        self._delivered.clear()

    def restore_visible(self, *args: Any, **kwargs: Any) -> None:
        """kombu's visibility time-out, for messages that no living worker of ours holds."""
        self._sweeping = True
        try:
            super().restore_visible(*args, **kwargs)
        finally:
            self._sweeping = False

    def restore_by_tag(self, tag: Any, client: Any = None, leftmost: bool = False) -> None:
        if self._sweeping and self._is_held(tag, client):
            return
        super().restore_by_tag(tag, client=client, leftmost=leftmost)
        HELD.drop(tag)

    def _is_held(self, tag: Any, client: Any) -> bool:
        """Whether a worker that was heard of within the time-out holds it; then it is not asked about for as long again."""
        with self.channel.conn_or_acquire(client) as found:
            holder = found.hget(BARE.holders, tag)
            if not holder:
                return False
            at = found.hget(BARE.seen, holder)
            if at is None or time.time() - float(at) > self.visibility_timeout:
                return False
            found.zadd(self.unacked_index_key, {tag: time.time()})
        return True


class _Supervised:
    """What we add to a channel, whichever way it finds its server."""

    QoS = SupervisedQoS
    socket_keepalive = True
    client_name = CLIENT_NAME
    _shared: tuple[Any, Any] = (None, None)

    @contextmanager
    def conn_or_acquire(self, client: Any = None) -> Iterator[Any]:
        """One client for each pool of connections: to make one takes as long as a round trip, and kombu makes one for each
        message that comes and each that is acknowledged."""
        if client:
            yield client
            return
        channel: Any = self
        pool, made = self._shared
        if pool is not channel.pool:
            made = channel._create_client()
            self._shared = (channel.pool, made)
        yield made

    def _put(self, queue: str, message: dict[str, Any], **kwargs: Any) -> None:
        """Push a message; that of a task with its copy, and that of a beat only if its slot is not fired yet."""
        task_id = names.task_id(message)
        if not task_id:
            super()._put(queue, message, **kwargs)  # type: ignore[misc]  # kombu's
            return
        channel: Any = self
        key = channel._q_for_pri(queue, channel._get_message_priority(message, reverse=False))
        now = time.time()
        _stamp(message, key, now)
        claim = claims.current()
        if claim is not None and not kwargs.get("_publish_batch"):
            claims.fire(channel, claim, key, dumps(message), task_id, now)
        elif COPIES.are_wanted(channel):
            self._put_with_copy(queue, key, message, task_id, now, kwargs.get("_publish_batch"))
        else:
            super()._put(queue, message, **kwargs)  # type: ignore[misc]  # kombu's

    def _put_with_copy(
        self, queue: str, key: str, message: dict[str, Any], task_id: str, now: float, batch: Any
    ) -> None:
        channel: Any = self
        payload = dumps(message)
        commands: list[tuple[str, tuple[Any, ...]]] = [
            ("lpush", (key, payload)),
            ("hset", (BARE.copies(key), task_id, payload)),
            ("zadd", (BARE.copied(key), {task_id: now})),
            ("sadd", (BARE.lists, key)),
        ]
        expires = getattr(channel, "_expires", {}).get(queue)  # kombu 5.6 has none
        if expires:
            commands += [
                ("pexpire", (channel._q_for_pri(queue, step), expires)) for step in channel.priority_steps
            ]
        if batch is not None:
            for name, arguments in commands:
                batch.add(name, *arguments)
            return
        with channel.conn_or_acquire() as client, client.pipeline() as pipe:
            for name, arguments in commands:
                getattr(pipe, name)(*arguments)
            pipe.execute()

    def _do_restore_message(
        self, payload: dict[str, Any], exchange: str, routing_key: str, pipe: Any, leftmost: bool = False
    ) -> None:
        """kombu's way back into the queue, with a copy again."""
        super()._do_restore_message(payload, exchange, routing_key, pipe, leftmost)  # type: ignore[misc]
        task_id, key = names.task_id(payload), names.ours(payload.get("headers")).get("list")
        if task_id and key and COPIES.are_wanted(self):
            pipe.hset(BARE.copies(key), task_id, dumps(payload))
            pipe.zadd(BARE.copied(key), {task_id: time.time()})
            pipe.sadd(BARE.lists, key)


class SupervisedChannel(_Supervised, transport.Channel):  # type: ignore[misc]  # kombu's classes are untyped
    """Of a Redis server."""


class SupervisedSentinelChannel(_Supervised, transport.SentinelChannel):  # type: ignore[misc]
    """Of a Redis server that sentinels know."""


def install() -> None:
    """Have every Redis connection of this process made with our channels."""
    transport.Transport.Channel = SupervisedChannel
    transport.SentinelTransport.Channel = SupervisedSentinelChannel


def _stamp(message: dict[str, Any], key: str, now: float) -> None:
    """Our header: when it was first published, which list it goes to, and what a retry's earlier attempts lost."""
    headers = message["headers"]
    carried = names.ours(headers)
    if not carried and int(headers.get("retries") or 0):
        carried = _of_the_running_attempt(str(headers["id"]))
    headers[names.HEADER] = {
        "at": carried.get("at") or now,
        "list": key,
        "lost": int(carried.get("lost") or 0),
    }


def _of_the_running_attempt(task_id: str) -> dict[str, Any]:
    from celery._state import get_current_worker_task

    task = get_current_worker_task()
    request = getattr(task, "request", None)
    if request is None or request.id != task_id:
        return {}
    return names.ours({names.HEADER: getattr(request, names.HEADER, None)})
