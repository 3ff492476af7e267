"""How good alarms are, by what is known of the traces.

A leak is found by an alarm on an accepted resource at its onset or later. Every other alarm is a false one. Precision is
found leaks against found leaks and traces with a false alarm; false alarms are counted over the time when nothing leaked.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from supervision.leaks.evaluation.traces import Alarm, Trace

DAY_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """Of one trace: `delay_s` is None where no leak was found; `clean_s` is the time in which nothing leaked."""

    trace: str
    program: str
    leaks: bool
    alarms: tuple[Alarm, ...]
    delay_s: float | None
    false_alarms: int
    clean_s: float

    @property
    def word(self) -> str:
        """`found`, `missed`, `clean`, with `false alarm` beside it or alone."""
        first = ("found" if self.delay_s is not None else "missed") if self.leaks else "clean"
        return first if not self.false_alarms else f"{first}, false alarm" if self.leaks else "false alarm"


@dataclass(frozen=True, slots=True)
class Score:
    """Of many traces. `median_delay_min` is None where nothing was found."""

    traces: int
    leaks: int
    found: int
    false_traces: int
    false_alarms: int
    false_alarms_per_24h: float
    median_delay_min: float | None

    @property
    def precision(self) -> float:
        return self.found / (self.found + self.false_traces) if self.found else 0.0

    @property
    def recall(self) -> float:
        return self.found / self.leaks if self.leaks else 0.0

    @property
    def f1(self) -> float:
        both = self.precision + self.recall
        return 2 * self.precision * self.recall / both if both else 0.0


def outcome(trace: Trace, alarms: Sequence[Alarm]) -> Outcome:
    """ValueError for a trace without a label."""
    truth = trace.truth
    if truth is None:
        raise ValueError(f"{trace.name} has no label")
    start = trace.samples[0]["t"]
    if truth.onset is None:
        found: list[Alarm] = []
        clean_s = trace.samples[-1]["t"] - start
    else:
        found = [each for each in alarms if each.resource in truth.accept and each.index >= truth.onset]
        clean_s = trace.samples[truth.onset]["t"] - start
    delay = None
    if found and truth.onset is not None:
        first = min(each.index for each in found)
        delay = trace.samples[first]["t"] - trace.samples[truth.onset]["t"]
    return Outcome(
        trace.name, truth.program, truth.leaks, tuple(alarms), delay, len(alarms) - len(found), clean_s
    )


def score(outcomes: Iterable[Outcome]) -> Score:
    """Of all of them together."""
    every = list(outcomes)
    delays = [each.delay_s for each in every if each.delay_s is not None]
    false_alarms = sum(each.false_alarms for each in every)
    clean_s = sum(each.clean_s for each in every)
    return Score(
        traces=len(every),
        leaks=sum(each.leaks for each in every),
        found=len(delays),
        false_traces=sum(each.false_alarms > 0 for each in every),
        false_alarms=false_alarms,
        false_alarms_per_24h=false_alarms / clean_s * DAY_S if clean_s else 0.0,
        median_delay_min=median(delays) / 60 if delays else None,
    )
