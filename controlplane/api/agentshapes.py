"""Bodies about agents: configs and their revisions, kinds."""

from typing import Any

from rest_framework import serializers

from controlplane.api.shapes import Body
from controlplane.api.treeshapes import PlanShape


class AgentKindShape(serializers.Serializer[Any]):
    """A kind of agent: what the arguments of its configs may be."""

    name = serializers.CharField()
    description = serializers.CharField()
    schema = serializers.JSONField(help_text="JSON Schema, 2020-12, of `arguments`.")
    version = serializers.IntegerField(help_text="Grows with every change; the ETag.")
    changed_at = serializers.DateTimeField()


class AgentKindBody(Body):
    """A kind, whole."""

    schema = serializers.JSONField()
    description = serializers.CharField(max_length=2000, allow_blank=True, default="")


class AgentConfigShape(serializers.Serializer[Any]):
    """A config, by its newest revision."""

    namespace = serializers.CharField()
    name = serializers.CharField()
    kind = serializers.CharField(source="head.kind")
    version = serializers.CharField(source="tag", help_text="The ETag.")
    revision = serializers.IntegerField(source="head.number")
    digest = serializers.CharField(source="head.digest")
    message = serializers.CharField(source="head.message")
    author = serializers.CharField(source="head.author")
    changed_at = serializers.DateTimeField(source="head.created_at")
    created_at = serializers.DateTimeField()


class AgentConfigDetailShape(AgentConfigShape):
    """A config with what it says and who names it."""

    document = serializers.JSONField(source="head.document")
    trees = serializers.ListField(child=serializers.CharField(), help_text="Trees that name it.")


class AgentConfigRevisionShape(serializers.Serializer[Any]):
    """A revision, without its document."""

    number = serializers.IntegerField()
    kind = serializers.CharField()
    digest = serializers.CharField()
    message = serializers.CharField()
    author = serializers.CharField()
    made_by = serializers.CharField(source="source", help_text="`api`, `page`, `cli` or `rollback`.")
    base_number = serializers.IntegerField(allow_null=True)
    created_at = serializers.DateTimeField()


class AgentConfigRevisionDetailShape(AgentConfigRevisionShape):
    """A revision with its document."""

    document = serializers.JSONField()


class TreeMovedShape(serializers.Serializer[Any]):
    """A tree that moved on with a config."""

    tree = serializers.CharField()
    revision = serializers.IntegerField()
    changed = serializers.BooleanField()
    rollout = serializers.IntegerField(allow_null=True)


class AgentConfigAppliedShape(serializers.Serializer[Any]):
    """What became of a config."""

    namespace = serializers.CharField()
    name = serializers.CharField()
    version = serializers.CharField(help_text="The ETag.")
    revision = serializers.IntegerField()
    changed = serializers.BooleanField(help_text="False: it said so already.")
    trees = TreeMovedShape(many=True)


class AgentConfigPlanShape(serializers.Serializer[Any]):
    """What applying a config would do; nothing is changed."""

    changed = serializers.BooleanField()
    revision = serializers.IntegerField(allow_null=True, help_text="The newest, which it would follow.")
    diff = serializers.CharField()
    trees = PlanShape(many=True)


class AgentConfigDiffShape(serializers.Serializer[Any]):
    """What differs between two revisions."""

    from_revision = serializers.IntegerField()
    to_revision = serializers.IntegerField()
    diff = serializers.CharField(help_text="A unified diff of both as text.")
