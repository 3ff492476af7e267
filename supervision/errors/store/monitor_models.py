"""Rows of scheduled jobs and of their runs."""

import datetime as dt

from django.db import models

from supervision.errors.store.models import ErrorProject


class Monitor(models.Model):
    """A scheduled job, and whether it reports when it should."""

    class Status(models.TextChoices):
        WAITING = "waiting"
        OK = "ok"
        LATE = "late"
        MISSED = "missed"
        TIMEOUT = "timeout"
        ERROR = "error"

    project = models.ForeignKey(ErrorProject, on_delete=models.CASCADE, related_name="monitors")
    slug = models.CharField(max_length=200)
    environment = models.CharField(max_length=64, default="production")
    schedule = models.JSONField(default=dict, blank=True)
    timezone = models.CharField(max_length=64, default="UTC")
    margin_s = models.PositiveIntegerField(default=60)
    max_runtime_s = models.PositiveIntegerField(default=1800)
    failure_threshold = models.PositiveIntegerField(
        default=1, help_text="So many failures in a row make an alert."
    )
    recovery_threshold = models.PositiveIntegerField(
        default=1, help_text="So many successes in a row end it."
    )
    failures = models.PositiveIntegerField(default=0, help_text="In a row, the newest among them.")
    successes = models.PositiveIntegerField(default=0, help_text="The same of successes.")
    failing_since = models.DateTimeField(null=True, blank=True)
    status = models.CharField(max_length=16, choices=Status, default=Status.WAITING)
    status_at = models.DateTimeField()
    next_due = models.DateTimeField(null=True, blank=True)
    last_seen = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["project", "slug"]
        constraints = [models.UniqueConstraint(fields=["project", "slug", "environment"], name="monitor_one")]

    def __str__(self) -> str:
        return self.slug

    def ended(self, *, ok: bool, at: dt.datetime) -> None:
        """One run more went well, or did not; whether somebody has to be told stands in `failing_since`. Not saved."""
        if ok:
            self.successes, self.failures = self.successes + 1, 0
            if self.successes >= self.recovery_threshold:
                self.failing_since = None
            return
        self.failures, self.successes = self.failures + 1, 0
        if self.failures >= self.failure_threshold and self.failing_since is None:
            self.failing_since = at


class CheckIn(models.Model):
    """One run of a monitored job."""

    class Status(models.TextChoices):
        IN_PROGRESS = "in_progress"
        OK = "ok"
        ERROR = "error"
        TIMEOUT = "timeout"
        MISSED = "missed"

    monitor = models.ForeignKey(Monitor, on_delete=models.CASCADE, related_name="check_ins")
    check_in_id = models.CharField(max_length=32)
    status = models.CharField(max_length=16, choices=Status)
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    duration_s = models.FloatField(null=True, blank=True)
    release = models.CharField(max_length=200, default="", blank=True)

    class Meta:
        ordering = ["monitor", "-started_at"]
        constraints = [models.UniqueConstraint(fields=["monitor", "check_in_id"], name="check_in_one")]

    def __str__(self) -> str:
        return f"{self.status} {self.check_in_id}"
