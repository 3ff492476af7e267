"""Rows of how releases run and who runs them, and of files that came with events."""

from django.db import models

from supervision.errors.store.models import ErrorProject


class ErrorReleaseHour(models.Model):
    """Runs (sessions) of a release in an environment that were told in an hour. `errored` has those that crashed, too."""

    project = models.ForeignKey(ErrorProject, on_delete=models.CASCADE, related_name="release_hours")
    release = models.CharField(max_length=200)
    environment = models.CharField(max_length=64, default="", blank=True)
    hour = models.DateTimeField()
    sessions = models.BigIntegerField()
    errored = models.BigIntegerField()
    crashed = models.BigIntegerField()

    class Meta:
        ordering = ["project", "-hour"]
        constraints = [
            models.UniqueConstraint(
                fields=["project", "release", "environment", "hour"], name="error_release_hour_one"
            )
        ]
        indexes = [models.Index(fields=["hour"], name="error_release_hour_age")]

    def __str__(self) -> str:
        return f"{self.release} at {self.hour:%Y-%m-%d %H}"


class ErrorReleaseUser(models.Model):
    """Somebody who ran a release in an environment, known by a digest: seen last, and when a run of theirs crashed last.

    To the hour: a row is written again only when it would say something else.
    """

    project = models.ForeignKey(ErrorProject, on_delete=models.CASCADE, related_name="release_users")
    release = models.CharField(max_length=200)
    environment = models.CharField(max_length=64, default="", blank=True)
    user = models.CharField(max_length=32)
    seen_at = models.DateTimeField()
    crashed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["project", "release", "user"]
        constraints = [
            models.UniqueConstraint(
                fields=["project", "release", "environment", "user"], name="error_release_user_one"
            )
        ]
        indexes = [models.Index(fields=["seen_at"], name="error_release_user_age")]

    def __str__(self) -> str:
        return f"{self.user[:8]} of {self.release}"


class ErrorAttachment(models.Model):
    """A file that came with an event; goes when events of its age do. `data` is compressed by zlib."""

    project = models.ForeignKey(ErrorProject, on_delete=models.CASCADE, related_name="attachments")
    event_id = models.CharField(max_length=32)
    name = models.CharField(max_length=200)
    content_type = models.CharField(max_length=100)
    size = models.PositiveIntegerField(help_text="Bytes, as it came.")
    data = models.BinaryField()
    received_at = models.DateTimeField()

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["project", "event_id", "name"], name="error_attachment_one")
        ]
        indexes = [models.Index(fields=["project", "received_at"], name="error_attachment_age")]

    def __str__(self) -> str:
        return self.name
