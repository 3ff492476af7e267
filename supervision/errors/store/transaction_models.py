"""Rows of how long pieces of work took."""

from django.db import models

from supervision.errors.store.models import ErrorProject


class ErrorTransactionHour(models.Model):
    """Runs of a transaction in an hour whose time was in one class (protocol/transactions.py)."""

    project = models.ForeignKey(ErrorProject, on_delete=models.CASCADE, related_name="transaction_hours")
    name = models.CharField(max_length=200)
    op = models.CharField(max_length=64, default="", blank=True)
    hour = models.DateTimeField()
    time_class = models.PositiveSmallIntegerField()
    count = models.BigIntegerField()
    failed = models.BigIntegerField()
    total_ms = models.FloatField()

    class Meta:
        ordering = ["project", "-hour", "name", "op", "time_class"]
        constraints = [
            models.UniqueConstraint(
                fields=["project", "hour", "name", "op", "time_class"], name="error_transaction_hour_one"
            )
        ]
        indexes = [models.Index(fields=["hour"], name="error_transaction_hour_age")]

    def __str__(self) -> str:
        return f"{self.name} at {self.hour:%Y-%m-%d %H}"
