"""What /metrics says of rules and objectives. Labels are their names, which operators give; there is a bound of them."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from django.utils import timezone
from prometheus_client.core import Metric

from supervision.rules.selectors import objectives, rules, state_of

MOST = 500
"""Past it the rest is not listed."""

Gauge = Callable[[str, str, Sequence[str], Sequence[tuple[Sequence[str], float | bool]]], Metric]


def rule_metrics(gauge: Gauge) -> Iterator[Metric]:
    """`gauge` makes a family. What is not known of an objective has no series."""
    # Any: the selector's annotations.
    found: list[Any] = list(rules(trees=None).filter(is_enabled=True)[:MOST])
    yield gauge(
        "rule_crossed",
        "How many subjects are beyond a rule's bound.",
        ["rule"],
        [([rule.name], rule.crossed) for rule in found],
    )
    states = {
        one.name: state_of(one)
        for one in objectives(trees=None, now=timezone.now()).filter(is_enabled=True)[:MOST]
    }
    yield gauge(
        "objective_budget_left_ratio",
        "What is left of an objective's error budget; negative when it is overdrawn.",
        ["objective"],
        [([name], state.standing.left) for name, state in states.items() if state.standing.left is not None],
    )
    yield gauge(
        "objective_burn_rate",
        "How fast the budget burned in a window of seconds; 1 uses it up in exactly the objective's days.",
        ["objective", "window"],
        [
            ([name, str(window)], rate)
            for name, state in states.items()
            for window, rate in state.rates.items()
            if rate is not None
        ],
    )
