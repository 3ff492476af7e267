"""Rows of agent configs: kinds with a schema of their arguments, configs by name, revisions that never change."""

from django.db import models


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
