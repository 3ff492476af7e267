"""Rows of rules on issues, and of what each of them found."""

from django.conf import settings
from django.db import models

from supervision.alerts.kinds import Severity
from supervision.alerts.models import Alert, choices
from supervision.errors.store.models import ErrorActivity, ErrorIssue, ErrorProject

MAX_NAME, MAX_FILTER = 63, 400


class Trigger(models.TextChoices):
    """When a rule finds something. `events` and `users`: so many in a window; `workers`: so many percent of those of the
    tree; `escalating`: far more in an hour than it did."""

    NEW = "new"
    REGRESSED = "regressed"
    EVENTS = "events"
    USERS = "users"
    ESCALATING = "escalating"
    WORKERS = "workers"


COUNTED = frozenset({Trigger.EVENTS, Trigger.USERS, Trigger.WORKERS})
"""Those that a rule gives a number and a window."""
MEASURED = COUNTED | {Trigger.ESCALATING}
"""Those that are looked at again and again, and over when there is less of it; one that escalates when it does no more."""


class IssueRule(models.Model):
    """What somebody wants to be told of issues. Without a project it is about those of all of them."""

    name = models.CharField(max_length=MAX_NAME, unique=True)
    project = models.ForeignKey(
        ErrorProject, null=True, blank=True, on_delete=models.CASCADE, related_name="issue_rules"
    )
    environment = models.CharField(max_length=64, default="", blank=True, help_text="Empty: any.")
    trigger = models.CharField(max_length=16, choices=Trigger)
    count = models.PositiveIntegerField(default=1, help_text="Of events or users, or percent of workers.")
    window_minutes = models.PositiveIntegerField(default=60, help_text="In which they are counted.")
    filter = models.CharField(
        max_length=MAX_FILTER, default="", blank=True, help_text="Which issues, as the page Errors is asked."
    )
    gather_s = models.PositiveIntegerField(
        default=30, help_text="What is found within so many seconds is one message."
    )
    most_per_hour = models.PositiveIntegerField(
        default=10, help_text="Messages; what is found beyond is said in the next."
    )
    quiet_from = models.CharField(
        max_length=5,
        default="",
        db_default="",
        blank=True,
        help_text="Nobody is told from then, like 22:00; empty: always.",
    )
    quiet_until = models.CharField(
        max_length=5, default="", db_default="", blank=True, help_text="Until then, like 07:00."
    )
    quiet_zone = models.CharField(
        max_length=64, default="UTC", db_default="UTC", help_text="Whose clock that is."
    )
    severity = models.CharField(max_length=16, choices=choices(Severity), default=Severity.WARNING)
    runbook_url = models.CharField(max_length=500, default="", blank=True)
    is_enabled = models.BooleanField(default=True)
    version = models.PositiveIntegerField(default=1)
    trouble = models.CharField(
        max_length=300, default="", blank=True, editable=False, help_text="Why it cannot be looked at."
    )
    created_by = models.CharField(max_length=200, default="", blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def tree(self) -> str:
        return self.project.tree if self.project is not None else ""


class IssueFiring(models.Model):
    """An issue that a rule found. It lasts until the issue is closed, or its count is below the rule's again; meanwhile the
    rule does not find it anew."""

    rule = models.ForeignKey(IssueRule, on_delete=models.CASCADE, related_name="firings")
    issue = models.ForeignKey(ErrorIssue, on_delete=models.CASCADE, related_name="firings")
    environment = models.CharField(max_length=64, default="", blank=True)
    words = models.CharField(max_length=200)
    at = models.DateTimeField()
    was_held = models.BooleanField(
        default=False, help_text="The rule had told as often as it may in an hour."
    )
    told_at = models.DateTimeField(null=True, blank=True)
    alert = models.ForeignKey(Alert, null=True, blank=True, on_delete=models.SET_NULL, related_name="firings")
    over_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(
                fields=["rule", "issue"], condition=models.Q(over_at=None), name="issue_firing_one"
            )
        ]
        indexes = [
            models.Index(fields=["rule", "told_at"], name="issue_firing_told"),
            models.Index(fields=["over_at"], name="issue_firing_over"),
        ]

    def __str__(self) -> str:
        return f"{self.rule_id}: {self.words}"


class IssueNews(models.Model):
    """Something that happened to an issue and that one person, who follows it, has not been told yet."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    activity = models.ForeignKey(ErrorActivity, on_delete=models.CASCADE, related_name="+")
    at = models.DateTimeField(help_text="When it was found.")

    class Meta:
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["user", "activity"], name="issue_news_once")]

    def __str__(self) -> str:
        return f"{self.activity_id} for {self.user_id}"
