"""A sign of life to somebody outside, who raises the alarm when it stays away: nobody can report his own death.

It is sent only while the whole way is whole: a node renews its lease and ships its journal, PostgreSQL has it, beat
published this job and a worker runs it. So the silence of any of them is noticed outside.
"""

import datetime as dt
import logging
import urllib.request

from django.conf import settings

from supervision.fleet.models import Node, NodeState
from supervision.fleet.services import database_now

CURRENT_S = 15.0
DEADLINE_S = 10.0

log = logging.getLogger("overstory.outside")


class NotCurrentError(Exception):
    """No sign was sent, because something of ours does not work; the message says what."""


def ping_if_current() -> bool:
    """Whether a sign was sent; False when no URL is set. Raises NotCurrentError, OSError."""
    url = settings.HEARTBEAT_URL
    if not url:
        return False
    newest = Node.objects.filter(state__in=(NodeState.UP, NodeState.DRAINED)).order_by("-renewed_at").first()
    if newest is None or newest.renewed_at is None:
        raise NotCurrentError("no node renews a lease")
    age = database_now() - newest.renewed_at
    if age > dt.timedelta(seconds=CURRENT_S):
        raise NotCurrentError(f"the newest lease was renewed {age.total_seconds():.0f} s ago")
    request = urllib.request.Request(url, headers={"User-Agent": "Overstory"})  # noqa: S310 the operator's own URL
    with urllib.request.urlopen(request, timeout=DEADLINE_S) as answer:  # noqa: S310
        answer.read(1024)
    return True
