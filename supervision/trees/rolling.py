"""How a revision reaches the places of a tree: pure steps, looked at again at each tick.

At most `max_unavailable` places are on their way at a time. One that is not ready by its deadline, whose node refuses the
revision, or where a supervisor gives up, makes the rollout fail; the places that have not begun keep what they have.

A trial is a rollout to some of the places that watches one child there: it is over when that child has been ready for as
long as it is observed, and fails with the first end of that child.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Standing(StrEnum):
    """A place: does not have the revision yet, is on its way, has it and is ready, failed, or is out of reach."""

    OLD = "old"
    COMING = "coming"
    READY = "ready"
    FAILED = "failed"
    AWAY = "away"


@dataclass(frozen=True, slots=True)
class Place:
    """One placement as the rollout sees it. `since`: when it was told to take the revision; `words`: what is missing;
    `ready_at`: since when it is ready, where that is observed."""

    id: int
    node: str
    standing: Standing
    since: float = 0.0
    words: str = ""
    ready_at: float | None = None


@dataclass(frozen=True, slots=True)
class Bounds:
    """What the rollout may do. Seconds. `places`: so many of them take the revision at all, None for every one;
    `observe_s`: so long one has to stay ready."""

    max_unavailable: int
    ready_deadline_s: float
    places: int | None = None
    observe_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Advance:
    """Places that take the revision now; or how it ended: None while it is under way, True done, False failed and why."""

    move: tuple[int, ...] = ()
    done: bool | None = None
    reason: str = ""


def advance(places: Sequence[Place], bounds: Bounds, now: float) -> Advance:
    """The next step. Both `now` and `since` are seconds of the database's clock.

    A place on a node that is down takes the revision, for when it is back, and is not waited for.
    """
    failed = _failure(places, bounds, now)
    if failed:
        return Advance(done=False, reason=failed)
    coming = sum(place.standing is Standing.COMING or _is_observed(place, bounds, now) for place in places)
    old = [place.id for place in places if place.standing is Standing.OLD]
    if bounds.places is not None:
        old = old[: max(0, bounds.places - (len(places) - len(old)))]
    if not old and not coming:
        return Advance(done=True)
    return Advance(move=tuple(old[: max(0, bounds.max_unavailable - coming)]))


def _is_observed(place: Place, bounds: Bounds, now: float) -> bool:
    """Ready, but not for long enough yet."""
    ready_at = place.ready_at
    return place.standing is Standing.READY and ready_at is not None and now - ready_at < bounds.observe_s


def _failure(places: Sequence[Place], bounds: Bounds, now: float) -> str:
    for place in places:
        if place.standing is Standing.FAILED:
            return f"on {place.node}: {place.words}"
    for place in places:
        if place.standing is Standing.COMING and now - place.since >= bounds.ready_deadline_s:
            return f"on {place.node} not ready after {bounds.ready_deadline_s:g} s: {place.words}"
    return ""
