"""Rows of what agents measure of themselves, summed up by kind of agent: as much as a monitoring system may be told."""

from django.db import models

from supervision.fleet.models import Node


class AgentCounter(models.Model):
    """What all agents of a kind counted under one name, ever: retention of samples never makes it smaller.

    The row without a name counts values that are not told, because the kind has too many names.
    """

    kind = models.CharField(max_length=63)
    name = models.CharField(max_length=64, blank=True)
    total = models.FloatField(default=0.0)
    changed_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["kind", "name"], name="agent_counter_one")]
        ordering = ["kind", "id"]

    def __str__(self) -> str:
        return f"{self.kind} {self.name or 'left out'}"


class AgentGauge(models.Model):
    """What the agents of a kind on one node said last of one name, in the minute that began `at`."""

    node = models.ForeignKey(Node, on_delete=models.CASCADE, related_name="agent_gauges")
    kind = models.CharField(max_length=63)
    name = models.CharField(max_length=64)
    agents = models.PositiveIntegerField(help_text="How many said it.")
    total = models.FloatField()
    least = models.FloatField()
    most = models.FloatField()
    at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["node", "kind", "name"], name="agent_gauge_one")]
        ordering = ["kind", "id"]

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"
