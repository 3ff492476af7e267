"""How runs of a program went, as SDKs tell it: one update each, or sums of a minute.

Source: Sentry's sessions. A single session is told when it begins (`init`), may be told again, and at its end; each of what
happened to it has a key here, so that what is told twice counts once. Sums (`aggregates`) come once. Who ran it (`did`)
is told of single runs, and of sums where they are one user's; it becomes a digest at once, nobody's name is kept.
"""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from supervision.errors.scrubbing.texts import FILTERED

MOST_AGGREGATES = 100
MOST_COUNT = 10_000_000
COUNTED = ("exited", "errored", "abnormal", "crashed")
CRASHED = frozenset({"crashed", "abnormal"})


@dataclass(frozen=True, slots=True)
class Told:
    """Runs of a release in an environment. `once`: keys of what counts once, by what it adds to; empty for sums."""

    release: str
    environment: str
    sessions: int = 0
    errored: int = 0
    crashed: int = 0
    once: tuple[tuple[str, str], ...] = ()
    users: tuple[tuple[str, bool], ...] = ()
    """Who ran it, as a digest, and whether it crashed then."""


def told_of(body: Mapping[str, Any]) -> Told | None:
    """Of an item `session` or `sessions`. None where it names no release, or nothing that is understood."""
    attrs = body.get("attrs")
    attrs = attrs if isinstance(attrs, Mapping) else {}
    release, environment = _text(attrs.get("release"), 200), _text(attrs.get("environment"), 64)
    if not release:
        return None
    given = body.get("aggregates")
    if isinstance(given, list):
        return _sums(given, release, environment)
    return _single(body, release, environment)


def _sums(given: list[Any], release: str, environment: str) -> Told | None:
    counts = dict.fromkeys(COUNTED, 0)
    users: dict[str, bool] = {}
    for each in given[:MOST_AGGREGATES]:
        if isinstance(each, Mapping):
            own = {name: value for name in COUNTED if (value := _count(each.get(name)))}
            for name, value in own.items():
                counts[name] += value
            user = _user(each.get("did"))
            if user and own:
                users[user] = users.get(user, False) or not CRASHED.isdisjoint(own)
    whole = sum(counts.values())
    crashed = counts["crashed"] + counts["abnormal"]
    told = Told(release, environment, whole, counts["errored"] + crashed, crashed, users=tuple(users.items()))
    return told if whole else None


def _single(body: Mapping[str, Any], release: str, environment: str) -> Told | None:
    sid, status, errors = _text(body.get("sid"), 64), _text(body.get("status"), 16), body.get("errors")
    if not sid:
        return None
    has_failed = isinstance(errors, int) and errors > 0
    once = [("sessions", _key(sid, "sessions"))]
    if has_failed or status in CRASHED:
        once.append(("errored", _key(sid, "errored")))
    if status in CRASHED:
        once.append(("crashed", _key(sid, "crashed")))
    user = _user(body.get("did"))
    return Told(release, environment, once=tuple(once), users=((user, status in CRASHED),) if user else ())


def _key(sid: str, what: str) -> str:
    return uuid.uuid5(uuid.NAMESPACE_OID, f"session {sid} {what}").hex


def _count(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value <= MOST_COUNT else 0


def _user(did: object) -> str:
    """Told from others, and no more: a digest cannot be read. What was filtered would make one of all."""
    name = str(did) if isinstance(did, int) and not isinstance(did, bool) else _text(did, 200)
    return uuid.uuid5(uuid.NAMESPACE_OID, f"user {name}").hex if name and FILTERED not in name else ""


def _text(value: object, most: int) -> str:
    return value.strip()[:most] if isinstance(value, str) else ""
