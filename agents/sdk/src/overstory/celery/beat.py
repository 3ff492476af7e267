"""Beats that may be killed and may be two: each slot of the schedule is fired once, whoever fires it.

Before a beat looks what is due it reads which slots were fired last, by whomever, and takes that for its own last run. So
one that was killed and started again fires the slot it missed at once, and a second one waits for the same moment as the
first; the script that pushes the message lets one of them through.
"""

import os
import socket
import time
from datetime import UTC, datetime
from typing import Any

import redis
from celery import beat

from . import claims, schedules, slots
from .holder import Holder
from .names import Keys
from .versions import off

LOOK_S = 0.5
FEATURE = "firing each slot of beat once"


class Guard:
    """Of one scheduler."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self._connection: Any = None
        self._looked_at = 0.0
        self.last: dict[str, str] = {}
        self.failed = False
        self.is_off = False
        holder = Holder.of_this_process()
        self.who = str(holder) if holder is not None else f"{socket.gethostname()}/{os.getpid()}"

    def look(self, scheduler: Any) -> None:
        """Take the last firings of all beats for those of this one. Raises what a broker that is away raises."""
        if self.is_off or time.monotonic() - self._looked_at < LOOK_S:
            return
        self._read()
        self._looked_at = time.monotonic()
        for name, entry in scheduler.schedule.items():
            fired = slots.slot_of(self.last.get(name, ""))
            if fired is not None and (entry.last_run_at is None or _aware(entry.last_run_at) != fired):
                entry.last_run_at = fired
                scheduler._heap = None  # it is made anew out of the entries

    def claim(self, entry: Any) -> claims.Claim | None:
        """For the slot of `entry` that is due; None: another beat fired it."""
        self._read()
        seen = self.last.get(entry.name, "")
        last = slots.slot_of(seen) or _aware(entry.last_run_at)
        slot = slots.due_slot(entry.schedule, last, datetime.now(UTC))
        return None if slot is None else claims.Claim(entry.name, seen, slots.mark(slot, self.who))

    def _read(self) -> None:
        if self._connection is None:
            self._connection = self._app.connection_for_write()
        if self._connection.transport.driver_type != "redis":
            self.is_off = True
            off(FEATURE, "the broker is not Redis")
            return
        broker = self._connection.default_channel
        client = redis.Redis(connection_pool=broker.pool)
        marks: Any = client.hgetall(Keys(broker.global_keyprefix).beat)
        self.last = {name.decode(): mark.decode() for name, mark in marks.items()}


def _aware(at: datetime) -> datetime:
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)


def install() -> None:
    """Guard every scheduler of this process; users' own schedulers build on the methods that are wrapped."""
    tick_by_celery, apply_by_celery = beat.Scheduler.tick, beat.Scheduler.apply_async

    def tick(self: Any, *args: Any, **kwargs: Any) -> float:
        guard = _guard(self)
        try:
            guard.look(self)
        except Exception as error:  # noqa: BLE001  whatever the broker's client raises: it is away
            beat.error("beat: the broker is away: %r", error)
            return LOOK_S
        guard.failed = False
        wait = float(tick_by_celery(self, *args, **kwargs))
        return LOOK_S if guard.failed else wait

    def apply_async(self: Any, entry: Any, producer: Any = None, advance: bool = True, **kwargs: Any) -> Any:
        guard = _guard(self)
        try:
            claim = None if guard.is_off else guard.claim(entry)
            if claim is None and not guard.is_off:
                return None
            claims.begin(claim)
            schedules.name_entry(entry, self.app)
            return apply_by_celery(self, entry, producer=producer, advance=advance, **kwargs)
        except Exception:
            _put_back(self, entry)
            guard.failed = True
            raise
        finally:
            claims.begin(None)

    beat.Scheduler.tick = tick
    beat.Scheduler.apply_async = apply_async


def _put_back(scheduler: Any, entry: Any) -> None:
    """It was not sent: due again."""
    if entry.name in scheduler.schedule:
        scheduler.schedule[entry.name].last_run_at = entry.last_run_at
        scheduler._heap = None


def _guard(scheduler: Any) -> Guard:
    found: Guard | None = scheduler.__dict__.get("_overstory")
    if found is None:
        found = scheduler.__dict__["_overstory"] = Guard(scheduler.app)
    return found
