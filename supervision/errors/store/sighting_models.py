"""Rows of what Overstory saw before anybody told of it."""

from django.db import models

from supervision.errors.store.models import ErrorIssue, ErrorProject


class ErrorSighting(models.Model):
    """A crash or a failed task that was counted as Overstory saw it, since no SDK had told of it by then. With what is
    needed to take it back when one does: its report may have lain in a spool. Kept as long as ids of events are."""

    project = models.ForeignKey(ErrorProject, on_delete=models.CASCADE, related_name="sightings")
    issue = models.ForeignKey(ErrorIssue, on_delete=models.CASCADE, related_name="sightings")
    event_id = models.CharField(max_length=32)
    life = models.CharField(max_length=32, help_text="Digest of the life or of the task it was.")
    type = models.CharField(max_length=200)
    call = models.JSONField(default=list, help_text="Where it was raised: function, file, line and source.")
    environment = models.CharField(max_length=64, default="", blank=True)
    tags = models.JSONField(default=dict, help_text="What is counted of it.")
    is_kept = models.BooleanField(help_text="It is stored, and not only counted.")
    at = models.DateTimeField()

    class Meta:
        ordering = ["id"]
        indexes = [
            models.Index(fields=["project", "life"], name="error_sighting_life"),
            models.Index(fields=["at"], name="error_sighting_age"),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.event_id}"
