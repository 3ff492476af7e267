"""Rows of who looks after issues: teams, rules that give new issues to somebody, and who follows which issue."""

from django.conf import settings
from django.db import models

from supervision.errors.store.models import SLUG, ErrorIssue, ErrorProject


class ErrorTeam(models.Model):
    """People that an issue is given to together."""

    slug = models.CharField(max_length=63, unique=True, validators=[SLUG])
    name = models.CharField(max_length=100, default="", blank=True)
    members = models.ManyToManyField(settings.AUTH_USER_MODEL, related_name="error_teams", blank=True)
    version = models.PositiveIntegerField(default=1)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["slug"]

    def __str__(self) -> str:
        return self.slug


class ErrorOwner(models.Model):
    """Whose a new issue is: the first rule of its project that its first event matches. `match` is a list of
    [field, pattern], all of which must hold."""

    project = models.ForeignKey(ErrorProject, on_delete=models.CASCADE, related_name="owners")
    position = models.PositiveIntegerField()
    match = models.JSONField()
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.CASCADE, related_name="+"
    )
    team = models.ForeignKey(ErrorTeam, null=True, blank=True, on_delete=models.CASCADE, related_name="rules")

    class Meta:
        ordering = ["project", "position"]
        constraints = [
            models.UniqueConstraint(fields=["project", "position"], name="error_owner_one_place"),
            models.CheckConstraint(
                condition=models.Q(user__isnull=True) ^ models.Q(team__isnull=True),
                name="error_owner_one_owner",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.project_id}/{self.position}"


class ErrorWatcher(models.Model):
    """Somebody who wants to hear what happens to an issue."""

    issue = models.ForeignKey(ErrorIssue, on_delete=models.CASCADE, related_name="watchers")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    since = models.DateTimeField()

    class Meta:
        ordering = ["issue", "id"]
        constraints = [models.UniqueConstraint(fields=["issue", "user"], name="error_watcher_once")]

    def __str__(self) -> str:
        return f"{self.user_id} of {self.issue_id}"
