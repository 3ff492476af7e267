"""Rows of the desired state: trees as revisions, where they are placed, how a new one is rolled out, and commands."""

import uuid
from typing import Any

from django.db import models

from supervision.auditlog.actor import ActorKind
from supervision.fleet.models import Node


class Tree(models.Model):
    """A tree by name. `version` grows with every accepted change and is its ETag."""

    name = models.CharField(max_length=64, unique=True)
    head = models.ForeignKey("TreeRevision", on_delete=models.PROTECT, null=True, related_name="+")
    version = models.BigIntegerField(default=0)
    epoch = models.BigIntegerField(default=0, help_text="The highest that a placement of it ever had.")
    problem = models.TextField(
        default="", blank=True, help_text="Why it is not where it should be, in words."
    )
    created_at = models.DateTimeField()
    deleted_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class TreeRevision(models.Model):
    """One version of a tree's document, numbered from 1; never changed."""

    tree = models.ForeignKey(Tree, on_delete=models.CASCADE, related_name="revisions")
    number = models.BigIntegerField()
    document = models.JSONField(help_text="As it was written.")
    resolved = models.JSONField(
        null=True,
        help_text="What nodes run, where the document names what is declared elsewhere (agent configs).",
    )
    pins = models.JSONField(
        default=dict,
        db_default={},
        help_text="Name -> revision that was filled in, and whether the tree follows it.",
    )
    digest = models.CharField(max_length=64, help_text="Of what nodes run.")
    message = models.TextField(default="", blank=True)
    author = models.CharField(max_length=200)
    source = models.CharField(max_length=16, default="api")
    base_number = models.BigIntegerField(null=True, help_text="The revision it was made from.")
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tree", "number"], name="revision_one_number"),
            models.CheckConstraint(condition=models.Q(number__gte=1), name="revision_from_one"),
        ]
        ordering = ["tree_id", "-number"]

    def __str__(self) -> str:
        return f"{self.tree_id} r{self.number}"

    @property
    def runs(self) -> dict[str, Any]:
        """The document that nodes are given."""
        found: dict[str, Any] = self.document if self.resolved is None else self.resolved
        return found


class PlacementState(models.TextChoices):
    ASSIGNED = "assigned", "assigned"
    DRAINING = "draining", "draining"
    REMOVING = "removing", "removing"


class Placement(models.Model):
    """A replica of a tree on a node. `carry` is what a take-over brings along: stopped and held keys, dynamic children."""

    tree = models.ForeignKey(Tree, on_delete=models.CASCADE, related_name="placements")
    node = models.ForeignKey(Node, on_delete=models.CASCADE, related_name="placements")
    replica = models.PositiveIntegerField(default=0)
    epoch = models.BigIntegerField(default=1)
    state = models.CharField(max_length=10, choices=PlacementState.choices, default=PlacementState.ASSIGNED)
    revision = models.ForeignKey(TreeRevision, on_delete=models.PROTECT, related_name="+")
    carry = models.JSONField(default=dict)
    problem = models.TextField(default="", blank=True, help_text="Why the node does not have it, in words.")
    assigned_at = models.DateTimeField()
    removed_at = models.DateTimeField(null=True, help_text="When the node confirmed that it has it no more.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tree", "node"], name="placement_one_on_a_node"),
            models.CheckConstraint(
                condition=models.Q(state__in=PlacementState.values), name="placement_known_state"
            ),
        ]
        ordering = ["tree_id", "replica", "id"]

    def __str__(self) -> str:
        return f"{self.tree_id}#{self.replica} on {self.node_id[:8]}"


class RolloutState(models.TextChoices):
    RUNNING = "running", "running"
    DONE = "done", "done"
    FAILED = "failed", "failed"
    ROLLED_BACK = "rolled_back", "rolled back"


class Rollout(models.Model):
    """A revision on its way to every placement of its tree; at most one under way for each tree."""

    tree = models.ForeignKey(Tree, on_delete=models.CASCADE, related_name="rollouts")
    from_revision = models.ForeignKey(TreeRevision, on_delete=models.PROTECT, null=True, related_name="+")
    to_revision = models.ForeignKey(TreeRevision, on_delete=models.PROTECT, related_name="+")
    max_unavailable = models.PositiveIntegerField(default=1)
    ready_deadline_s = models.FloatField(default=60.0)
    auto_rollback = models.BooleanField(default=True)
    places = models.PositiveIntegerField(
        null=True, help_text="So many places take the revision; all where it is null."
    )
    observe_s = models.FloatField(
        default=0.0, db_default=0.0, help_text="How long the watched child has to stay ready."
    )
    watch = models.JSONField(
        default=dict, db_default={}, help_text="Of a trial: `key` of the child, `after` and `may_end`."
    )
    state = models.CharField(max_length=12, choices=RolloutState.choices, default=RolloutState.RUNNING)
    reason = models.TextField(default="", blank=True)
    progress = models.JSONField(default=dict)
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tree"], condition=models.Q(state="running"), name="rollout_one_under_way"
            ),
            models.CheckConstraint(
                condition=models.Q(state__in=RolloutState.values), name="rollout_known_state"
            ),
        ]
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.tree_id}: to {self.to_revision_id}, {self.state}"


class CommandState(models.TextChoices):
    PENDING = "pending", "pending"
    CLAIMED = "claimed", "claimed"
    DONE = "done", "done"
    FAILED = "failed", "failed"
    EXPIRED = "expired", "expired"


class Verb(models.TextChoices):
    START = "start", "start"
    STOP = "stop", "stop"
    RESTART = "restart", "restart"
    RECYCLE = "recycle", "recycle"
    TERMINATE = "terminate", "terminate"
    HOLD = "hold", "hold"
    RELEASE = "release", "release"
    HOLD_ALL = "hold_all", "hold all"
    RELEASE_ALL = "release_all", "release all"
    START_CHILD = "start_child", "start child"
    DELETE_CHILD = "delete_child", "delete child"
    SIGNAL = "signal", "signal"
    RELOAD = "reload", "reload"
    ADOPT_STRAY = "adopt_stray", "adopt stray"
    END_STRAY = "end_stray", "end stray"


class Command(models.Model):
    """An order to one node about one key: acknowledged or failed within its deadline, carried out at most once by its id."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    verb = models.CharField(max_length=16, choices=Verb.choices)
    tree = models.CharField(max_length=64, default="", blank=True)
    key = models.CharField(max_length=2300, default="", blank=True)
    node = models.ForeignKey(Node, on_delete=models.CASCADE, related_name="commands")
    args = models.JSONField(default=dict)
    actor_kind = models.CharField(max_length=16, choices=[(kind.value, kind.value) for kind in ActorKind])
    actor_id = models.CharField(max_length=200)
    actor_name = models.CharField(max_length=200)
    reason = models.TextField(default="", blank=True)
    state = models.CharField(max_length=8, choices=CommandState.choices, default=CommandState.PENDING)
    created_at = models.DateTimeField()
    deadline_at = models.DateTimeField()
    claimed_at = models.DateTimeField(null=True)
    claimed_by = models.CharField(max_length=200, default="", blank=True)
    finished_at = models.DateTimeField(null=True)
    result = models.JSONField(null=True)
    error = models.JSONField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(state__in=CommandState.values), name="command_known_state"
            ),
            models.CheckConstraint(condition=models.Q(verb__in=Verb.values), name="command_known_verb"),
            models.CheckConstraint(
                condition=models.Q(state__in=["pending", "claimed"], finished_at=None)
                | models.Q(state__in=["done", "failed", "expired"], finished_at__isnull=False),
                name="command_finished_when_ended",
            ),
        ]
        indexes = [
            models.Index(
                fields=["node", "created_at"],
                name="command_open",
                condition=models.Q(state__in=["pending", "claimed"]),
            ),
            models.Index(fields=["created_at"], name="command_created_at"),
        ]
        ordering = ["-created_at", "id"]

    def __str__(self) -> str:
        return f"{self.verb} {self.key}"
