"""Rows of the audit log. The database refuses to change or delete an entry; retention drops whole segments."""

from django.db import models

from supervision.auditlog.actor import ActorKind


class Outcome(models.TextChoices):
    OK = "ok", "ok"
    REFUSED = "refused", "refused"
    FAILED = "failed", "failed"


class AuditEntry(models.Model):
    """One deed. `hash` is SHA-256 over the previous entry's hash and this entry's canonical JSON."""

    seq = models.BigIntegerField(primary_key=True)
    at = models.DateTimeField()
    actor_kind = models.CharField(max_length=16, choices=[(kind.value, kind.value) for kind in ActorKind])
    actor_id = models.CharField(max_length=200)
    actor_name = models.CharField(max_length=200)
    ip = models.GenericIPAddressField(null=True)
    request_id = models.CharField(max_length=64, default="", blank=True)
    action = models.CharField(max_length=64)
    target = models.CharField(max_length=400, default="", blank=True)
    tree = models.CharField(max_length=64, default="", blank=True)
    reason = models.TextField(default="", blank=True)
    outcome = models.CharField(max_length=8, choices=Outcome.choices)
    details = models.JSONField(default=dict)
    previous_hash = models.CharField(max_length=64)
    hash = models.CharField(max_length=64)

    class Meta:
        ordering = ["-seq"]
        indexes = [
            models.Index(fields=["tree", "-seq"], name="audit_tree_seq"),
            models.Index(fields=["actor_id", "-seq"], name="audit_actor_seq"),
            models.Index(fields=["at"], name="audit_at"),
        ]
        verbose_name_plural = "audit entries"

    def __str__(self) -> str:
        return f"{self.seq} {self.actor_name} {self.action} {self.target}"


class AuditSegment(models.Model):
    """What is known of entries that retention dropped: the chain goes on from `closing_hash`."""

    first_seq = models.BigIntegerField(primary_key=True)
    last_seq = models.BigIntegerField(unique=True)
    closing_hash = models.CharField(max_length=64)
    dropped_at = models.DateTimeField()

    class Meta:
        ordering = ["first_seq"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(last_seq__gte=models.F("first_seq")), name="audit_segment_order"
            )
        ]

    def __str__(self) -> str:
        return f"{self.first_seq} to {self.last_seq}"
