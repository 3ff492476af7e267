"""Whether a worker consumes: the decision alone, from facts and the time.

A worker that is connected, has room, and takes nothing while messages wait is as dead as one that ended, and nothing but a
restart helps (celery issues 8030, 8091, 10205). One that waits for a broker which nobody reaches is not: a restart helps
nobody then. Nor is one whose hands are full.
"""

from dataclasses import dataclass

TICK_LATE_S = 10.0
"""The main loop ticks twice a second; one that is silent for so long hangs, unless it runs a task itself."""


@dataclass(frozen=True, slots=True)
class Facts:
    """Of one moment; times on one monotonic clock.

    ticked_at       the main loop went round
    consuming       it is connected and has a consumer
    broker_answers  the custodian's own connection works
    waiting_since   messages have been waiting in one of its queues ever since; None: none waits
    taken_at        it last took a message
    has_room        it may take another message
    in_the_loop     the main loop itself runs a task (pools without processes)
    """

    ticked_at: float
    consuming: bool
    broker_answers: bool
    waiting_since: float | None
    taken_at: float
    has_room: bool
    in_the_loop: bool = False


def why_unhealthy(facts: Facts, *, now: float, stalled_after_s: float | None) -> str:
    """Empty while it consumes, or would if there were something; else what is wrong with it."""
    if facts.in_the_loop:
        return ""
    silent_s = now - facts.ticked_at
    if silent_s >= max(TICK_LATE_S, stalled_after_s or 0.0):
        return f"its main loop has not moved for {silent_s:.0f} s"
    if stalled_after_s is None or not facts.broker_answers or facts.waiting_since is None:
        return ""
    if facts.consuming and not facts.has_room:
        return ""
    idle_s = now - max(facts.waiting_since, facts.taken_at)
    if idle_s >= stalled_after_s:
        return f"messages wait and it has taken none for {idle_s:.0f} s"
    return ""
