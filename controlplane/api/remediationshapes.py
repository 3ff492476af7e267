"""Bodies about plans of remediation, and the figure of supervision coverage."""

from typing import Any

from rest_framework import serializers

from controlplane.api.shapes import Body
from supervision.remediation.criteria import words
from supervision.remediation.documents import RISKS
from supervision.remediation.models import (
    RemediationCriterion,
    RemediationPhase,
    RemediationPlan,
    RemediationStep,
)


class PlanBody(Body):
    """A plan. `phases`: `{"title", "owner", "estimate_days", "risk", "rollback", "criteria": [{"kind", ...}]}`."""

    project = serializers.CharField(max_length=63)
    title = serializers.CharField(max_length=200)
    summary = serializers.CharField(max_length=20_000, allow_blank=True, default="")
    owner = serializers.CharField(max_length=200)
    risk = serializers.ChoiceField(RISKS)
    phases = serializers.ListField(child=serializers.DictField(), min_length=1)


class ReasonBody(Body):
    """Why."""

    reason = serializers.CharField(max_length=2000)


class CriterionShape(serializers.Serializer[Any]):
    """What has to hold. `is_met` is written by looking at the rows, never by a request."""

    kind = serializers.CharField()
    params = serializers.DictField()
    words = serializers.SerializerMethodField()
    is_met = serializers.BooleanField()
    value = serializers.CharField(help_text="What was found.")
    checked_at = serializers.DateTimeField(allow_null=True)
    changed_at = serializers.DateTimeField(allow_null=True)

    def get_words(self, row: RemediationCriterion) -> str:
        return words(row.kind, row.params)


class StepShape(serializers.Serializer[Any]):
    """What happened to a phase."""

    at = serializers.DateTimeField()
    kind = serializers.ChoiceField(RemediationStep.Kind.values)
    by = serializers.CharField()
    text = serializers.CharField()


class PhaseShape(serializers.Serializer[Any]):
    """A part of a plan."""

    position = serializers.IntegerField()
    title = serializers.CharField()
    owner = serializers.CharField()
    estimate_days = serializers.FloatField()
    risk = serializers.ChoiceField(RISKS)
    rollback = serializers.CharField()
    state = serializers.ChoiceField(RemediationPhase.State.values)
    started_at = serializers.DateTimeField(allow_null=True)
    done_at = serializers.DateTimeField(allow_null=True)
    criteria = CriterionShape(many=True)
    steps = StepShape(many=True)


class PlanShape(serializers.Serializer[Any]):
    """A plan with its phases."""

    id = serializers.IntegerField()
    project = serializers.CharField(source="project.name")
    title = serializers.CharField()
    summary = serializers.CharField()
    owner = serializers.CharField()
    risk = serializers.ChoiceField(RISKS)
    state = serializers.ChoiceField(RemediationPlan.State.values)
    created_at = serializers.DateTimeField()
    created_by = serializers.CharField()
    checked_at = serializers.DateTimeField(allow_null=True)
    ended_at = serializers.DateTimeField(allow_null=True)
    phases = PhaseShape(many=True)


class CoverageShape(serializers.Serializer[Any]):
    """Supervision coverage and its parts; null: not known."""

    share = serializers.FloatField(allow_null=True, help_text="covered / (covered + uncovered).")
    covered = serializers.IntegerField()
    uncovered = serializers.IntegerField()
    run = serializers.IntegerField(allow_null=True, help_text="Which said what the code can start.")
    sites = serializers.DictField(help_text="Places that start something: kind to state to number.")
    declared = serializers.IntegerField(allow_null=True, help_text="Children of the tree that should run.")
    running = serializers.IntegerField(allow_null=True)
    below = serializers.IntegerField(allow_null=True, help_text="Processes below them.")
    strays = serializers.IntegerField(allow_null=True, help_text="On the nodes where the tree runs.")
    nodes = serializers.ListField(child=serializers.CharField())
    not_covered = serializers.ListField(
        child=serializers.CharField(), help_text="What the figure cannot know."
    )
