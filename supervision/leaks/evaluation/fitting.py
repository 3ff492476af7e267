"""Choosing the parameters by labelled traces, and the honest figure: each program judged by parameters that never saw it.

Every combination of the choices below is tried. Chosen is the one with the best F1 among those within the bounds of false
alarms and delay, then with the fewest false alarms, then with the least delay. What is left equal goes to the first in the
order of the choices. `leave_one_program_out` chooses anew for each program, from the traces of all others.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields, replace
from itertools import product

from supervision.leaks.evaluation.scoring import Outcome, outcome, score
from supervision.leaks.evaluation.traces import Trace, alarms
from supervision.leaks.parameters import Parameters

MOST_FALSE_ALARMS_PER_24H = 0.6
MOST_DELAY_MIN = 125.0

CHOICES: Mapping[str, tuple[float, ...]] = {
    "floor_s": (1500.0, 1200.0, 1800.0),
    "quiet_s": (2400.0, 3000.0, 1800.0),
    "memory_rises": (6, 5),
    "straight_memory": (0.97, 0.95),
    "old_s": (4 * 3600.0, 3 * 3600.0),
    "held_up": (0.4, 0.25),
}
"""What is fitted. The other parameters change nothing within wide bounds."""

Table = list[tuple[Parameters, list[Outcome]]]


def combinations() -> list[Parameters]:
    names = {field.name for field in fields(Parameters)}
    assert names.issuperset(CHOICES)  # noqa: S101
    found = []
    for values in product(*CHOICES.values()):
        chosen = dict(zip(CHOICES, values, strict=True))
        found.append(
            replace(
                Parameters(),
                floor_s=chosen["floor_s"],
                quiet_s=chosen["quiet_s"],
                memory_rises=int(chosen["memory_rises"]),
                straight_memory=chosen["straight_memory"],
                old_s=chosen["old_s"],
                held_up=chosen["held_up"],
            )
        )
    return found


def try_all(traces: Sequence[Trace], progress: Callable[[int, int], None] = lambda done, of: None) -> Table:
    """The outcome of every combination on every trace: some tens of milliseconds a trace."""
    table = []
    candidates = combinations()
    for number, parameters in enumerate(candidates, start=1):
        table.append((parameters, [outcome(trace, alarms(trace, parameters)) for trace in traces]))
        progress(number, len(candidates))
    return table


def choose(table: Iterable[tuple[Parameters, Sequence[Outcome]]]) -> Parameters:
    """The best of the table."""
    best: Parameters | None = None
    best_rank: tuple[bool, float, float, float] | None = None
    for parameters, outcomes in table:
        result = score(outcomes)
        delay = result.median_delay_min
        within = (
            delay is not None
            and delay <= MOST_DELAY_MIN
            and result.false_alarms_per_24h <= MOST_FALSE_ALARMS_PER_24H
        )
        rank = (within, result.f1, -result.false_alarms_per_24h, -(delay or 0.0))
        if best_rank is None or rank > best_rank:
            best, best_rank = parameters, rank
    if best is None:
        raise ValueError("nothing to choose from")
    return best


def leave_one_program_out(table: Table) -> list[Outcome]:
    """The outcome of each trace, by the parameters chosen from the traces of other programs only."""
    programs = {each.program for _, outcomes in table for each in outcomes}
    judged: dict[str, Outcome] = {}
    for program in programs:
        others = [
            (parameters, [each for each in outcomes if each.program != program])
            for parameters, outcomes in table
        ]
        chosen = choose(others)
        own = next(outcomes for parameters, outcomes in table if parameters == chosen)
        judged.update({each.trace: each for each in own if each.program == program})
    return [judged[each.trace] for each in table[0][1]]
