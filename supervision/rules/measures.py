"""What rules can watch: each measure's name, unit, and of what it is a value. Pure.

A series has one value a minute, because that is how finely the store keeps samples. A minute that was not measured has no
value; it is never taken for zero.
"""

from dataclasses import dataclass
from enum import StrEnum

from supervision.rules.exceptions import InvalidRuleError

GAUGE = "gauge:"
MAX_GAUGE = 64


class Of(StrEnum):
    """What a measure has a series for."""

    CHILD = "child"
    QUEUE = "queue"
    TASK = "task"


@dataclass(frozen=True, slots=True)
class Measure:
    """`unit`: as values are stored and bounds are written; "" for a plain number."""

    name: str
    words: str
    unit: str
    of: Of


MEASURES = {
    measure.name: measure
    for measure in (
        Measure("cpu", "CPU", "cores", Of.CHILD),
        Measure("rss", "resident memory", "bytes", Of.CHILD),
        Measure("pss", "proportional memory", "bytes", Of.CHILD),
        Measure("fds", "open descriptors", "", Of.CHILD),
        Measure("threads", "threads", "", Of.CHILD),
        Measure("children", "child processes", "", Of.CHILD),
        Measure("restarts", "restarts in a minute", "", Of.CHILD),
        Measure("queue_length", "messages waiting", "", Of.QUEUE),
        Measure("queue_age", "age of the oldest message", "seconds", Of.QUEUE),
        Measure("task_p95", "run time, 95th percentile", "seconds", Of.TASK),
        Measure("task_failures", "failed attempts", "percent", Of.TASK),
    )
}


def measure_of(name: str) -> Measure:
    """A measure of the list, or the program's own as `gauge:NAME`. Raises InvalidRuleError."""
    known = MEASURES.get(name)
    if known is not None:
        return known
    own = name.removeprefix(GAUGE)
    if own != name and own.isprintable() and 0 < len(own) <= MAX_GAUGE:
        return Measure(name, f"the program's gauge {own}", "", Of.CHILD)
    raise InvalidRuleError(
        "measure", f"there is no measure {name!r}; there are {', '.join(MEASURES)} and {GAUGE}NAME"
    )


def shown(value: float, unit: str) -> str:
    """A value with its unit, as people read it."""
    match unit:
        case "bytes":
            for name, size in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
                if abs(value) >= size:
                    return f"{value / size:.3g} {name}"
            return f"{value:.0f} B"
        case "cores":
            return f"{value:.2f} of a core"
        case "seconds":
            return f"{value:.3g} s"
        case "percent":
            return f"{value:.3g} %"
        case _:
            return f"{value:.4g}"
