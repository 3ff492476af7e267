"""Rows of checkpoints: the newest states of each agent, and those that a node could not read."""

from django.db import models

from supervision.journal.models import KEY_LENGTH


class Checkpoint(models.Model):
    """A state of an agent, as its node carried it. `epoch` is its placement's: the later placement's state counts."""

    node_id = models.CharField(max_length=32)
    tree = models.CharField(max_length=64)
    key = models.CharField(max_length=KEY_LENGTH)
    epoch = models.BigIntegerField()
    version = models.BigIntegerField()
    incarnation = models.BigIntegerField()
    schema = models.BigIntegerField()
    content = models.CharField(max_length=8)
    at = models.DateTimeField(help_text="When it was saved, by the node's clock.")
    bytes = models.BigIntegerField()
    checksum = models.CharField(max_length=64, help_text="SHA-256 of the state, as it came in.")
    data = models.BinaryField(null=True, help_text="None: it was too large to be carried.")
    received_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["key", "epoch", "node_id", "version"], name="checkpoint_one_version"
            )
        ]
        indexes = [
            models.Index(fields=["key", "-epoch", "-version"], name="checkpoint_newest"),
            models.Index(fields=["tree"], name="checkpoint_tree"),
        ]
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.key} v{self.version}"


class CheckpointFault(models.Model):
    """A state that a node found unreadable, and the version it fell back to."""

    node_id = models.CharField(max_length=32)
    tree = models.CharField(max_length=64)
    key = models.CharField(max_length=KEY_LENGTH)
    incarnation = models.BigIntegerField()
    version = models.BigIntegerField()
    fallback = models.BigIntegerField(null=True)
    why = models.CharField(max_length=400)
    at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["key", "-at"], name="checkpoint_fault_key")]
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.key} v{self.version}: {self.why}"
