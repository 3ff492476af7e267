"""Error budgets: how much of one is left, how fast it burns, and when that is somebody's business. Pure.

An objective of 99.9 % lets 0.1 % be bad: the budget. A burn rate of 1 uses it up in exactly the objective's span. Which
rates over which windows are told follows "Alerting on SLOs" of the Site Reliability Workbook (chapter 5, table 5-8): a long
window says that it matters, a short one that it still goes on.
"""

from collections.abc import Callable
from dataclasses import dataclass

HOUR, MINUTE = 3600, 60


@dataclass(frozen=True, slots=True)
class Tally:
    """Of what counts in a window: tries, seconds. Fractions are parts of a second."""

    good: float
    total: float

    @property
    def bad_share(self) -> float | None:
        """None where nothing counted: not the same as good."""
        return None if self.total <= 0 else max(0.0, self.total - self.good) / self.total


@dataclass(frozen=True, slots=True)
class Burn:
    """Told when both windows (seconds) burn at least at `rate`."""

    long_s: int
    short_s: int
    rate: float
    is_page: bool


BURNS = (
    Burn(HOUR, 5 * MINUTE, 14.4, True),
    Burn(6 * HOUR, 30 * MINUTE, 6.0, True),
    Burn(72 * HOUR, 6 * HOUR, 1.0, False),
)


@dataclass(frozen=True, slots=True)
class Standing:
    """`attained` in percent; `left` is the share of the budget that is left, negative when overdrawn; None: not known."""

    attained: float | None
    left: float | None


def burn_rate(tally: Tally, target: float) -> float | None:
    """`target` in percent, below 100. None where nothing counted."""
    share = tally.bad_share
    return None if share is None else share / (1 - target / 100)


def standing(tally: Tally, target: float) -> Standing:
    """Over the whole span of an objective."""
    share = tally.bad_share
    if share is None:
        return Standing(None, None)
    return Standing(100 * (1 - share), 1 - share / (1 - target / 100))


def burning(target: float, tally_of: Callable[[int], Tally]) -> tuple[Burn, float] | None:
    """The most urgent burn that is to be told and its rate over the long window; `tally_of` a window's seconds up to now."""
    for burn in BURNS:
        long_rate, short_rate = (
            burn_rate(tally_of(window), target) for window in (burn.long_s, burn.short_s)
        )
        if long_rate is not None and short_rate is not None and min(long_rate, short_rate) >= burn.rate:
            return burn, long_rate
    return None
