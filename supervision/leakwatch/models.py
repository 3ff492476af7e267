"""Rows of findings. Of a life and resource at most one is open; of what the fleet shares, one row a subject."""

from django.db import models
from django.db.models import Q

from supervision.fleet.models import Node
from supervision.journal.models import KEY_LENGTH
from supervision.leaks.policy import Does
from supervision.leaks.resources import RESOURCES
from supervision.leaks.shared import Kind
from supervision.leaks.watch import Course, Outcome
from supervision.leaks.words import Action


class DeedState(models.TextChoices):
    """How far it is with what is done by itself."""

    ASKED = "asked", "asked"
    DONE = "done", "done"
    REFUSED = "refused", "refused"


class LeakFinding(models.Model):
    """One resource that grows in one life of one child. Rates are by the second; sizes in bytes, everything else counted."""

    node = models.ForeignKey(Node, on_delete=models.CASCADE, related_name="leak_findings")
    key = models.CharField(max_length=KEY_LENGTH)
    tree = models.CharField(max_length=63)
    incarnation = models.PositiveIntegerField()
    image = models.PositiveIntegerField(
        help_text="Names what its process runs: another number after each exec."
    )
    resource = models.CharField(max_length=16, choices=[(name, one.words) for name, one in RESOURCES.items()])
    course = models.CharField(max_length=16, choices=[(str(one), str(one)) for one in Course])
    since = models.DateTimeField(help_text="When it began to grow, as far as is known.")
    found_at = models.DateTimeField()
    seen_at = models.DateTimeField(help_text="When it grew last.")
    ended_at = models.DateTimeField(null=True)
    outcome = models.CharField(max_length=16, blank=True, choices=[(str(one), str(one)) for one in Outcome])
    value = models.FloatField()
    growth = models.FloatField()
    rate = models.FloatField()
    rate_low = models.FloatField(help_text="The rate lies above this with 95 % confidence.")
    rate_high = models.FloatField()
    limit = models.FloatField(null=True)
    limit_name = models.CharField(max_length=80, blank=True)
    limit_at = models.DateTimeField(null=True, help_text="When the limit is reached at this rate.")
    action = models.CharField(max_length=16, choices=[(str(one), str(one)) for one in Action])
    verdict = models.CharField(max_length=500)
    evidence = models.JSONField(default=dict, help_text="Points, what grows with it, the program's gauges.")
    policy = models.CharField(
        max_length=8,
        blank=True,
        db_default="",
        choices=[(str(one), str(one)) for one in Does],
        help_text="What the tree file says is done by itself; empty until it was looked up.",
    )
    deed_state = models.CharField(max_length=8, blank=True, db_default="", choices=DeedState.choices)
    deed_at = models.DateTimeField(null=True, help_text="When its child was asked last to go because of it.")
    deed_command = models.UUIDField(null=True)
    deed_said = models.CharField(
        max_length=400, blank=True, db_default="", help_text="What was asked, or what came of it."
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["node", "key", "incarnation", "image", "resource"],
                condition=Q(ended_at=None),
                name="leak_finding_one_open",
            )
        ]
        indexes = [
            models.Index(fields=["ended_at", "limit_at"], name="leak_finding_open"),
            models.Index(fields=["key", "-found_at"], name="leak_finding_key"),
            models.Index(fields=["deed_state"], name="leak_finding_deed", condition=Q(deed_state="asked")),
        ]
        ordering = ["-found_at", "-id"]

    def __str__(self) -> str:
        return f"{self.resource} of {self.key}"

    @property
    def is_open(self) -> bool:
        return self.ended_at is None


class SharedLeak(models.Model):
    """Something that no single process holds, counted in each look at the stores; a finding where `found_at` is set.

    Rates are by the second. What was found, ended and comes again is found anew in the same row.
    """

    kind = models.CharField(max_length=16, choices=[(str(one), str(one)) for one in Kind])
    subject = models.CharField(
        max_length=255, help_text="A pattern of keys, an application's name, a command."
    )
    points = models.JSONField(default=list, help_text="[Unix seconds, how many], oldest first.")
    value = models.FloatField()
    seen_at = models.DateTimeField()
    since = models.DateTimeField(null=True)
    found_at = models.DateTimeField(null=True)
    rose_at = models.DateTimeField(null=True, help_text="When there were more of it than ever before.")
    ended_at = models.DateTimeField(null=True)
    rate = models.FloatField(default=0.0)
    rate_low = models.FloatField(default=0.0, help_text="The rate lies above this with 95 % confidence.")
    rate_high = models.FloatField(default=0.0)
    verdict = models.CharField(max_length=500, blank=True)
    evidence = models.JSONField(default=dict)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["kind", "subject"], name="shared_leak_one")]
        indexes = [
            models.Index(fields=["seen_at"], name="shared_leak_seen"),
            models.Index(fields=["found_at"], name="shared_leak_found", condition=Q(found_at__isnull=False)),
        ]
        ordering = ["kind", "subject"]

    def __str__(self) -> str:
        return f"{self.kind} {self.subject}"
