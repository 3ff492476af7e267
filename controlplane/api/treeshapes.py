"""Bodies about desired state: trees, revisions, plans, rollouts, commands."""

from typing import Any

from rest_framework import serializers

from controlplane.api.shapes import Body

VERBS = (
    "start",
    "stop",
    "restart",
    "terminate",
    "hold",
    "release",
    "hold_all",
    "release_all",
    "start_child",
    "delete_child",
    "signal",
    "reload",
    "recycle",
    "adopt_stray",
    "end_stray",
)
"""What a command may be."""
MAX_DEADLINE_S = 3600.0


class TreeShape(serializers.Serializer[Any]):
    """A tree as it should be."""

    name = serializers.CharField()
    version = serializers.IntegerField(help_text="Grows with every accepted change; the ETag.")
    revision = serializers.IntegerField(source="head.number")
    digest = serializers.CharField(source="head.digest")
    message = serializers.CharField(source="head.message")
    author = serializers.CharField(source="head.author")
    changed_at = serializers.DateTimeField(source="head.created_at")
    created_at = serializers.DateTimeField()
    problem = serializers.CharField(help_text="Why it is not where it should be, in words; else empty.")


class PlacementShape(serializers.Serializer[Any]):
    """Where a tree is to run."""

    node = serializers.CharField(source="node_id")
    node_name = serializers.CharField(source="node.name")
    replica = serializers.IntegerField()
    epoch = serializers.IntegerField()
    state = serializers.ChoiceField(["assigned", "draining", "removing"])
    revision = serializers.IntegerField(source="revision.number")
    problem = serializers.CharField()
    assigned_at = serializers.DateTimeField()


class TreeDetailShape(TreeShape):
    """A tree with its document and its placements."""

    document = serializers.JSONField(source="head.document")
    placements = PlacementShape(many=True)


class RevisionShape(serializers.Serializer[Any]):
    """A revision, without its document."""

    tree = serializers.CharField(source="tree.name")
    number = serializers.IntegerField()
    digest = serializers.CharField()
    message = serializers.CharField()
    author = serializers.CharField()
    source = serializers.CharField()  # type: ignore[assignment]  # the field, not DRF's attribute
    base_number = serializers.IntegerField(allow_null=True)
    created_at = serializers.DateTimeField()


class RevisionDetailShape(RevisionShape):
    """A revision with its document."""

    document = serializers.JSONField()


class AppliedShape(serializers.Serializer[Any]):
    """What became of a document."""

    tree = serializers.CharField()
    version = serializers.IntegerField()
    revision = serializers.IntegerField()
    digest = serializers.CharField()
    changed = serializers.BooleanField(help_text="False: it was so already.")
    rollout = serializers.IntegerField(allow_null=True, help_text="Id of the rollout that carries it out.")


class RollbackBody(Body):
    """Back to an earlier revision, as a new one."""

    to = serializers.IntegerField(min_value=1, max_value=2**31 - 1)
    message = serializers.CharField(max_length=2000, allow_blank=True, default="")


class StepShape(serializers.Serializer[Any]):
    """One step of a plan."""

    do = serializers.ChoiceField(["start", "restart", "update", "stop", "keep"])
    key = serializers.CharField()
    why = serializers.CharField()


class FindingShape(serializers.Serializer[Any]):
    """What a node's preflight found."""

    severity = serializers.CharField()
    pointer = serializers.CharField()
    message = serializers.CharField()


class NodePlanShape(serializers.Serializer[Any]):
    """What applying would do on one node."""

    node = serializers.CharField(allow_null=True)
    node_name = serializers.CharField()
    from_revision = serializers.IntegerField(allow_null=True)
    changes = serializers.IntegerField()
    steps = StepShape(many=True)
    findings = FindingShape(many=True)
    preflight = serializers.CharField(help_text="done, or why the node could not be asked.")


class PlanShape(serializers.Serializer[Any]):
    """What applying a document would do; nothing is changed."""

    tree = serializers.CharField()
    digest = serializers.CharField()
    revision = serializers.IntegerField(allow_null=True, help_text="The head it would follow.")
    version = serializers.IntegerField(allow_null=True)
    changes = serializers.IntegerField()
    nodes = NodePlanShape(many=True)


class ValidShape(serializers.Serializer[Any]):
    """A document that is a tree."""

    valid = serializers.BooleanField()
    tree = serializers.CharField()
    digest = serializers.CharField()
    children = serializers.IntegerField()


class DiffShape(serializers.Serializer[Any]):
    """What differs between two revisions."""

    tree = serializers.CharField()
    from_revision = serializers.IntegerField()
    to_revision = serializers.IntegerField()
    diff = serializers.CharField(help_text="Unified diff of the two as YAML.")
    steps = StepShape(many=True)


class RolloutShape(serializers.Serializer[Any]):
    """A revision on its way to the nodes."""

    id = serializers.IntegerField()
    tree = serializers.CharField(source="tree.name")
    from_revision = serializers.IntegerField(source="from_revision.number", allow_null=True, default=None)
    to_revision = serializers.IntegerField(source="to_revision.number")
    max_unavailable = serializers.IntegerField()
    ready_deadline_s = serializers.FloatField()
    state = serializers.CharField()
    reason = serializers.CharField()
    started_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField(allow_null=True)


class CommandBody(Body):
    """Something to be done to children. `args` by verb: `signal` {"signal"}, `hold` and `hold_all` {"seconds"},
    `start_child` {"instance"} or {"child"}, `adopt_stray` {"pid"} with `key` as the new owner, `end_stray` {"pid"}."""

    verb = serializers.ChoiceField(VERBS)
    key = serializers.CharField(
        max_length=1000, required=False, default="", allow_blank=True, trim_whitespace=False
    )
    node = serializers.CharField(
        max_length=64,
        required=False,
        allow_null=True,
        default=None,
        help_text="Id of a node; default: each that has the key.",
    )
    args = serializers.DictField(required=False, default=dict)
    reason = serializers.CharField(max_length=2000, required=False, default="", allow_blank=True)
    deadline_s = serializers.FloatField(
        required=False,
        allow_null=True,
        default=None,
        min_value=0.1,
        max_value=MAX_DEADLINE_S,
        help_text="Default: by verb.",
    )
    dry_run = serializers.BooleanField(
        required=False, default=False, help_text="Only say what it would reach."
    )


class OperationShape(serializers.Serializer[Any]):
    """One command on one node, and what became of it."""

    id = serializers.UUIDField()
    verb = serializers.CharField()
    tree = serializers.CharField()
    key = serializers.CharField()
    node = serializers.CharField(source="node_id", allow_null=True)
    args = serializers.JSONField()
    actor = serializers.CharField(source="actor_name")
    reason = serializers.CharField()
    state = serializers.ChoiceField(["pending", "claimed", "done", "failed", "expired"])
    created_at = serializers.DateTimeField()
    deadline_at = serializers.DateTimeField()
    claimed_at = serializers.DateTimeField(allow_null=True)
    finished_at = serializers.DateTimeField(allow_null=True)
    result = serializers.DictField(allow_null=True)
    error = serializers.DictField(allow_null=True)


class TakenDownShape(serializers.Serializer[Any]):
    """Something alive that goes down."""

    node = serializers.CharField()
    key = serializers.CharField()
    why = serializers.CharField(help_text="What becomes of it: stops, restarts, restarts 4 times.")


class ReachShape(serializers.Serializer[Any]):
    """What a command would reach."""

    verb = serializers.CharField()
    keys = serializers.ListField(child=serializers.CharField(), help_text="The first 1,000.")
    count = serializers.IntegerField()
    nodes = serializers.ListField(child=serializers.CharField())
    takes_down = TakenDownShape(many=True)


class CommandedShape(serializers.Serializer[Any]):
    """The operations that a command became, one for each node."""

    operations = OperationShape(many=True)
    reach = ReachShape(required=False, help_text="With dry_run.")
