"""Rows of health checks: one for each check of each child that runs."""

from datetime import datetime, timedelta

from django.db import models

from supervision.fleet.models import Node
from supervision.journal.models import KEY_LENGTH
from supervision.runtime.healthfields import KINDS, ON_UNHEALTHY
from supervision.runtime.healthstate import Health

STALE_INTERVALS = 2


class HealthCheck(models.Model):
    """As its node told it last. `state` is what was found then; whether that is current, `is_stale` says."""

    node = models.ForeignKey(Node, on_delete=models.CASCADE, related_name="health_checks")
    key = models.CharField(max_length=KEY_LENGTH)
    tree = models.CharField(max_length=63)
    incarnation = models.PositiveIntegerField()
    name = models.CharField(max_length=63)
    kind = models.CharField(max_length=16, choices=[(kind, kind) for kind in KINDS])
    state = models.CharField(max_length=16, choices=[(str(one), str(one)) for one in Health])
    since = models.DateTimeField(help_text="When it came into this state.")
    checked_at = models.DateTimeField(null=True, help_text="When it was answered last.")
    took_s = models.FloatField(null=True)
    detail = models.CharField(max_length=300, blank=True)
    failures = models.PositiveIntegerField(default=0, help_text="In a row.")
    successes = models.PositiveIntegerField(default=0, help_text="In a row.")
    interval_s = models.FloatField()
    timeout_s = models.FloatField()
    on_unhealthy = models.CharField(max_length=16, choices=[(each, each) for each in ON_UNHEALTHY])

    class Meta:
        constraints = [models.UniqueConstraint(fields=["node", "key", "name"], name="health_check_one")]
        indexes = [models.Index(fields=["tree", "state"], name="health_check_tree_state")]
        ordering = ["key", "name", "id"]

    def __str__(self) -> str:
        return f"{self.name} of {self.key}"

    def is_stale(self, now: datetime) -> bool:
        """Whether nobody looked for two intervals: the monitor is silent, and what it said last counts no more."""
        return now - (self.checked_at or self.since) > timedelta(
            seconds=stale_after_s(self.interval_s, self.timeout_s)
        )


def stale_after_s(interval_s: float, timeout_s: float) -> float:
    """How old an answer may be: a check begins each interval, or when the one before it timed out."""
    return STALE_INTERVALS * max(interval_s, timeout_s)
