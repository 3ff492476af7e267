"""The thread of a supervised worker that looks after messages nobody holds any more, and after the worker itself.

Guarantee: while at least one custodian reaches the broker, the messages of a holder that is proved dead are in their queues
again, counted, each once (one script of the broker takes each), and messages lost between queue and worker are published
again. It takes nothing from a holder that may live, and it never waits for the control plane on the way from a death to the
message: the node pushes `ended`, and the pidfds of other workers of this host tell without anybody.

It has a connection of its own and touches the worker's only by a callback in its loop. A broker that is away ends one round;
the next tries again.
"""

import logging
import threading
import time
from typing import Any

from .. import channel, notify
from . import lifecycle, lost, proof, versions
from .consuming import Consuming
from .held import HELD, Stage
from .holder import Holder
from .liveness import Facts, why_unhealthy
from .outcomes import Outcomes
from .recovery import Recovery
from .registry import Registry, Row
from .sweep import Sweep
from .watch import Watch

logger = logging.getLogger("overstory.celery")

ROUND_S = 0.5
SOON_S, SOON_FOR_S = 0.02, 5.0
"""Between looks at a holder that ended, whose last processes are on their way out; and how long it is looked at so often."""
SILENT_S = 3.0
"""A worker that was not heard of for so long is asked about."""


class Custodian:
    """Of one worker; started when it consumes, ended with it."""

    def __init__(
        self,
        app: Any,
        consumer: Any,
        holder: Holder,
        stalled_after_s: float | None,
        *,
        has_broker: bool,
    ) -> None:
        """`has_broker`: it is one whose messages we can look after."""
        self._app, self._consumer, self._holder = app, consumer, holder
        self._stalled_after_s, self._has_broker = stalled_after_s, has_broker
        self._consuming = Consuming(consumer)
        self._watch = Watch()
        self._proof: proof.Proof = proof.Together(proof.NodeProof(), proof.LocalProof(), proof.FleetProof())
        self._ended: set[tuple[str, str, int]] = set()
        self._lost_nodes: set[str] = set()
        self._looks_at_all = False
        """Words of the node may have been missed: ask about everybody once."""
        self._suspects: dict[Holder, float] = {}
        self._waiting_since: float | None = None
        self._length, self._longest = 0, ""
        self._unhealthy = ""
        self.is_ending = False
        """The worker was asked to stop: it takes nothing any more, as it should."""
        self._stopping = False
        self._broker_answers = True
        self._thread = threading.Thread(target=self._run, name="overstory-custodian", daemon=True)

    # -- called by others --------------------------------------------------------------------------------------------

    def start(self) -> None:
        channel.default().subscribe("ended", self._on_ended)
        self._thread.start()

    def stop(self) -> None:
        """Let the round under way end, and no other begin."""
        self._stopping = True
        self._watch.wake()
        self._thread.join(timeout=2.0)

    def wake(self) -> None:
        """Something changed that the next round would see."""
        self._watch.wake()

    def _on_ended(self, push: channel.Push) -> None:
        """The node's word that an incarnation and everything below it is gone; or that some words were missed."""
        body = push.body
        if push.resync:
            self._looks_at_all = True
        elif body.get("lost"):
            self._lost_nodes.add(str(body.get("node", "")))
        elif "key" in body:
            self._ended.add((str(body.get("node", "")), str(body["key"]), int(body["incarnation"])))
        self._watch.wake()

    # -- the thread --------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._stopping:
            self._consuming.ask()
            try:
                if self._has_broker:
                    self._live()
            except Exception as error:
                self._broker_answers = False
                logger.debug("overstory: custodian: %r", error, exc_info=True)
            self._look_at_ourselves()
            self._watch.wait(ROUND_S)

    def _live(self) -> None:
        """One connection, as long as it lasts."""
        with self._app.connection_for_write() as connection, connection.channel() as broker:
            work = _Work(self._app, broker, self._holder)
            row = Row.of_this_process(self._holder.pid, self._consumer.hostname, self._consuming.queues)
            self._broker_answers = True
            try:
                while not self._stopping:
                    self._round(work, row)
                    self._look_at_ourselves()
                    self._watch.wait(SOON_S if self._is_about_to_know() else ROUND_S)
                work.registry_leave(self._holder, HELD)
            finally:
                work.close()

    def _round(self, work: "_Work", row: Row) -> None:
        self._consuming.ask()
        self._beat(work, row)
        self._own_leftovers(work)
        self._dead_holders(work)
        self._forgotten_by_the_broker(work)
        work.outcomes.ship()
        for body in work.sweep.run():
            logger.warning(
                "overstory: task %s[%s] was in no queue: published again", body["name"], body["id"]
            )
            channel.default().event("task.found", body | {"at": lifecycle.now(), "holder": str(self._holder)})

    def _beat(self, work: "_Work", row: Row) -> None:
        """Say that we live, and note whether messages wait for us."""
        now, broker_now = time.monotonic(), work.registry.now()
        row.at = broker_now
        if self._consuming.clear_at:
            row.clear_at = broker_now - (now - self._consuming.clear_at)
        work.registry.write(self._holder, row)
        lengths = work.lengths(self._consuming.queues)
        self._length, self._longest = sum(lengths.values()), max(lengths, key=lengths.__getitem__)
        self._waiting_since = (self._waiting_since or now) if self._length else None

    def _own_leftovers(self, work: "_Work") -> None:
        """Messages that came through a channel that is gone: done ones are acknowledged, others go back."""
        for held in HELD:
            if not held.stale or held.is_in_hand:
                continue
            if held.stage is Stage.ENDED and not held.lost:
                work.acknowledge(held, str(self._holder))
                HELD.end(held)
            else:
                taken = work.recovery.take(held.tag, str(self._holder), counted=held.lost)
                if taken is not None and held.lost:
                    lost.tell(self._app, taken, held.lost_reason, pid=held.pid)
            HELD.drop(held.tag)

    def _forgotten_by_the_broker(self, work: "_Work") -> None:
        """A broker may restart without its last moments, and then says of messages which we have done with that we hold
        them. Those that ended are acknowledged again; of the others nobody knows what else was forgotten: they run again."""
        for tag in work.unknown():
            if HELD.has_ended(tag):
                work.recovery.acknowledge(tag, str(self._holder))
            elif (taken := work.recovery.take(tag, str(self._holder), counted=False)) is not None:
                logger.warning("overstory: the broker forgot what became of %s: run again", taken.task_id)

    def _dead_holders(self, work: "_Work") -> None:
        """Bring back what proved-dead holders held."""
        rows = work.registry.all()
        self._watch.follow({holder: row for holder, row in rows.items() if holder != self._holder})
        suspects = self._who_may_be_dead(work, rows)
        for holder in self._proved(suspects):
            began = time.monotonic()
            known_s = began - self._suspects.get(holder, began)
            for taken in work.recovery.take_from(holder, work.held_by(holder)):
                words = "run again" if taken.fate == "return" else "parked"
                logger.warning("overstory: %s[%s] of %s: %s", taken.name, taken.task_id, holder, words)
                lost.tell(self._app, taken, "lost", known_s=round(known_s, 3))
            if not work.registry.buries(holder, by=self._holder):
                continue
            work.outcomes.adopt(holder)
            work.registry.forget(holder)
            self._suspects.pop(holder, None)
            self._ended.discard(holder.life)
            self._watch.forget(holder)

    def _who_may_be_dead(self, work: "_Work", rows: dict[Holder, Row]) -> dict[Holder, Row | None]:
        known: dict[Holder, Row | None] = dict(rows)
        known.update((holder, rows.get(holder)) for holder in work.strangers(rows))
        known.pop(self._holder, None)
        lost, self._lost_nodes = self._lost_nodes, set()
        self._ended.update(holder.life for holder in known if holder.node in lost)
        now, broker_now = time.monotonic(), work.registry.now()
        self._suspects = {
            holder: self._suspects.get(holder, now)
            for holder, row in known.items()
            if holder.life in self._ended or holder in self._watch.gone or _is_silent(row, broker_now)
        }
        if self._looks_at_all:
            self._looks_at_all = False
            return known
        return {holder: known[holder] for holder in self._suspects}

    def _proved(self, suspects: dict[Holder, Row | None]) -> set[Holder]:
        told = {holder for holder in suspects if holder.life in self._ended}
        left = {holder: row for holder, row in suspects.items() if holder not in told}
        return told | (self._proof.ended(left) if left else set())

    def _is_about_to_know(self) -> bool:
        """Whether somebody died just now, whose last processes are on their way out."""
        now = time.monotonic()
        return any(now - at < SOON_FOR_S for at in self._suspects.values())

    # -- ourselves ---------------------------------------------------------------------------------------------------

    def _look_at_ourselves(self) -> None:
        """Pet the watchdog while the worker consumes; say once why not."""
        lifecycle.STARTS.tell_older()
        now = time.monotonic()
        consuming = self._consuming
        facts = Facts(
            ticked_at=consuming.ticked_at,
            consuming=consuming.is_consuming,
            broker_answers=self._broker_answers,
            waiting_since=self._waiting_since,
            taken_at=HELD.taken_at,
            has_room=consuming.has_room,
            in_the_loop=consuming.is_in_the_loop,
        )
        why = "" if self.is_ending else why_unhealthy(facts, now=now, stalled_after_s=self._stalled_after_s)
        if why and not self._unhealthy:
            logger.error("overstory: this worker does not consume: %s", why)
            body = {"queue": self._longest, "length": self._length, "why": why, "at": lifecycle.now()}
            channel.default().event("worker.stalled", body | {"holder": str(self._holder)})
            notify.status(why)
            notify.send("WATCHDOG=trigger")
        self._unhealthy = why
        if not why:
            notify.alive()
        channel.default().gauges(
            {"celery.held": len(HELD), "celery.taken": HELD.taken, "celery.waiting": self._length}
        )


class _Work:
    """What needs the custodian's connection."""

    def __init__(self, app: Any, broker: Any, own: Holder) -> None:
        self.recovery = Recovery(app, broker)
        self.registry = Registry(self.recovery.client, self.recovery.keys)
        self.sweep = Sweep(self.recovery, self.registry, str(own), versions.off)
        self.outcomes = Outcomes(self.recovery)
        self._broker, self._own = broker, own
        self._unknown: list[str] = []
        self._held: dict[Holder, list[str]] = {}
        self._scanned_at = 0.0

    def close(self) -> None:
        self.recovery.client.close()

    def lengths(self, queues: list[str]) -> dict[str, int]:
        """Messages that wait, by queue."""
        steps = self._broker.priority_steps
        with self.recovery.client.pipeline(transaction=False) as pipe:
            for queue in queues:
                for step in steps:
                    pipe.llen(self.recovery.keys.of(self._broker._q_for_pri(queue, step)))
            found = iter(pipe.execute())
        return {queue: sum(int(next(found)) for _ in steps) for queue in queues}

    def held_by(self, holder: Holder) -> list[str]:
        return self.recovery.holders().get(holder, [])

    def strangers(self, rows: dict[Holder, Row]) -> list[Holder]:
        """Holders of messages that have no row; looked for now and then, and at first."""
        now = time.monotonic()
        if now - self._scanned_at < 10.0 and self._scanned_at:
            return [holder for holder in self._held if holder not in rows]
        self._scanned_at = now
        self._held = self.recovery.holders()
        self._unknown = [tag for tag in self._held.get(self._own, ()) if HELD.get(tag) is None]
        return [holder for holder in self._held if holder not in rows]

    def unknown(self) -> list[str]:
        """What is said to be ours and is not: asked of the broker before of ourselves, where each is before it is there."""
        found, self._unknown = self._unknown, []
        return found

    def acknowledge(self, held: Any, own: str) -> None:
        if held.outcome:
            self.outcomes.keep(held)
        self.recovery.acknowledge(held.tag, own)

    def registry_leave(self, own: Holder, held: Any) -> None:
        """Ended in order: nothing of ours is left to look after."""
        if not len(held):
            self.registry.forget(own)


def _is_silent(row: Row | None, broker_now: float) -> bool:
    return row is None or broker_now - row.at > SILENT_S
