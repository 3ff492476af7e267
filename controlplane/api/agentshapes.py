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


class AgentKindPlanBody(Body):
    """A schema that a kind may get."""

    schema = serializers.JSONField()


class FieldFaultShape(serializers.Serializer[Any]):
    """A value that a schema does not take."""

    pointer = serializers.CharField()
    detail = serializers.CharField()


class ConfigFitShape(serializers.Serializer[Any]):
    """A config of the kind, and what of its arguments would not be valid."""

    config = serializers.CharField()
    fits = serializers.BooleanField()
    faults = FieldFaultShape(many=True)


class AgentKindPlanShape(serializers.Serializer[Any]):
    """What a schema would mean for the configs of its kind; nothing is changed."""

    changed = serializers.BooleanField()
    version = serializers.IntegerField(allow_null=True, help_text="Of the kind as it is; null: it is new.")
    accepted = serializers.BooleanField(help_text="Every config fits, so declaring it would not be refused.")
    configs = ConfigFitShape(many=True)


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


class ConfigCanaryShape(serializers.Serializer[Any]):
    """A revision that one agent tries, or tried, before the others follow."""

    revision = serializers.IntegerField(source="revision.number")
    state = serializers.CharField(help_text="`running`, `done`, `failed`, or `ended` by somebody.")
    reason = serializers.CharField(help_text="Why it ended so.")
    tree = serializers.CharField()
    key = serializers.CharField(help_text="The agent that tries it.")
    node = serializers.CharField()
    observe_s = serializers.FloatField(help_text="How long it has to stay ready.")
    rollout = serializers.IntegerField(source="rollout_id", allow_null=True)
    started_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField(allow_null=True)


class AgentConfigDetailShape(AgentConfigShape):
    """A config with what it says and who names it."""

    document = serializers.JSONField(source="head.document")
    trees = serializers.ListField(child=serializers.CharField(), help_text="Trees that name it.")
    canary = ConfigCanaryShape(allow_null=True, help_text="The newest trial; null: there was none.")


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
    canary = ConfigCanaryShape(
        allow_null=True, help_text="Who tries it; it is the newest revision only when that goes well."
    )


class AgentConfigPlanShape(serializers.Serializer[Any]):
    """What applying a config would do; nothing is changed."""

    changed = serializers.BooleanField()
    revision = serializers.IntegerField(allow_null=True, help_text="The newest, which it would follow.")
    diff = serializers.CharField()
    no_canary = serializers.CharField(
        help_text="Why no agent can try it before the others (`canary=true` is 409 then); empty where one can."
    )
    trees = PlanShape(many=True)


class AgentConfigDiffShape(serializers.Serializer[Any]):
    """What differs between two revisions."""

    from_revision = serializers.IntegerField()
    to_revision = serializers.IntegerField()
    diff = serializers.CharField(help_text="A unified diff of both as text.")
