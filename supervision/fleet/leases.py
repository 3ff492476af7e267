"""Leases of nodes as the database sees them: pure arithmetic over its own clock (docs/fleet.md).

A lease is renewed each second and ends TTL_S after its last renewal. The holder counts from the moment it *sent* that
renewal, on a clock that goes on while the machine sleeps, and kills what is fenced SELF_FENCE_MARGIN_S before the end (see
`supervision.runtime.fencing`). Nobody takes anything over before TAKE_OVER_AFTER_S past the end. The two margins are what
clocks may drift apart, and what a kill may take.
"""

from enum import StrEnum

TTL_S = 6.0
RENEW_EVERY_S = 1.0
SELF_FENCE_MARGIN_S = 2.0
TAKE_OVER_AFTER_S = 2.0


class Standing(StrEnum):
    """A node by its lease alone: renewed in time, over but not to be touched yet, or free to be taken over from."""

    UP = "up"
    SUSPECT = "suspect"
    DOWN = "down"


def standing(lease_until: float | None, now: float) -> Standing:
    """Both in seconds of the database's clock. A node without a lease never had one, or gave it back: down."""
    if lease_until is None:
        return Standing.DOWN
    if now < lease_until:
        return Standing.UP
    return Standing.SUSPECT if now < lease_until + TAKE_OVER_AFTER_S else Standing.DOWN


def may_take_over(lease_until: float | None, now: float) -> bool:
    """Whether what runs under this lease may be started elsewhere."""
    return standing(lease_until, now) is Standing.DOWN
