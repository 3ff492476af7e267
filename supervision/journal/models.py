"""Rows made from the nodes' journals: the records themselves, and what is known of trees, children and their lives.

`node_id` is no foreign key in the records: they outlive a node that was forgotten.
"""

from django.db import models

from supervision.fleet.models import Node
from supervision.runtime.observed import STATES

KEY_LENGTH = 2300
"""Thirty-two levels of names of 64 characters, with their slashes."""


class StreamCursor(models.Model):
    """How far a node's stream of records was taken in; compared and set in the transaction that inserts."""

    node_id = models.CharField(max_length=32)
    stream_epoch = models.BigIntegerField()
    seq = models.BigIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["node_id", "stream_epoch"], name="stream_cursor_one")]
        ordering = ["node_id", "stream_epoch"]

    def __str__(self) -> str:
        return f"{self.node_id[:8]}/{self.stream_epoch}: {self.seq}"


class JournalRecord(models.Model):
    """One record of a node's journal. The table is partitioned by `received_at`, in SQL; rows are never changed.

    `id` is unique by its sequence; the database's own key is (id, received_at), because a partitioned table's key holds
    the partition key.
    """

    id = models.BigAutoField(primary_key=True)
    node_id = models.CharField(max_length=32)
    stream_epoch = models.BigIntegerField()
    seq = models.BigIntegerField()
    at = models.DateTimeField(help_text="The node's clock.")
    boot = models.FloatField(help_text="CLOCK_BOOTTIME of the node, seconds.")
    kind = models.CharField(max_length=16)
    tree = models.CharField(max_length=64, default="")
    key = models.CharField(max_length=KEY_LENGTH, default="")
    body = models.JSONField()
    received_at = models.DateTimeField()

    class Meta:
        managed = False
        db_table = "supervision_journalrecord"
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.node_id[:8]}/{self.seq} {self.kind}"


class StreamBase(models.Model):
    """The node's state behind the last record that retention took of a stream: what later records are folded onto."""

    node_id = models.CharField(max_length=32)
    stream_epoch = models.BigIntegerField()
    seq = models.BigIntegerField()
    at = models.DateTimeField(help_text="The node's clock.")
    boot = models.FloatField(help_text="CLOCK_BOOTTIME of the node, seconds.")
    body = models.JSONField(help_text="As the body of a snapshot record.")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["node_id", "stream_epoch"], name="stream_base_one")]
        ordering = ["node_id", "stream_epoch"]

    def __str__(self) -> str:
        return f"{self.node_id[:8]}/{self.stream_epoch}: {self.seq}"


class ObservedTree(models.Model):
    """A tree as a node has it."""

    node = models.ForeignKey(Node, on_delete=models.CASCADE, related_name="observed_trees")
    name = models.CharField(max_length=64)
    revision = models.BigIntegerField()
    digest = models.CharField(max_length=64)
    message = models.TextField(default="", blank=True)
    applied_at = models.DateTimeField(null=True)
    state = models.CharField(max_length=16)
    ended = models.CharField(max_length=400, default="", blank=True, help_text="Why, while its root is down.")
    dynamic = models.JSONField(default=list)
    seq = models.BigIntegerField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["node", "name"], name="observed_tree_one_on_a_node")]
        ordering = ["name", "node_id"]

    def __str__(self) -> str:
        return self.name


class ObservedChild(models.Model):
    """A child or supervisor as a node has it, and the `seq` of the record that changed it last.

    One that is no longer there stays with `removed` until retention takes it, so that who reads by `seq` sees it go.
    """

    node = models.ForeignKey(Node, on_delete=models.CASCADE, related_name="observed_children")
    tree = models.CharField(max_length=64)
    key = models.CharField(max_length=KEY_LENGTH)
    parent = models.CharField(max_length=KEY_LENGTH, default="", blank=True)
    position = models.IntegerField(default=0, help_text="In start order over the whole tree, parents first.")
    child_id = models.CharField(max_length=128)
    is_supervisor = models.BooleanField(default=False)
    kind = models.CharField(max_length=16, default="process")
    state = models.CharField(max_length=16)
    wanted = models.CharField(max_length=8, default="up")
    incarnation = models.BigIntegerField(default=0)
    pid = models.PositiveIntegerField(null=True)
    since = models.DateTimeField(null=True)
    restarts = models.BigIntegerField(default=0)
    restart = models.CharField(max_length=16, default="permanent")
    last_exit_reason = models.CharField(max_length=400, default="", blank=True)
    last_exit_at = models.DateTimeField(null=True)
    last_exit_incarnation = models.BigIntegerField(null=True)
    held = models.BooleanField(default=False)
    held_until = models.DateTimeField(null=True)
    backoff_until = models.DateTimeField(null=True)
    waiting_for = models.JSONField(default=list)
    status = models.TextField(default="", blank=True)
    stage = models.CharField(max_length=16, default="", blank=True)
    command = models.JSONField(default=list)
    dynamic = models.BooleanField(default=False)
    ready = models.BooleanField(default=False)
    strategy = models.CharField(max_length=32, default="", blank=True)
    intensity = models.IntegerField(null=True)
    period = models.FloatField(null=True, help_text="Seconds.")
    window_used = models.IntegerField(null=True)
    stop = models.CharField(max_length=16, default="", blank=True)
    seq = models.BigIntegerField()
    removed = models.BooleanField(default=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["node", "key"], name="observed_child_one_on_a_node"),
            models.CheckConstraint(condition=models.Q(state__in=STATES), name="observed_child_known_state"),
        ]
        indexes = [
            models.Index(fields=["node", "seq"], name="observed_child_seq"),
            models.Index(fields=["tree", "position"], name="observed_child_tree"),
            models.Index(fields=["key"], name="observed_child_key"),
            models.Index(fields=["state"], name="observed_child_state", condition=models.Q(removed=False)),
        ]
        ordering = ["tree", "node_id", "position"]
        verbose_name_plural = "observed children"

    def __str__(self) -> str:
        return self.key


class Incarnation(models.Model):
    """One life of a child, numbered from 1, never reused."""

    node = models.ForeignKey(Node, on_delete=models.CASCADE, related_name="incarnations")
    tree = models.CharField(max_length=64)
    key = models.CharField(max_length=KEY_LENGTH)
    number = models.BigIntegerField()
    pid = models.PositiveIntegerField(null=True)
    started_at = models.DateTimeField(null=True)
    ready_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    reason = models.CharField(max_length=400, default="", blank=True)
    stderr_tail = models.JSONField(default=list)
    cause = models.JSONField(default=dict)
    seq = models.BigIntegerField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["node", "key", "number"], name="incarnation_one")]
        indexes = [
            models.Index(fields=["key", "-number"], name="incarnation_key_number"),
            models.Index(fields=["ended_at"], name="incarnation_ended_at"),
        ]
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.key} #{self.number}"


class Stray(models.Model):
    """A process without an owner, as a node saw it."""

    class State(models.TextChoices):
        FOUND = "found", "found"
        ADOPTED = "adopted", "adopted"
        ENDED = "ended", "ended"

    node = models.ForeignKey(Node, on_delete=models.CASCADE, related_name="strays")
    pid = models.PositiveIntegerField()
    start_time = models.BigIntegerField(help_text="Clock ticks since boot; with pid the process's identity.")
    command = models.JSONField(default=list)
    parent_pid = models.PositiveIntegerField(null=True)
    first_seen = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    state = models.CharField(max_length=8, choices=State.choices, default=State.FOUND)
    owner = models.CharField(max_length=KEY_LENGTH, default="", blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["node", "pid", "start_time"], name="stray_one")]
        indexes = [models.Index(fields=["state"], name="stray_state")]
        ordering = ["-first_seen"]

    def __str__(self) -> str:
        return f"pid {self.pid} on {self.node_id[:8]}"
