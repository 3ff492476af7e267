"""Rows of the fleet: nodes with their leases, and elected leaders. Times of leases are the database's own."""

from django.db import models


class NodeState(models.TextChoices):
    UP = "up", "up"
    SUSPECT = "suspect", "suspect"
    DOWN = "down", "down"
    DRAINED = "drained", "drained"


class Node(models.Model):
    """A host's supervising process. `epoch` grows when it joins anew after its lease was lost; every write names it."""

    id = models.CharField(primary_key=True, max_length=32)
    name = models.CharField(max_length=255)
    labels = models.JSONField(default=dict)
    version = models.CharField(max_length=32, default="")
    boot_id = models.CharField(max_length=64, default="")
    pid = models.PositiveIntegerField(null=True)
    guardian_pid = models.PositiveIntegerField(null=True)
    state = models.CharField(max_length=8, choices=NodeState.choices, default=NodeState.UP)
    draining = models.BooleanField(default=False)
    epoch = models.BigIntegerField(default=1)
    lease_until = models.DateTimeField(null=True)
    renewed_at = models.DateTimeField(null=True)
    joined_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True)
    stream_epoch = models.BigIntegerField(default=1)
    journal_seq = models.BigIntegerField(default=0)
    helpers = models.JSONField(default=list)
    is_explicit_allow_list = models.BooleanField(default=False)
    data = models.JSONField(default=dict)

    class Meta:
        ordering = ["name", "id"]
        constraints = [
            models.CheckConstraint(condition=models.Q(state__in=NodeState.values), name="node_known_state"),
            models.CheckConstraint(condition=models.Q(epoch__gte=1), name="node_epoch_from_one"),
        ]
        indexes = [models.Index(fields=["lease_until"], name="node_lease_until")]

    def __str__(self) -> str:
        return self.name


class Leadership(models.Model):
    """Who leads, by name (`controller`, `beat`). `term` only grows; a write of a leader names it."""

    name = models.CharField(primary_key=True, max_length=32)
    holder = models.CharField(max_length=200)
    term = models.BigIntegerField()
    until = models.DateTimeField()

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return f"{self.name}: {self.holder}, term {self.term}"
