"""Rows of running Overstory itself."""

from django.db import models


class PeriodicJob(models.Model):
    """When a job of the schedule is due next. The row is claimed by compare-and-set, so no slot is published twice."""

    name = models.CharField(max_length=63, primary_key=True)
    next_at = models.DateTimeField()
    published_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    error = models.CharField(max_length=500, blank=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class ActionLatency(models.Model):
    """Commands that were carried out, by how long that took from the request on: a histogram that only grows.

    `bucket` counts the bounds (`controlplane.operations.latency.BOUNDS_S`) that the duration reached.
    """

    verb = models.CharField(max_length=16)
    bucket = models.PositiveSmallIntegerField()
    total = models.PositiveBigIntegerField(default=0)
    seconds = models.FloatField(default=0.0)

    class Meta:
        ordering = ["verb", "bucket"]
        constraints = [models.UniqueConstraint(fields=["verb", "bucket"], name="one_latency_each")]
        verbose_name_plural = "action latencies"

    def __str__(self) -> str:
        return f"{self.verb} {self.bucket}"


class RestartCount(models.Model):
    """Restarts by supervisor and reason, counted where they are ingested: a counter that retention never makes smaller."""

    supervisor = models.CharField(max_length=512)
    reason = models.CharField(max_length=40, help_text="Without its number: `exit`, `signal`, `oom`.")
    total = models.PositiveBigIntegerField(default=0)

    class Meta:
        ordering = ["supervisor", "reason"]
        constraints = [models.UniqueConstraint(fields=["supervisor", "reason"], name="one_count_each")]

    def __str__(self) -> str:
        return f"{self.supervisor} {self.reason}"
