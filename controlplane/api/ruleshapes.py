"""Bodies about rules over measures and on issues, and about objectives."""

from typing import Any

from rest_framework import serializers

from controlplane.api.shapes import Body, TreeName
from supervision.alerts.kinds import Severity
from supervision.rules.conditions import Shape, Side
from supervision.rules.issues import services as issue_services
from supervision.rules.issues.models import MAX_FILTER, Trigger
from supervision.rules.models import Group, Indicator
from supervision.rules.services import MOST_DAYS, MOST_HOLD, MOST_WINDOW

SHAPES = [one.value for one in Shape]
SIDES = [one.value for one in Side]
SEVERITIES = [one.value for one in Severity]
TREE_HELP = "Only children of this tree; empty: all."
PATTERN_HELP = "Of the keys, queues or task names it is about, with `*`; empty: all."


class RuleBody(Body):
    """A condition over a measure."""

    name = serializers.CharField(max_length=63)
    measure = serializers.CharField(
        max_length=80, help_text="cpu (cores), rss, pss (bytes), fds, threads, children, restarts (a minute), queue_length, "
        "queue_age (seconds), task_p95 (seconds), task_failures (percent), or gauge:NAME."
    )  # fmt: skip
    shape = serializers.ChoiceField(SHAPES)
    bound = serializers.FloatField(
        help_text="In the measure's unit; a minute for a rate; times the usual for a ratio."
    )
    side = serializers.ChoiceField(SIDES, default=Side.ABOVE.value)
    recovery = serializers.FloatField(
        allow_null=True, default=None, help_text="Where it is over; null: at the bound."
    )
    hold_minutes = serializers.IntegerField(min_value=1, max_value=MOST_HOLD, default=1)
    window_minutes = serializers.IntegerField(min_value=2, max_value=MOST_WINDOW, default=30)
    within_s = serializers.FloatField(
        default=0.0, help_text="Of a trend: seconds until the bound is reached."
    )
    tree = TreeName(default="", help_text=TREE_HELP)
    pattern = serializers.CharField(max_length=400, allow_blank=True, default="", help_text=PATTERN_HELP)
    severity = serializers.ChoiceField(SEVERITIES, default=Severity.WARNING.value)
    group = serializers.ChoiceField(
        Group.values, default=Group.SUBJECT.value, help_text="What one alert is about."
    )
    runbook_url = serializers.CharField(max_length=500, allow_blank=True, default="")
    enabled = serializers.BooleanField(source="is_enabled", default=True)


class CrossingShape(serializers.Serializer[Any]):
    """What is beyond a rule's bound now."""

    subject = serializers.CharField()
    key = serializers.CharField()
    node = serializers.CharField(source="node_id")
    value = serializers.FloatField(allow_null=True)
    words = serializers.CharField()
    since = serializers.DateTimeField()
    measured_at = serializers.DateTimeField()


class RuleShape(serializers.Serializer[Any]):
    """A rule, and how it stands."""

    id = serializers.IntegerField()
    name = serializers.CharField()
    measure = serializers.CharField()
    shape = serializers.ChoiceField(SHAPES)
    bound = serializers.FloatField()
    side = serializers.ChoiceField(SIDES)
    recovery = serializers.FloatField(allow_null=True)
    hold_minutes = serializers.IntegerField()
    window_minutes = serializers.IntegerField()
    within_s = serializers.FloatField()
    tree = serializers.CharField()
    pattern = serializers.CharField()
    severity = serializers.ChoiceField(SEVERITIES)
    group = serializers.ChoiceField(Group.values)
    runbook_url = serializers.CharField()
    enabled = serializers.BooleanField(source="is_enabled")
    crossed = serializers.IntegerField(help_text="How many subjects are beyond the bound.")
    looked_at = serializers.DateTimeField(allow_null=True)
    trouble = serializers.CharField(help_text="Why it could not be looked at.")
    created_by = serializers.CharField()


class ObjectiveBody(Body):
    """A service level objective."""

    name = serializers.CharField(max_length=63)
    indicator = serializers.ChoiceField(Indicator.choices)
    target = serializers.FloatField(help_text="Percent of what is counted that is good, below 100.")
    days = serializers.IntegerField(min_value=1, max_value=MOST_DAYS, default=28)
    latency_s = serializers.FloatField(
        allow_null=True, default=None, help_text="Of task_latency: seconds that are good."
    )
    tree = TreeName(default="", help_text=TREE_HELP)
    pattern = serializers.CharField(max_length=400, allow_blank=True, default="", help_text=PATTERN_HELP)
    runbook_url = serializers.CharField(max_length=500, allow_blank=True, default="")
    enabled = serializers.BooleanField(source="is_enabled", default=True)


class BurnShape(serializers.Serializer[Any]):
    """How fast the budget burned in a window: 1 uses it up in exactly the objective's span."""

    window_s = serializers.IntegerField()
    rate = serializers.FloatField(allow_null=True, help_text="null: nothing counted.")


class ObjectiveShape(serializers.Serializer[Any]):
    """An objective, and how it stands."""

    id = serializers.IntegerField()
    name = serializers.CharField()
    indicator = serializers.ChoiceField(Indicator.choices)
    target = serializers.FloatField()
    days = serializers.IntegerField()
    latency_s = serializers.FloatField(allow_null=True)
    tree = serializers.CharField()
    pattern = serializers.CharField()
    runbook_url = serializers.CharField()
    enabled = serializers.BooleanField(source="is_enabled")
    attained = serializers.FloatField(
        allow_null=True, help_text="Percent over its span; null: nothing counted."
    )
    budget_left = serializers.FloatField(allow_null=True, help_text="Share, negative when overdrawn.")
    burn = BurnShape(many=True)
    created_by = serializers.CharField()


class IssueRuleBody(Body):
    """What somebody wants to be told of issues of the error store."""

    name = serializers.CharField(max_length=63)
    trigger = serializers.ChoiceField(
        Trigger.values,
        help_text="`new`, `regressed` and `escalating` issues, or so many `events`, `users` or percent of `workers`.",
    )
    project = serializers.CharField(
        max_length=63, allow_blank=True, default="", help_text="Its slug; empty: every project."
    )
    environment = serializers.CharField(
        max_length=64, allow_blank=True, default="", help_text="Empty: any. `new` means new in it."
    )
    count = serializers.IntegerField(min_value=1, max_value=issue_services.MOST_COUNT, default=1)
    window_minutes = serializers.IntegerField(min_value=1, max_value=issue_services.MOST_WINDOW, default=60)
    filter = serializers.CharField(
        max_length=MAX_FILTER,
        allow_blank=True,
        default="",
        help_text="Which issues, as `GET /error_issues` is asked.",
    )
    gather_s = serializers.IntegerField(
        min_value=0, max_value=issue_services.MOST_GATHER_S, default=30,
        help_text="What is found within so many seconds is one message.",
    )  # fmt: skip
    most_per_hour = serializers.IntegerField(
        min_value=1, max_value=issue_services.MOST_MESSAGES, default=10,
        help_text="Messages; what is found beyond is said in the next.",
    )  # fmt: skip
    quiet_from = serializers.CharField(
        max_length=5, allow_blank=True, default="",
        help_text="A time of the day like `22:00`: from then nobody is told; what is found is said when it is over.",
    )  # fmt: skip
    quiet_until = serializers.CharField(
        max_length=5,
        allow_blank=True,
        default="",
        help_text="Until then, like `07:00`; over midnight if it is earlier.",
    )
    quiet_zone = serializers.CharField(max_length=64, default="UTC", help_text="Whose clock that is.")
    severity = serializers.ChoiceField(SEVERITIES, default=Severity.WARNING.value)
    runbook_url = serializers.CharField(max_length=500, allow_blank=True, default="")
    enabled = serializers.BooleanField(source="is_enabled", default=True)


class IssueRuleShape(serializers.Serializer[Any]):
    """A rule on issues, and what it found."""

    id = serializers.IntegerField()
    name = serializers.CharField()
    trigger = serializers.ChoiceField(Trigger.values)
    project = serializers.SerializerMethodField()
    tree = serializers.CharField()
    environment = serializers.CharField()
    count = serializers.IntegerField()
    window_minutes = serializers.IntegerField()
    filter = serializers.CharField()
    gather_s = serializers.IntegerField()
    most_per_hour = serializers.IntegerField()
    quiet_from = serializers.CharField()
    quiet_until = serializers.CharField()
    quiet_zone = serializers.CharField()
    severity = serializers.ChoiceField(SEVERITIES)
    runbook_url = serializers.CharField()
    enabled = serializers.BooleanField(source="is_enabled")
    found = serializers.IntegerField(help_text="Issues that it found and that are not over.")
    told_at = serializers.DateTimeField(allow_null=True)
    trouble = serializers.CharField(help_text="Why it cannot be looked at.")
    created_by = serializers.CharField()

    def get_project(self, rule: Any) -> str:
        return rule.project.slug if rule.project is not None else ""
