"""Rows that whoever watches issues reads: what just happened to them, and how often they came in each minute."""

from django.db import models

from supervision.errors.store.models import ErrorIssue


class ErrorOccasion(models.Model):
    """Something that happened to an issue and that nobody has looked at yet: whoever does deletes it.

    `new` of an environment: it was never seen there before. `is_first`: nor anywhere else, or, of a regression, it is the
    event that brought it back.
    """

    class Kind(models.TextChoices):
        NEW = "new"
        REGRESSED = "regressed"

    issue = models.ForeignKey(ErrorIssue, on_delete=models.CASCADE, related_name="occasions")
    kind = models.CharField(max_length=16, choices=Kind)
    environment = models.CharField(max_length=64, default="", blank=True)
    is_first = models.BooleanField()
    at = models.DateTimeField()

    class Meta:
        ordering = ["id"]
        indexes = [models.Index(fields=["at"], name="error_occasion_at")]

    def __str__(self) -> str:
        return f"{self.kind} {self.issue_id}"


class ErrorIssueMinute(models.Model):
    """Events of an issue in one environment in a minute; kept for a day."""

    issue = models.ForeignKey(ErrorIssue, on_delete=models.CASCADE, related_name="minutes")
    environment = models.CharField(max_length=64, default="", blank=True)
    minute = models.DateTimeField(help_text="When it began.")
    count = models.BigIntegerField()

    class Meta:
        ordering = ["issue", "minute"]
        constraints = [
            models.UniqueConstraint(fields=["issue", "environment", "minute"], name="error_minute_one")
        ]
        indexes = [models.Index(fields=["minute"], name="error_minute_age")]

    def __str__(self) -> str:
        return f"{self.count} at {self.minute:%Y-%m-%d %H:%M}"
