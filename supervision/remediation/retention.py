"""How long plans are kept after their end."""

import datetime as dt

from supervision.remediation.models import RemediationPlan

ENDED_KEPT = dt.timedelta(days=3 * 366)
AT_ONCE = 500


def drop_old(*, now: dt.datetime) -> int:
    """Remove plans that ended long ago, with their phases; how many rows."""
    old = RemediationPlan.objects.filter(ended_at__lt=now - ENDED_KEPT).order_by("ended_at")
    return RemediationPlan.objects.filter(pk__in=old.values("pk")[:AT_ONCE]).delete()[0]
