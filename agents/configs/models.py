"""Rows of agent configs: kinds with a schema of their arguments, configs by name, revisions that never change."""

from django.db import models

from supervision.journal.models import KEY_LENGTH
from supervision.trees.models import Rollout


class AgentKind(models.Model):
    """What `arguments` of a kind of agent may be. `version` grows with every change and is its ETag."""

    name = models.CharField(max_length=63, unique=True)
    description = models.TextField(default="", blank=True)
    schema = models.JSONField(help_text="JSON Schema, 2020-12, of `arguments`.")
    version = models.BigIntegerField(default=1)
    changed_at = models.DateTimeField()

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class AgentConfig(models.Model):
    """A config by namespace and name. `version` grows with every accepted change."""

    namespace = models.CharField(max_length=63)
    name = models.CharField(max_length=63)
    head = models.ForeignKey("AgentConfigRevision", on_delete=models.PROTECT, null=True, related_name="+")
    version = models.BigIntegerField(default=0)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["namespace", "name"], name="agent_config_one_name")]
        ordering = ["namespace", "name"]

    def __str__(self) -> str:
        return self.ref

    @property
    def ref(self) -> str:
        """As a tree names it."""
        return f"{self.namespace}/{self.name}"

    @property
    def tag(self) -> str:
        """Its ETag: one that was deleted and made again never has an old one's."""
        return f"{self.pk}-{self.version}"


class AgentConfigRevision(models.Model):
    """One version of a config, numbered from 1; never changed."""

    config = models.ForeignKey(AgentConfig, on_delete=models.CASCADE, related_name="revisions")
    number = models.BigIntegerField()
    kind = models.CharField(max_length=63)
    document = models.JSONField(help_text="What it says, without what equals its default.")
    digest = models.CharField(max_length=64)
    message = models.TextField(default="", blank=True)
    author = models.CharField(max_length=200)
    source = models.CharField(max_length=16, default="api")
    base_number = models.BigIntegerField(null=True, help_text="The revision it was made from.")
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["config", "number"], name="agent_config_revision_one"),
            models.CheckConstraint(condition=models.Q(number__gte=1), name="agent_config_revision_from_one"),
        ]
        ordering = ["config_id", "-number"]

    def __str__(self) -> str:
        return f"{self.config_id} r{self.number}"


class CanaryState(models.TextChoices):
    RUNNING = "running", "running"
    DONE = "done", "done"
    FAILED = "failed", "failed"
    ENDED = "ended", "ended"


class ConfigCanary(models.Model):
    """A revision that one agent tries before the others follow; at most one under way for each config.

    `ended`: somebody stopped it, or applied another revision meanwhile.
    """

    config = models.ForeignKey(AgentConfig, on_delete=models.CASCADE, related_name="canaries")
    revision = models.ForeignKey(AgentConfigRevision, on_delete=models.CASCADE, related_name="+")
    rollout = models.ForeignKey(Rollout, on_delete=models.SET_NULL, null=True, related_name="+")
    tree = models.CharField(max_length=64)
    key = models.CharField(max_length=KEY_LENGTH)
    node = models.CharField(max_length=200, help_text="Its name.")
    observe_s = models.FloatField()
    state = models.CharField(max_length=8, choices=CanaryState.choices, default=CanaryState.RUNNING)
    reason = models.TextField(default="", blank=True)
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["config"], condition=models.Q(state="running"), name="config_canary_one_under_way"
            ),
            models.CheckConstraint(
                condition=models.Q(state__in=CanaryState.values), name="config_canary_known_state"
            ),
        ]
        indexes = [models.Index(fields=["tree"], name="config_canary_tree")]
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.config_id} r{self.revision_id}: {self.state}"
