"""How many answers make a check healthy or not. Pure.

`fall` failures in a row make it unhealthy, `rise` successes in a row healthy again; what is in between is degraded. One
whose failures were silence is unresponsive. Before the first answer nothing is known.
"""

from dataclasses import dataclass
from enum import StrEnum


class Health(StrEnum):
    """States of a check, the worst last."""

    HEALTHY = "healthy"
    UNKNOWN = "unknown"
    DEGRADED = "degraded"
    UNHEALTHY = "unhealthy"
    UNRESPONSIVE = "unresponsive"

    @property
    def is_down(self) -> bool:
        return self in (Health.UNHEALTHY, Health.UNRESPONSIVE)


ORDER = tuple(Health)


@dataclass(slots=True)
class Tally:
    """Answers in a row. `state` follows from them."""

    rise: int
    fall: int
    state: Health = Health.UNKNOWN
    failures: int = 0
    successes: int = 0

    def heard(self, *, ok: bool, silent: bool = False) -> bool:
        """One answer, or its absence (`silent`); whether `fall` was reached with it."""
        if ok:
            self.failures, self.successes = 0, self.successes + 1
            fine = self.state in (Health.HEALTHY, Health.UNKNOWN) or self.successes >= self.rise
            self.state = Health.HEALTHY if fine else Health.DEGRADED
            return False
        self.failures, self.successes = self.failures + 1, 0
        if self.failures < self.fall:
            self.state = Health.DEGRADED
        else:
            self.state = Health.UNRESPONSIVE if silent else Health.UNHEALTHY
        return self.failures == self.fall


def worst(states: list[Health]) -> Health:
    """Of several; unknown of none."""
    return max(states, key=ORDER.index, default=Health.UNKNOWN)
