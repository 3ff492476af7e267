"""How far each node's spool was taken in."""

from django.db import models

from supervision.fleet.models import Node


class ProgramCursor(models.Model):
    """A node's stream of what its programs said; compared and set in the transaction that hands the events on.

    `spool_epoch` names the sequence of numbers: a node that lost its spool begins another one.
    """

    node = models.ForeignKey(Node, on_delete=models.CASCADE, related_name="program_cursors")
    spool_epoch = models.BigIntegerField()
    seq = models.BigIntegerField(default=0)
    events = models.BigIntegerField(default=0, help_text="Events that were taken in.")
    unhandled = models.BigIntegerField(default=0, help_text="Events of a kind that nobody asked for.")
    failed = models.BigIntegerField(default=0, help_text="Events that their handler could not use.")
    lost = models.BigIntegerField(default=0, help_text="Events that were dropped past the node's bound.")
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["node", "spool_epoch"], name="program_cursor_one"),
        ]
        ordering = ["node_id", "spool_epoch"]

    def __str__(self) -> str:
        return f"{self.node_id[:8]}/{self.spool_epoch}: {self.seq}"
