"""What programs measure of themselves, beside what is measured of them: newest values, and each minute's sums. Pure.

A value counts until another comes or its incarnation is another: a gauge says how much there is. A counter says how much
happened since the incarnation began; it never goes back, and a minute also has what came to it (`added`).
Names and their number are bounded; of one child at most MAX_NAMES, the first to come.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

MAX_NAMES = 64
MINUTES = 16

Sums = dict[str, dict[str, float]]
"""Of each name: `avg`, `max`, `min`, `last`; of a counter also `added`."""


@dataclass(slots=True)
class _Minute:
    """What was said in one minute, by the gauge's name."""

    sums: dict[str, float] = field(default_factory=dict)
    most: dict[str, float] = field(default_factory=dict)
    least: dict[str, float] = field(default_factory=dict)
    seen: dict[str, int] = field(default_factory=dict)
    last: dict[str, float] = field(default_factory=dict)
    added: dict[str, float] = field(default_factory=dict)


@dataclass(slots=True)
class _Child:
    """The gauges of one life, and its minutes by their number."""

    incarnation: int
    values: dict[str, float] = field(default_factory=dict)
    minutes: dict[int, _Minute] = field(default_factory=dict)
    counted: dict[str, float] = field(default_factory=dict)
    """Of each counter, how much of it stands in a minute by now."""


class Gauges:
    """Of all children, by key."""

    def __init__(self) -> None:
        self._children: dict[str, _Child] = {}

    def put(self, key: str, incarnation: int, values: Mapping[str, float]) -> None:
        """New values of one child; what an older incarnation still says is left out."""
        child = self._children.get(key)
        if child is None or incarnation > child.incarnation:
            minutes = child.minutes if child is not None else {}
            child = self._children[key] = _Child(incarnation, minutes=minutes)
        if incarnation < child.incarnation:
            return
        for name, value in values.items():
            if name in child.values or len(child.values) < MAX_NAMES:
                child.values[name] = value

    def count(self, key: str, incarnation: int, totals: Mapping[str, float], *, again: bool) -> None:
        """Totals of one child. `again`: they were said before, perhaps to our predecessor, and nobody knows when they came
        to that."""
        known = self._children.get(key)
        before = known.values if known is not None and known.incarnation == incarnation else {}
        self.put(
            key, incarnation, {name: max(total, before.get(name, 0.0)) for name, total in totals.items()}
        )
        child = self._children[key]
        if child.incarnation == incarnation:
            for name in totals.keys() & child.values.keys():
                child.counted.setdefault(name, child.values[name] if again else 0.0)

    def of(self, key: str, incarnation: int) -> dict[str, float] | None:
        """The newest values of this incarnation; None where it said nothing."""
        child = self._children.get(key)
        return dict(child.values) if child is not None and child.incarnation == incarnation else None

    def look(self, second: int, living: Mapping[str, int]) -> None:
        """Once a second, with the incarnation of every child that has a sample now."""
        begin = second - second % 60
        for key, incarnation in living.items():
            child = self._children.get(key)
            if child is None or child.incarnation != incarnation or not child.values:
                continue
            minute = child.minutes.setdefault(begin, _Minute())
            for name, value in child.values.items():
                minute.sums[name] = minute.sums.get(name, 0.0) + value
                minute.seen[name] = minute.seen.get(name, 0) + 1
                minute.most[name] = max(minute.most.get(name, value), value)
                minute.least[name] = min(minute.least.get(name, value), value)
                minute.last[name] = value
            for name, counted in child.counted.items():
                minute.added[name] = minute.added.get(name, 0.0) + child.values[name] - counted
                child.counted[name] = child.values[name]
            while len(child.minutes) > MINUTES:
                del child.minutes[min(child.minutes)]

    def forget(self, keys: Iterable[str]) -> None:
        """Children that nothing is kept of any more."""
        for key in keys:
            self._children.pop(key, None)

    def known(self) -> set[str]:
        return set(self._children)

    def minute(self, key: str, begin: int) -> Sums | None:
        """What a minute came to; None where there was nothing."""
        child = self._children.get(key)
        minute = child.minutes.get(begin) if child is not None else None
        if minute is None:
            return None
        return {
            name: {
                "avg": round(total / minute.seen[name], 6),
                "max": minute.most[name],
                "min": minute.least[name],
                "last": minute.last[name],
                **({"added": round(minute.added[name], 6)} if name in minute.added else {}),
            }
            for name, total in minute.sums.items()
        }
