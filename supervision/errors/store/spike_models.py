"""Rows about how much a project sends: by the hour, and what was turned away when it was far too much."""

from django.db import models

from supervision.errors.store.models import ErrorProject


class ErrorProjectHour(models.Model):
    """Events of a project in an hour; kept for what is usual."""

    project = models.ForeignKey(ErrorProject, on_delete=models.CASCADE, related_name="hours")
    hour = models.DateTimeField()
    count = models.BigIntegerField()

    class Meta:
        ordering = ["project", "hour"]
        constraints = [models.UniqueConstraint(fields=["project", "hour"], name="error_project_hour_one")]

    def __str__(self) -> str:
        return f"{self.count} at {self.hour:%Y-%m-%d %H}"


class ErrorSpike(models.Model):
    """A while in which a project sent far more than it usually does. `refused` is exact: the intake counts each."""

    project = models.ForeignKey(ErrorProject, on_delete=models.CASCADE, related_name="spikes")
    began_at = models.DateTimeField()
    usual_per_minute = models.FloatField()
    limit_per_minute = models.PositiveIntegerField()
    refused = models.BigIntegerField(default=0, help_text="Reports that were turned away and counted.")
    refused_at = models.DateTimeField(help_text="When the last of them were counted.")
    ended_at = models.DateTimeField(null=True, blank=True)
    from_hour = models.DateTimeField(help_text="The first hour of discards that count.")
    before = models.BigIntegerField(default=0, help_text="Of those hours, what belongs to an earlier spike.")

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["project"], condition=models.Q(ended_at=None), name="error_spike_one"
            )
        ]

    def __str__(self) -> str:
        return f"{self.refused} refused since {self.began_at:%Y-%m-%d %H:%M}"
