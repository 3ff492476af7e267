"""Hours in which a rule on issues tells nobody: what it finds then is said when they are over. Pure."""

import datetime as dt
import re
from dataclasses import dataclass
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")


class InvalidQuietError(ValueError):
    """`field` names what cannot be meant."""

    def __init__(self, field: str, words: str) -> None:
        super().__init__(words)
        self.field = field


@dataclass(frozen=True, slots=True)
class Quiet:
    """From a time of the day until another, on the clock of a place; over midnight where the second is the earlier one.

    `since` itself is quiet, `until` is not. Where clocks change it is what they show that counts.
    """

    since: dt.time
    until: dt.time
    zone: ZoneInfo

    def holds(self, now: dt.datetime) -> bool:
        clock = now.astimezone(self.zone).time()
        if self.since < self.until:
            return self.since <= clock < self.until
        return clock >= self.since or clock < self.until


def quiet_of(since: str, until: str, zone: str) -> Quiet | None:
    """Of `22:00`, `07:00` and `Europe/Berlin`; None where neither time is said. InvalidQuietError."""
    place = _zone(zone)
    if not since and not until:
        return None
    times = {}
    for field, text in (("quiet_from", since), ("quiet_until", until)):
        if not _CLOCK.fullmatch(text):
            raise InvalidQuietError(field, "a time of the day like 22:00; both of them, or neither")
        times[field] = dt.time.fromisoformat(text)
    if since == until:
        raise InvalidQuietError("quiet_until", "the same time would be the whole day: switch the rule off")
    return Quiet(times["quiet_from"], times["quiet_until"], place)


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidQuietError("quiet_zone", "a time zone like UTC or Europe/Berlin") from None
