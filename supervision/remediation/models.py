"""Rows of plans. A criterion's `is_met` is written by `checking.check_plan` alone."""

from django.db import models

from supervision.auditruns.models import AuditProject
from supervision.remediation.documents import RISKS

_RISKS = [(word, word) for word in RISKS]


class RemediationPlan(models.Model):
    """How the findings of a project are to be got rid of, in phases."""

    class State(models.TextChoices):
        OPEN = "open"
        DONE = "done"
        ABANDONED = "abandoned"

    project = models.ForeignKey(AuditProject, on_delete=models.CASCADE, related_name="plans")
    title = models.CharField(max_length=200)
    summary = models.TextField(blank=True)
    owner = models.CharField(max_length=200)
    risk = models.CharField(max_length=8, choices=_RISKS)
    state = models.CharField(max_length=16, choices=State.choices, default=State.OPEN)
    created_at = models.DateTimeField()
    created_by = models.CharField(max_length=200)
    checked_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    version = models.PositiveIntegerField(default=1)

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["ended_at"], name="remediation_ended")]

    def __str__(self) -> str:
        return self.title


class RemediationPhase(models.Model):
    """A part of a plan, in order. Started and rolled back by hand; done when all of its criteria are met."""

    class State(models.TextChoices):
        PENDING = "pending"
        ACTIVE = "active"
        DONE = "done"
        ROLLED_BACK = "rolled_back"

    plan = models.ForeignKey(RemediationPlan, on_delete=models.CASCADE, related_name="phases")
    position = models.PositiveIntegerField(help_text="From 1.")
    title = models.CharField(max_length=200)
    owner = models.CharField(max_length=200, blank=True)
    estimate_days = models.FloatField()
    risk = models.CharField(max_length=8, choices=_RISKS)
    rollback = models.TextField(help_text="How it is taken back.")
    state = models.CharField(max_length=16, choices=State.choices, default=State.PENDING)
    started_at = models.DateTimeField(null=True)
    done_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(fields=["plan", "position"], name="remediation_phase_position")
        ]

    def __str__(self) -> str:
        return self.title


class RemediationCriterion(models.Model):
    """What has to hold for a phase to be done; `params` by kind, see criteria.py."""

    phase = models.ForeignKey(RemediationPhase, on_delete=models.CASCADE, related_name="criteria")
    kind = models.CharField(max_length=32)
    params = models.JSONField(default=dict)
    is_met = models.BooleanField(default=False)
    value = models.CharField(max_length=300, blank=True, help_text="What was found, in words.")
    checked_at = models.DateTimeField(null=True)
    changed_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name_plural = "criteria"
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.kind} {self.params}"


class RemediationStep(models.Model):
    """What happened to a phase, append-only: a rollback is a step, and undoes no other."""

    class Kind(models.TextChoices):
        STARTED = "started"
        MET = "met"
        UNMET = "unmet"
        DONE = "done"
        REOPENED = "reopened"
        ROLLED_BACK = "rolled_back"

    phase = models.ForeignKey(RemediationPhase, on_delete=models.CASCADE, related_name="steps")
    at = models.DateTimeField()
    kind = models.CharField(max_length=16, choices=Kind.choices)
    by = models.CharField(max_length=200)
    text = models.TextField(blank=True)

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.kind} {self.at:%Y-%m-%d %H:%M}"
