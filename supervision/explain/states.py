"""What each state means for one child or supervisor: how it stands, what happens next, what an operator can do.

One function a state, in the glossary's order.
"""

from collections.abc import Callable
from dataclasses import dataclass

from supervision.explain.facts import Facts
from supervision.explain.reasons import meaning
from supervision.explain.words import clock_time, count, duration, listing


@dataclass(frozen=True, slots=True)
class Account:
    """`headline` begins with the key; `can` holds command lines with what they do."""

    headline: str
    next: str = ""
    can: tuple[str, ...] = ()


def account(
    facts: Facts, *, now: float, stopped_by: str = "", held_by: str = "", above: Facts | None = None
) -> Account:
    """How `facts.key` stands at `now` (Unix seconds).

    stopped_by, held_by: who asked for that, in words. above: the nearest supervisor above that is down.
    """
    if above is not None and facts.state not in ("running", "starting", "stopping"):
        return Account(
            f"{facts.key} does not run because {above.key}, which supervises it, {_IS.get(above.state, 'is down')}.",
            f"It is started when {above.key} is.",
            (_explain(above.key),),
        )
    row = _STATES.get(facts.state)
    if row is None:
        return Account(f"{facts.key} is {facts.state or 'unknown'}.")
    return row(facts, now, stopped_by, held_by)


def _waiting(facts: Facts, now: float, _stopped_by: str, _held_by: str) -> Account:
    if not facts.waiting_for:
        return Account(
            f"{facts.key} waits for its turn{_for(facts, now)}.",
            "It starts when what stands before it has started.",
        )
    names = listing(list(facts.waiting_for))
    return Account(
        f"{facts.key} waits for {names}{_for(facts, now)}.",
        f"It starts as soon as {names} {'is' if len(facts.waiting_for) == 1 else 'are'} ready.",
        tuple(_explain(key) for key in facts.waiting_for[:3]),
    )


def _starting(facts: Facts, now: float, _stopped_by: str, _held_by: str) -> Account:
    if facts.stage == "pre_start":
        return Account(
            f"{facts.key} runs its pre_start commands{_for(facts, now)}.",
            "The program itself starts after them.",
        )
    if facts.is_supervisor:
        return Account(
            f"{facts.key} starts its children{_for(facts, now)}.", "", (f"manage.py tree {facts.key}",)
        )
    told = f' It says: "{facts.status}".' if facts.status else ""
    return Account(
        f"{facts.key} was started{_for(facts, now, ' ago')} (pid {facts.pid}) and is not ready yet.{told}",
        "It runs once it says READY=1 or its probe succeeds; past its readiness deadline it counts as failed.",
        (f"manage.py logs -f {facts.key}",),
    )


def _running(facts: Facts, now: float, _stopped_by: str, held_by: str) -> Account:
    who = f" (pid {facts.pid}, incarnation {facts.incarnation})" if facts.pid is not None else ""
    window = f" {facts.window}." if facts.window else ""
    headline = f"{facts.key} runs{_for(facts, now)}{who}.{window}"
    if facts.held:
        return Account(
            f"{headline} It is held{held_by}{_until(facts, now)}.",
            "When it ends it is not restarted.",
            (_release(facts),),
        )
    if facts.restarts:
        headline += f" It was restarted {'once' if facts.restarts == 1 else f'{facts.restarts} times'}."
    return Account(headline)


def _backoff(facts: Facts, now: float, _stopped_by: str, _held_by: str) -> Account:
    blocked = f" ({facts.blocked})" if facts.blocked else ""
    headline = f"{facts.key} {_last(facts)}, and its restart waits{blocked}."
    if facts.descendants_ending:
        ending = count(len(facts.descendants_ending), "process", "processes")
        headline = f"{facts.key} {_last(facts)}; {ending} that it left behind must be gone first."
    next_ = "It is tried again."
    if facts.backoff_until is not None:
        next_ = f"It is tried again in {duration(facts.backoff_until - now)}, at {clock_time(facts.backoff_until, now=now)}."
    advice = meaning(facts.last_exit.reason).advice if facts.last_exit else ""
    return Account(
        headline,
        next_ + (f" {advice}" if advice else ""),
        (f"manage.py start {facts.key}    try now", f"manage.py hold {facts.key}     no more tries"),
    )


def _stopping(facts: Facts, now: float, stopped_by: str, _held_by: str) -> Account:
    if facts.stage == "post_stop":
        return Account(f"{facts.key} has ended and runs its post_stop commands{_for(facts, now)}.")
    return Account(
        f"{facts.key} was asked to stop{_for(facts, now, ' ago')}{stopped_by}.",
        "When it and all its descendants are gone, it is down; past its `shutdown` time they are killed.",
    )


def _stopped(facts: Facts, now: float, stopped_by: str, _held_by: str) -> Account:
    if facts.wanted == "down":
        return Account(
            f"{facts.key} is stopped{stopped_by}.",
            "It stays down, through restarts of its supervisor, the node and the host, until it is started.",
            (f"manage.py start {facts.key}",),
        )
    return Account(
        f"{facts.key} is stopped{_for(facts, now)}, though nobody asked for that by its name.",
        "It starts with its supervisor, or when asked.",
        (f"manage.py start {facts.key}",),
    )


def _completed(facts: Facts, now: float, _stopped_by: str, _held_by: str) -> Account:
    return Account(
        f"{facts.key} is done: it {_last(facts)}{_for(facts, now, ' ago')}, and restart: {facts.restart} leaves it so.",
        "It is not started again by itself.",
        (f"manage.py start {facts.key}    run it once more",),
    )


def _failed(facts: Facts, now: float, _stopped_by: str, _held_by: str) -> Account:
    start = (f"manage.py start {facts.key}", f"manage.py logs {facts.key}")
    if facts.is_supervisor:
        return Account(
            f"{facts.key} has failed{_for(facts, now, ' ago')}.",
            "What is above it decided; see below.",
            start[:1],
        )
    advice = meaning(facts.last_exit.reason).advice if facts.last_exit else ""
    why = (
        f", and restart: {facts.restart} does not restart it"
        if facts.restart == "temporary"
        else ", and is not restarted"
    )
    return Account(f"{facts.key} {_last(facts)}{why}.", advice, start)


def _held(facts: Facts, now: float, _stopped_by: str, held_by: str) -> Account:
    after = "It is started once released."
    if facts.held_until is not None:
        after = (
            f"It is started when the hold ends, at {clock_time(facts.held_until, now=now)}, or when released."
        )
    return Account(
        f"{facts.key} {_last(facts)}, and is held{held_by}{_until(facts, now)}: its restart is suspended.",
        after,
        (_release(facts),),
    )


def _lost(facts: Facts, now: float, _stopped_by: str, _held_by: str) -> Account:
    return Account(
        f"{facts.key} is lost{_for(facts, now)}: {meaning('lost').text}, and restart: {facts.restart} does not restart it.",
        meaning("lost").advice,
        (f"manage.py start {facts.key}",),
    )


_IS = {
    "waiting": "waits",
    "backoff": "waits for its next try",
    "stopped": "is stopped",
    "completed": "is done",
    "failed": "has failed",
    "held": "is held",
    "lost": "is lost",
}

_STATES: dict[str, Callable[[Facts, float, str, str], Account]] = {
    "waiting": _waiting,
    "starting": _starting,
    "running": _running,
    "backoff": _backoff,
    "stopping": _stopping,
    "stopped": _stopped,
    "completed": _completed,
    "failed": _failed,
    "held": _held,
    "lost": _lost,
}


def _for(facts: Facts, now: float, after: str = "") -> str:
    """` for 3m12s`, or with `after` ` 3m12s ago`; nothing when it is not known since when."""
    if facts.since is None:
        return ""
    said = duration(now - facts.since)
    return f" {said}{after}" if after else f" for {said}"


def _until(facts: Facts, now: float) -> str:
    if facts.held_until is None:
        return ""
    return f" until {clock_time(facts.held_until, now=now)} (in {duration(facts.held_until - now)})"


def _last(facts: Facts) -> str:
    return meaning(facts.last_exit.reason).text if facts.last_exit is not None else "is down"


def _explain(key: str) -> str:
    return f"manage.py explain {key}"


def _release(facts: Facts) -> str:
    return f"manage.py release {facts.key}"
