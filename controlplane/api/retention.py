"""Forgetting keys of requests that were carried out. Without the REST framework: who cleans up serves nothing."""

from datetime import datetime, timedelta

from controlplane.api.models import IdempotencyKey

KEPT = timedelta(hours=24)


def purge_keys(now: datetime) -> int:
    """Forget keys older than KEPT; how many there were."""
    return IdempotencyKey.objects.filter(claimed_at__lt=now - KEPT).delete()[0]
