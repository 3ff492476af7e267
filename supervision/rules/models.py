"""Rows of the rules room."""

from django.db import models

from supervision.alerts.kinds import Severity
from supervision.alerts.models import choices
from supervision.rules.conditions import Condition, Shape, Side
from supervision.rules.measures import measure_of

MAX_NAME, MAX_PATTERN, MAX_SUBJECT = 63, 400, 512


class Group(models.TextChoices):
    """What one alert is about: each subject that crossed, all of a tree, or all of the rule."""

    SUBJECT = "subject"
    TREE = "tree"
    RULE = "rule"


class MeasureRule(models.Model):
    """A condition over a measure, looked at every few seconds. `pattern`: of the keys, queues or task names that it watches,
    with `*`; empty for all."""

    name = models.CharField(max_length=MAX_NAME, unique=True)
    measure = models.CharField(max_length=80)
    tree = models.CharField(max_length=64, blank=True, help_text="Only children of this tree; empty: all.")
    pattern = models.CharField(max_length=MAX_PATTERN, blank=True)
    shape = models.CharField(max_length=16, choices=[(str(one), str(one)) for one in Shape])
    side = models.CharField(max_length=8, choices=[(str(one), str(one)) for one in Side], default=Side.ABOVE)
    bound = models.FloatField()
    recovery = models.FloatField(null=True, blank=True, help_text="Where it is over; empty: at the bound.")
    hold_minutes = models.PositiveIntegerField(default=1)
    window_minutes = models.PositiveIntegerField(default=30)
    within_s = models.FloatField(default=0, help_text="Of a trend: seconds to the bound.")
    severity = models.CharField(max_length=16, choices=choices(Severity), default=Severity.WARNING)
    group = models.CharField(max_length=8, choices=Group.choices, default=Group.SUBJECT)
    runbook_url = models.CharField(max_length=500, blank=True)
    is_enabled = models.BooleanField(default=True)
    version = models.PositiveIntegerField(default=1)
    looked_at = models.DateTimeField(null=True, editable=False)
    trouble = models.CharField(
        max_length=300, blank=True, editable=False, help_text="Why it could not be looked at."
    )
    created_by = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def condition(self) -> Condition:
        return Condition(
            Shape(self.shape), self.bound, Side(self.side), self.recovery, self.hold_minutes,
            self.window_minutes, self.within_s, measure_of(self.measure).unit,
        )  # fmt: skip


class Crossing(models.Model):
    """A subject beyond a rule's bound now: deleted when it recovers."""

    rule = models.ForeignKey(MeasureRule, on_delete=models.CASCADE, related_name="crossings")
    subject = models.CharField(max_length=MAX_SUBJECT)
    tree = models.CharField(max_length=64, blank=True)
    key = models.CharField(max_length=400, blank=True, help_text="Of the child, where it is one.")
    node_id = models.CharField(max_length=32, blank=True)
    alert_subject = models.CharField(max_length=MAX_SUBJECT)
    usual = models.FloatField(null=True, help_text="What it was compared with when it crossed.")
    value = models.FloatField(null=True)
    words = models.CharField(max_length=300)
    since = models.DateTimeField()
    measured_at = models.DateTimeField()

    class Meta:
        ordering = ["rule_id", "subject"]
        constraints = [models.UniqueConstraint(fields=["rule", "subject"], name="crossing_one_row")]

    def __str__(self) -> str:
        return f"{self.subject}: {self.words}"


class QueueMinute(models.Model):
    """A queue's length and age as it was last told in a minute, so that there is a series to look at."""

    app = models.CharField(max_length=200)
    name = models.CharField(max_length=128)
    at = models.DateTimeField(help_text="When the minute began.")
    length = models.BigIntegerField()
    oldest_s = models.FloatField(null=True)

    class Meta:
        ordering = ["at", "id"]
        constraints = [models.UniqueConstraint(fields=["app", "name", "at"], name="queue_minute_one")]
        indexes = [models.Index(fields=["at"], name="queue_minute_at")]

    def __str__(self) -> str:
        return f"{self.name} {self.at:%Y-%m-%d %H:%M}"


class Indicator(models.TextChoices):
    """What an objective counts. `availability`: seconds of children that should run; the others: ended attempts of tasks."""

    AVAILABILITY = "availability"
    TASK_SUCCESS = "task_success", "task success"
    TASK_LATENCY = "task_latency", "task latency"


class Objective(models.Model):
    """A service level objective: `target` percent of what the indicator counts is good over `days`."""

    name = models.CharField(max_length=MAX_NAME, unique=True)
    indicator = models.CharField(max_length=16, choices=Indicator.choices)
    tree = models.CharField(max_length=64, blank=True)
    pattern = models.CharField(max_length=MAX_PATTERN, blank=True)
    latency_s = models.FloatField(
        null=True, blank=True, help_text="Of task latency: run time that is still good."
    )
    target = models.FloatField(help_text="Percent, below 100.")
    days = models.PositiveIntegerField(default=28)
    runbook_url = models.CharField(max_length=500, blank=True)
    is_enabled = models.BooleanField(default=True)
    version = models.PositiveIntegerField(default=1)
    created_by = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class ObjectiveMinute(models.Model):
    """What counted for an objective in one minute. A minute in which nothing counted has no row."""

    objective = models.ForeignKey(Objective, on_delete=models.CASCADE, related_name="minutes")
    at = models.DateTimeField(help_text="When the minute began.")
    good = models.FloatField()
    total = models.FloatField()

    class Meta:
        ordering = ["at", "id"]
        constraints = [
            models.UniqueConstraint(fields=["objective", "at"], name="objective_minute_one"),
            models.CheckConstraint(
                condition=models.Q(good__gte=0, total__gt=0) & models.Q(good__lte=models.F("total")),
                name="objective_minute_good_of_total",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.objective_id} {self.at:%Y-%m-%d %H:%M}"
