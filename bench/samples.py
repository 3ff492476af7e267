"""The arithmetic of a comparison: quantiles of a run, ratios within a run, medians over runs.

A run is a series of samples that was taken in turn with the other contenders'. A ratio is always taken inside one run,
between contenders that met the same noise; the figure is the median of the runs' ratios, so that one run disturbed by a
neighbour on the machine decides nothing. Pooled quantiles are shown, never judged.
"""

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field


def quantile(samples: Sequence[float], share: float) -> float:
    """The smallest sample that at least `share` of all do not exceed (nearest rank: a value that was seen).

    Raises ValueError without samples or for a share outside 0..1.
    """
    if not samples or not 0 <= share <= 1:
        raise ValueError(f"no quantile {share} of {len(samples)} samples")
    return sorted(samples)[max(0, math.ceil(share * len(samples)) - 1)]


def p50(samples: Sequence[float]) -> float:
    """Half of the samples are no greater."""
    return quantile(samples, 0.50)


def p99(samples: Sequence[float]) -> float:
    """99 of 100 samples are no greater; of fewer than 100 samples it is the greatest."""
    return quantile(samples, 0.99)


@dataclass(slots=True)
class Series:
    """One contender's samples, run by run."""

    name: str
    runs: list[list[float]] = field(default_factory=list)

    def begin_run(self) -> None:
        self.runs.append([])

    def add(self, sample: float) -> None:
        self.runs[-1].append(sample)

    @property
    def samples(self) -> list[float]:
        """All runs together."""
        return [sample for run in self.runs for sample in run]

    def over_runs(self, of_run: Callable[[Sequence[float]], float]) -> float | None:
        """The median over the runs of `of_run`; None when no run has a sample."""
        values = [of_run(run) for run in self.runs if run]
        return statistics.median(values) if values else None


def ratio(series: Series, floor: Series, of_run: Callable[[Sequence[float]], float]) -> float | None:
    """Median over the runs of `of_run(series) / of_run(floor)`; None when no run holds samples of both."""
    ratios = [
        of_run(ours) / of_run(theirs)
        for ours, theirs in zip(series.runs, floor.runs, strict=False)
        if ours and theirs and of_run(theirs) > 0
    ]
    return statistics.median(ratios) if ratios else None


def turns(kills: Sequence[int]) -> list[list[int]]:
    """Who is measured in which round, when contender i gets `kills[i]` samples of a run: each one's evenly spread.

    The contender with the most samples takes part in each round; the order rotates, so that nobody always follows the
    same neighbour.
    """
    rounds = max(kills, default=0)
    plan = []
    for number in range(rounds):
        taking = [i for i, own in enumerate(kills) if (number + 1) * own // rounds > number * own // rounds]
        shift = number % len(taking) if taking else 0
        plan.append(taking[shift:] + taking[:shift])
    return plan
