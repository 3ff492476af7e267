"""What a finding says to a person: how fast, since when, how long until a limit, and what to do. Pure."""

from dataclasses import dataclass
from enum import StrEnum

from supervision.leaks.resources import RESOURCES
from supervision.leaks.watch import Course, Growing, Outcome

MINUTE_S, HOUR_S, DAY_S = 60.0, 3600.0, 86400.0
AT_ONCE_S = 120.0
SOON_S = HOUR_S
_UNITS = ((1.0, "a second"), (MINUTE_S, "a minute"), (HOUR_S, "an hour"))
_SHORT = {"a second": "s", "a minute": "min", "an hour": "h"}
_SIZES = ("B", "KiB", "MiB", "GiB", "TiB")


class Action(StrEnum):
    """What is to be done."""

    WATCH = "watch"
    RECYCLE = "recycle"
    RESTART = "restart"


@dataclass(frozen=True, slots=True)
class Limit:
    """What is hit in the end, in the resource's unit; `name` says whose it is."""

    value: float
    name: str


def seconds_left(one: Growing, limit: Limit | None) -> float | None:
    """Until the limit at this rate; None where there is none, or where it is never reached."""
    if limit is None or one.line.rate <= 0:
        return None
    return max(0.0, limit.value - one.value) / one.line.rate


def action_of(one: Growing, left_s: float | None) -> Action:
    """Restart what hits its limit at once; recycle what will soon, or what surely leaks; watch the rest."""
    if left_s is not None and left_s <= AT_ONCE_S:
        return Action.RESTART
    if one.course is not Course.FLOOD or (left_s is not None and left_s <= SOON_S):
        return Action.RECYCLE
    return Action.WATCH


def verdict(one: Growing, limit: Limit | None) -> str:
    """In a sentence or two."""
    resource = RESOURCES[one.resource]
    what = resource.words[0].upper() + resource.words[1:]
    grows = "grows" if resource.is_bytes else "grow"
    parts = [
        f"{what} {grows} by {pace(one.resource, one.line.rate)} for {span(max(0.0, one.seen_at - one.since))}"
    ]
    if one.course is Course.BEGAN and one.quiet_s is not None:
        parts.append(f", after {span(one.quiet_s)} of standing still")
    elif one.course is Course.GOES_ON:
        parts.append(", and what fills has filled by now")
    if one.brings:
        names = " and ".join(RESOURCES[name].words for name in sorted(one.brings))
        parts.append(f"; {names} with it")
    if one.outcome is not None:
        return "".join(parts) + f". {_OVER[one.outcome]}"
    left_s = seconds_left(one, limit)
    if limit is None:
        parts.append(". No limit of it is known")
    elif left_s is None:
        parts.append(f". It does not reach {limit.name}")
    else:
        parts.append(
            f". At this rate it reaches {limit.name} ({amount(one.resource, limit.value)}) in {span(left_s)}"
        )
    return "".join(parts) + "."


_OVER = {
    Outcome.LEVEL: "It is level again.",
    Outcome.LIFE_ENDED: "The process ended, and with it what it held.",
    Outcome.EXPLAINED: "Another resource that grows brings it with it.",
}


def amount(resource: str, value: float) -> str:
    """`212 MiB`, `1,204`."""
    if not RESOURCES[resource].is_bytes:
        return f"{value:,.0f}"
    size, unit = float(value), 0
    while abs(size) >= 1023.5 and unit < len(_SIZES) - 1:
        size, unit = size / 1024, unit + 1
    return f"{size:.{1 if unit and abs(size) < 9.95 else 0}f} {_SIZES[unit]}"


def pace(resource: str, rate: float, *, short: bool = False) -> str:
    """`1.0 MiB a second`, `12 an hour`, short `1.0 MiB/s`: in the unit of time in which it reads best."""
    least = 256 * 1024 if RESOURCES[resource].is_bytes else 1
    seconds, word = next(
        (unit for unit in _UNITS if abs(rate) * unit[0] >= least),
        _UNITS[-1],
    )
    value = rate * seconds
    number = f"{value:.{1 if abs(value) < 9.95 else 0}f}"
    text = amount(resource, value) if RESOURCES[resource].is_bytes else number
    return f"{text}/{_SHORT[word]}" if short else f"{text} {word}"


def span(seconds: float) -> str:
    """`40 s`, `7 min`, `3 h 20 min`, `2 d`."""
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    if seconds < 99.5 * MINUTE_S:
        return f"{seconds / MINUTE_S:.0f} min"
    if seconds < 2 * DAY_S:
        hours, minutes = divmod(round(seconds / MINUTE_S), 60)
        return f"{hours} h {minutes} min" if minutes and hours < 10 else f"{hours} h"
    return f"{seconds / DAY_S:.0f} d"
