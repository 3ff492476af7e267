"""Rows of the API itself."""

from django.db import models


class IdempotencyKey(models.Model):
    """One key of one principal on one route, and the answer once there is one."""

    principal = models.CharField(max_length=40)
    route = models.CharField(max_length=200)
    key = models.CharField(max_length=255)
    fingerprint = models.CharField(max_length=64)
    claimed_at = models.DateTimeField()
    status = models.PositiveSmallIntegerField(null=True)
    headers = models.JSONField(default=dict)
    body = models.TextField(default="null")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["principal", "route", "key"], name="idempotency_key_once"),
        ]
        indexes = [models.Index(fields=["claimed_at"], name="idempotency_claimed_at")]

    def __str__(self) -> str:
        return f"{self.route} {self.key}"
