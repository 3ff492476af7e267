"""Rows of audits. A finding is one row for as long as its fingerprint is known; an episode is a span of runs that reported
it, so that any two runs can be compared without keeping what each of them said."""

from django.db import models


class AuditProject(models.Model):
    """A code base that is audited: by the platform at `path` each `every_s` seconds, by reports of a CI job, or both."""

    name = models.CharField(max_length=63, unique=True)
    tree = models.CharField(max_length=64, blank=True, help_text="The tree that runs this code; empty: none.")
    path = models.CharField(
        max_length=1000,
        blank=True,
        help_text="A checked-out directory on the worker's host; empty: uploads only.",
    )
    every_s = models.PositiveIntegerField(default=0, help_text="Seconds between scans of the path; 0: none.")
    next_at = models.DateTimeField(null=True, blank=True)
    owners = models.JSONField(
        default=list, help_text='[["controlplane/*", "ada"], ...]; the last match owns.'
    )
    is_ratchet = models.BooleanField(default=True, help_text="A run with more of any rule than before fails.")
    last_number = models.PositiveIntegerField(default=0)
    last_error = models.CharField(
        max_length=500, blank=True, help_text="Why the last scan of the path failed."
    )
    version = models.PositiveIntegerField(default=1)
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["name"]
        indexes = [models.Index(fields=["next_at"], name="audit_project_due")]

    def __str__(self) -> str:
        return self.name


class AuditRun(models.Model):
    """One report, and how it compares with the one before of the same tool."""

    class Source(models.TextChoices):
        SCAN = "scan"
        UPLOAD = "upload"

    class Verdict(models.TextChoices):
        FIRST = "first"
        FEWER = "fewer"
        SAME = "same"
        MORE = "more"

    project = models.ForeignKey(AuditProject, on_delete=models.CASCADE, related_name="runs")
    number = models.PositiveIntegerField(help_text="Within the project, from 1.")
    tool = models.CharField(max_length=100)
    tool_version = models.CharField(max_length=100, blank=True)
    source = models.CharField(max_length=8, choices=Source.choices)
    revision = models.CharField(max_length=100, blank=True, help_text="Of the code, as the CI job said.")
    received_at = models.DateTimeField()
    by = models.CharField(max_length=200)
    files = models.PositiveIntegerField(null=True)
    lines = models.PositiveIntegerField(null=True)
    seconds = models.FloatField(null=True)
    suppressed = models.PositiveIntegerField(null=True)
    errors = models.JSONField(default=list, help_text="Files that were not audited, and why.")
    total = models.PositiveIntegerField()
    by_severity = models.JSONField(default=dict)
    by_rule = models.JSONField(default=dict)
    new = models.PositiveIntegerField(default=0)
    gone = models.PositiveIntegerField(default=0)
    verdict = models.CharField(max_length=8, choices=Verdict.choices)
    grown = models.JSONField(default=dict, help_text="Rules with more findings than before: [before, now].")
    spawns = models.JSONField(default=list, help_text="Places that start something; of the newest run only.")
    spawn_counts = models.JSONField(default=dict)

    class Meta:
        ordering = ["-id"]
        constraints = [models.UniqueConstraint(fields=["project", "number"], name="audit_run_number")]
        indexes = [
            models.Index(fields=["project", "tool", "-number"], name="audit_run_of_tool"),
            models.Index(fields=["received_at"], name="audit_run_received"),
        ]

    def __str__(self) -> str:
        return f"{self.project_id} #{self.number}"


class AuditFinding(models.Model):
    """One place, by its fingerprint. Open until evidence closes it; `wont_fix` holds until its day and then opens again."""

    class State(models.TextChoices):
        OPEN = "open"
        CLOSED = "closed"
        WONT_FIX = "wont_fix"

    SEVERITIES = ("info", "low", "medium", "high", "critical")

    project = models.ForeignKey(AuditProject, on_delete=models.CASCADE, related_name="findings")
    tool = models.CharField(max_length=100)
    fingerprint = models.CharField(max_length=128)
    rule = models.CharField(max_length=100)
    name = models.CharField(max_length=200, blank=True)
    severity = models.CharField(max_length=8, choices=[(word, word) for word in SEVERITIES])
    rank = models.PositiveSmallIntegerField(help_text="Of the severity, for sorting.")
    confidence = models.CharField(max_length=8, blank=True)
    path = models.CharField(max_length=1000)
    line = models.PositiveIntegerField()
    column = models.PositiveIntegerField(default=1)
    symbol = models.CharField(max_length=500, blank=True)
    message = models.TextField()
    fix = models.TextField(blank=True)
    context = models.JSONField(default=dict, help_text='{"line": first, "lines": [...]} around the place.')
    owner = models.CharField(max_length=200, blank=True)
    is_owner_set = models.BooleanField(default=False, help_text="By somebody, not by the project's rules.")
    state = models.CharField(max_length=8, choices=State.choices, default=State.OPEN)
    is_reported = models.BooleanField(default=True, help_text="By the newest run of its tool.")
    first_at = models.DateTimeField()
    first_run = models.PositiveIntegerField()
    last_at = models.DateTimeField()
    last_run = models.PositiveIntegerField()
    closed_at = models.DateTimeField(null=True)
    closed_by = models.CharField(max_length=500, blank=True, help_text="`run 7`, or `test pkg.Case::name`.")
    returned = models.PositiveIntegerField(default=0, help_text="How often it came back.")
    test = models.CharField(max_length=500, blank=True, help_text="Whose passing closes it.")
    wont_fix_reason = models.TextField(blank=True)
    wont_fix_until = models.DateField(null=True)
    wont_fix_by = models.CharField(max_length=200, blank=True)
    version = models.PositiveIntegerField(default=1)

    class Meta:
        ordering = ["-rank", "path", "line", "id"]
        constraints = [
            models.UniqueConstraint(fields=["project", "tool", "fingerprint"], name="audit_finding_identity"),
            models.CheckConstraint(
                condition=~models.Q(state="wont_fix")
                | (models.Q(wont_fix_until__isnull=False) & ~models.Q(wont_fix_reason="")),
                name="wont_fix_has_reason_and_end",
            ),
            models.CheckConstraint(
                condition=models.Q(state="closed") ^ models.Q(closed_by=""), name="closed_has_evidence"
            ),
        ]
        indexes = [
            models.Index(fields=["project", "state", "-rank"], name="audit_finding_open"),
            models.Index(fields=["project", "test"], name="audit_finding_test"),
            models.Index(fields=["closed_at"], name="audit_finding_closed"),
        ]

    def __str__(self) -> str:
        return f"{self.rule} {self.path}:{self.line}"


class AuditEpisode(models.Model):
    """A span of a tool's runs that reported a finding: from `from_run` up to, and without, `to_run`."""

    finding = models.ForeignKey(AuditFinding, on_delete=models.CASCADE, related_name="episodes")
    from_run = models.PositiveIntegerField()
    to_run = models.PositiveIntegerField(null=True, help_text="The first run without it; null: it is there.")

    class Meta:
        ordering = ["from_run"]
        constraints = [models.UniqueConstraint(fields=["finding", "from_run"], name="audit_episode_start")]

    def __str__(self) -> str:
        return f"{self.from_run} to {self.to_run or 'now'}"


class AuditTest(models.Model):
    """The newest result of one test, as a CI job uploaded it."""

    class Outcome(models.TextChoices):
        PASSED = "passed"
        FAILED = "failed"
        SKIPPED = "skipped"

    project = models.ForeignKey(AuditProject, on_delete=models.CASCADE, related_name="tests")
    name = models.CharField(max_length=500, help_text="`classname::name`.")
    outcome = models.CharField(max_length=8, choices=Outcome.choices)
    at = models.DateTimeField()
    revision = models.CharField(max_length=100, blank=True)
    message = models.CharField(max_length=500, blank=True)

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["project", "name"], name="audit_test_one")]
        indexes = [models.Index(fields=["at"], name="audit_test_at")]

    def __str__(self) -> str:
        return self.name


class AuditMeasure(models.Model):
    """The newest value of a number that a CI job measured: `coverage`, or a name of its own."""

    project = models.ForeignKey(AuditProject, on_delete=models.CASCADE, related_name="measures")
    name = models.CharField(max_length=100)
    value = models.FloatField()
    at = models.DateTimeField()
    revision = models.CharField(max_length=100, blank=True)

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["project", "name"], name="audit_measure_one")]

    def __str__(self) -> str:
        return f"{self.name} {self.value:g}"
