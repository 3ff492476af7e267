"""Programs that nobody recorded: two traces added to one another. They tell how the detector does beyond the recorded.

The growth of a leak that was recorded with nothing beside it, added to each clean trace, is a leak below that program's own
habits; two clean traces added are a clean program with the habits of both. Traces in which the program executed itself anew
are left out: two generations do not add up.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations

from supervision.leaks.evaluation.traces import Trace, Truth

PLAIN = "plain/"
"""How a program is called that does nothing beside its leak."""
NOT_ADDED = frozenset({"t", "ops", "gen", "cpu_ms"})


def leaks_in_clean(traces: Sequence[Trace]) -> Iterator[Trace]:
    """Each plain leak in each clean program."""
    for clean in _clean(traces):
        for leak in traces:
            truth = leak.truth
            if truth is None or truth.onset is None or not truth.program.startswith(PLAIN):
                continue
            name = f"{clean.name}+{leak.name}"
            program = f"{clean.truth.program if clean.truth else ''}/{truth.program.removeprefix(PLAIN)}"
            mixed = Truth(program, True, truth.accept, truth.onset)
            yield Trace(name, _add(clean, leak, max(truth.onset - 1, 0)), mixed)


def clean_pairs(traces: Sequence[Trace]) -> Iterator[Trace]:
    """Each two different clean programs."""
    for one, other in combinations(_clean(traces), 2):
        name = f"{one.name}+{other.name}"
        yield Trace(name, _add(one, other, 0), Truth(name, False, frozenset(), None))


def _clean(traces: Sequence[Trace]) -> list[Trace]:
    return [
        trace
        for trace in traces
        if trace.truth is not None
        and not trace.truth.leaks
        and len({sample.get("gen", 0) for sample in trace.samples}) == 1
    ]


def _add(base: Trace, other: Trace, since: int) -> tuple[Mapping[str, float], ...]:
    """`base`, and what `other` gained after its sample `since`."""
    start = other.samples[since]
    mixed: list[Mapping[str, float]] = []
    for index, (own, added) in enumerate(zip(base.samples, other.samples, strict=False)):
        if index < since:
            mixed.append(own)
            continue
        gained = {column: added[column] - start[column] for column in start if column not in NOT_ADDED}
        mixed.append({column: max(0.0, value + gained.get(column, 0.0)) for column, value in own.items()})
    return tuple(mixed)
