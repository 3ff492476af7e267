"""The algorithms that group reports, by name; a project has one, and for a while after a change the one before it.

A new algorithm gives other hashes to the same reports. So that an upgrade does not make every issue anew, hashes of the
former one still lead to their issues for TRANSITION, and the new hashes of what comes are attached to those: what comes
again within that time goes on as one.
"""

import datetime as dt
from collections.abc import Callable, Mapping, Sequence

from supervision.errors.event import ErrorEvent
from supervision.errors.grouping import g1

TRANSITION = dt.timedelta(days=30)

Group = Callable[[ErrorEvent, Sequence[str] | None], g1.Grouping]
ALGORITHMS: Mapping[str, Group] = {g1.ALGORITHM: g1.group}
NEWEST = g1.ALGORITHM
