"""When a rule on issues tells what it found. Pure.

It gathers for a while from the first that it found, so that a burst is one message; and tells no more than so often in an
hour, and nothing in its quiet hours: what it found meanwhile waits, and is said in the next message.
"""

import datetime as dt
from collections.abc import Sequence
from enum import StrEnum

HOUR = dt.timedelta(hours=1)


class Pace(StrEnum):
    """What to do with what was found and not told."""

    GATHER = "gather"
    HOLD = "hold"
    TELL = "tell"


def pace(
    *,
    first: dt.datetime,
    told: Sequence[dt.datetime],
    gather_s: int,
    most_per_hour: int,
    now: dt.datetime,
    is_quiet: bool = False,
) -> Pace:
    """`first`: when the oldest that is not told was found; `told`: when messages were sent. Exactly an hour ago is over."""
    if now < first + dt.timedelta(seconds=gather_s):
        return Pace.GATHER
    if is_quiet:
        return Pace.HOLD
    recent = [at for at in told if at > now - HOUR]
    return Pace.HOLD if len(recent) >= most_per_hour else Pace.TELL
