"""Rows of samples. A value is null where it is not known, and a minute without samples has no row: never zero."""

from django.db import models

from supervision.fleet.models import Node
from supervision.journal.models import KEY_LENGTH


class SampleRow(models.Model):
    """`n` samples of one child, taken once a second from `at` on. CPU is of one core, memory in bytes."""

    key = models.CharField(max_length=KEY_LENGTH)
    at = models.DateTimeField(help_text="When the span began.")
    n = models.PositiveIntegerField()
    cpu_avg = models.FloatField(null=True)
    cpu_max = models.FloatField(null=True)
    rss_avg = models.BigIntegerField(null=True)
    rss_max = models.BigIntegerField(null=True)
    rss_min = models.BigIntegerField(null=True)
    pss = models.BigIntegerField(null=True, help_text="The last one that was read.")
    uss = models.BigIntegerField(null=True, help_text="What is its alone, when it was read last.")
    fds_max = models.PositiveIntegerField(null=True)
    fds_min = models.PositiveIntegerField(null=True)
    threads_max = models.PositiveIntegerField(null=True)
    threads_min = models.PositiveIntegerField(null=True)
    children_max = models.PositiveIntegerField(null=True)
    children_min = models.PositiveIntegerField(null=True)
    zombies_max = models.PositiveIntegerField(null=True)
    zombies_min = models.PositiveIntegerField(null=True)
    sockets_max = models.PositiveIntegerField(null=True)
    sockets_min = models.PositiveIntegerField(null=True)
    states = models.JSONField(null=True, help_text="Sockets by state, when they were looked at last.")
    read_avg = models.FloatField(null=True, help_text="Bytes from storage in a second.")
    written_avg = models.FloatField(null=True, help_text="Bytes to storage in a second.")
    switches_avg = models.FloatField(null=True, help_text="Context switches in a second.")
    disk = models.BigIntegerField(null=True, help_text="Bytes in its data directory.")
    incarnation = models.PositiveIntegerField(null=True)
    image = models.PositiveIntegerField(
        null=True, help_text="Names what its process runs: another number after each exec."
    )
    gauges = models.JSONField(null=True, help_text="The program's own, by name: avg, max, min, last.")

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"{self.key} {self.at:%Y-%m-%d %H:%M}"


class SampleMinute(SampleRow):
    """One minute of one child on one node; kept for MINUTES_KEPT."""

    node = models.ForeignKey(Node, on_delete=models.CASCADE, related_name="sample_minutes")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["node", "key", "at"], name="sample_minute_one")]
        indexes = [models.Index(fields=["at"], name="sample_minute_at")]
        ordering = ["at", "id"]


class SampleHour(SampleRow):
    """One hour, made of its minutes; kept for HOURS_KEPT."""

    node = models.ForeignKey(Node, on_delete=models.CASCADE, related_name="sample_hours")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["node", "key", "at"], name="sample_hour_one")]
        indexes = [models.Index(fields=["at"], name="sample_hour_at")]
        ordering = ["at", "id"]
