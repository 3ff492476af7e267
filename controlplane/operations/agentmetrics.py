"""What /metrics says of what agents measure of themselves. Labels are kinds of agents and the names that their programs
give, with a bound of both; never an agent's key."""

from collections.abc import Callable, Iterator, Sequence

from django.utils import timezone
from prometheus_client.core import CounterMetricFamily, Metric

from agents.measures.selectors import counters, gauges

Gauge = Callable[[str, str, Sequence[str], Sequence[tuple[Sequence[str], float | bool]]], Metric]
LABELS = ["kind", "measure"]


def agent_metrics(prefix: str, gauge: Gauge) -> Iterator[Metric]:
    """Two queries, whatever there is. `gauge` makes a family. A gauge that is not current has no series."""
    told, left_out = counters()
    counted = CounterMetricFamily(
        f"{prefix}_agent_counter", "What agents of a kind counted, over all their lives.", labels=LABELS
    )
    for kind, name, total in told:
        counted.add_metric([kind, name], total)
    yield counted
    skipped = CounterMetricFamily(
        f"{prefix}_agent_measures_left_out",
        "Values that agents said and that are not told, because their kind has too many names.",
        labels=["kind"],
    )
    for kind, number in left_out:
        skipped.add_metric([kind], number)
    yield skipped
    now = gauges(now=timezone.now())
    for family, words, values in (
        ("agent_gauge", "What agents of a kind say there is now, added up.", [one.total for one in now]),
        ("agent_gauge_min", "The least that one of them says.", [one.least for one in now]),
        ("agent_gauge_max", "The most that one of them says.", [one.most for one in now]),
    ):
        yield gauge(
            family,
            words,
            LABELS,
            [([one.kind, one.name], value) for one, value in zip(now, values, strict=True)],
        )
