"""Bodies about audits of code: projects, runs, findings, and the evidence of CI jobs."""

from typing import Any

from rest_framework import serializers

from controlplane.api.shapes import Body, TreeName
from supervision.auditruns.models import AuditFinding, AuditRun, AuditTest

NAME = r"^[a-z0-9][a-z0-9._-]{0,62}$"


class ProjectFields(Body):
    """What can be said of a project. `owners`: pairs of a pattern and an owner, the last match owns."""

    tree = TreeName(required=False)
    path = serializers.CharField(max_length=1000, allow_blank=True, required=False)
    every_s = serializers.IntegerField(min_value=0, max_value=366 * 86400, required=False)
    owners = serializers.ListField(
        child=serializers.ListField(child=serializers.CharField(max_length=200), min_length=2, max_length=2),
        required=False,
        max_length=200,
    )
    is_ratchet = serializers.BooleanField(required=False)


class ProjectBody(ProjectFields):
    """A new project."""

    name = serializers.RegexField(NAME, max_length=63)


class ProjectShape(serializers.Serializer[Any]):
    """A code base that is audited."""

    name = serializers.CharField()
    tree = serializers.CharField()
    path = serializers.CharField()
    every_s = serializers.IntegerField()
    next_at = serializers.DateTimeField(allow_null=True)
    owners = serializers.ListField()
    is_ratchet = serializers.BooleanField()
    last_number = serializers.IntegerField(help_text="Of its newest run; 0: none yet.")
    last_error = serializers.CharField(help_text="Why the last scan of the path failed.")
    created_at = serializers.DateTimeField()


class RunShape(serializers.Serializer[Any]):
    """One report, and how it compares with the one before of the same tool."""

    project = serializers.CharField(source="project.name")
    number = serializers.IntegerField()
    tool = serializers.CharField()
    tool_version = serializers.CharField()
    source = serializers.ChoiceField(AuditRun.Source.values)  # type: ignore[assignment]  # DRF takes fields off the class
    revision = serializers.CharField()
    received_at = serializers.DateTimeField()
    by = serializers.CharField()
    files = serializers.IntegerField(allow_null=True)
    lines = serializers.IntegerField(allow_null=True)
    seconds = serializers.FloatField(allow_null=True)
    suppressed = serializers.IntegerField(allow_null=True)
    errors = serializers.ListField(help_text="Pairs: a file, why not.")  # type: ignore[assignment]  # as above
    total = serializers.IntegerField()
    by_severity = serializers.DictField(child=serializers.IntegerField())
    by_rule = serializers.DictField(child=serializers.IntegerField())
    new = serializers.IntegerField()
    gone = serializers.IntegerField()
    verdict = serializers.ChoiceField(AuditRun.Verdict.values)
    grown = serializers.DictField(help_text="Rules with more findings than before: [before, now].")
    spawn_counts = serializers.DictField(help_text="Places that start something, by kind and state.")
    passes = serializers.SerializerMethodField(
        help_text="False: more of a rule, where the project has the ratchet."
    )

    def get_passes(self, run: AuditRun) -> bool:
        return run.verdict != AuditRun.Verdict.MORE or not run.project.is_ratchet


class WontFix(Body):
    """For how long a finding is left as it is, and why."""

    reason = serializers.CharField(max_length=2000)
    until = serializers.DateField()


class FindingChange(Body):
    """What a person may say of a finding. It is closed by evidence, never by this."""

    owner = serializers.CharField(max_length=200, allow_blank=True, required=False)
    test = serializers.CharField(max_length=500, allow_blank=True, required=False)
    wont_fix = WontFix(required=False, allow_null=True)


class FindingShape(serializers.Serializer[Any]):
    """One place, the same row in every run that reports it."""

    id = serializers.IntegerField()
    project = serializers.CharField(source="project.name")
    tool = serializers.CharField()
    fingerprint = serializers.CharField()
    rule = serializers.CharField()
    name = serializers.CharField()
    severity = serializers.ChoiceField(AuditFinding.SEVERITIES)
    confidence = serializers.CharField()
    path = serializers.CharField()
    line = serializers.IntegerField()
    column = serializers.IntegerField()
    symbol = serializers.CharField()
    message = serializers.CharField()
    fix = serializers.CharField()
    context = serializers.DictField()  # type: ignore[assignment]  # as above
    owner = serializers.CharField()
    state = serializers.ChoiceField(AuditFinding.State.values)
    is_reported = serializers.BooleanField()
    first_at = serializers.DateTimeField()
    first_run = serializers.IntegerField()
    last_at = serializers.DateTimeField()
    last_run = serializers.IntegerField()
    closed_at = serializers.DateTimeField(allow_null=True)
    closed_by = serializers.CharField(help_text="`run 7`, or `test classname::name`.")
    returned = serializers.IntegerField()
    test = serializers.CharField()
    wont_fix_reason = serializers.CharField()
    wont_fix_until = serializers.DateField(allow_null=True)
    wont_fix_by = serializers.CharField()


class BriefFinding(serializers.Serializer[Any]):
    """A finding in a comparison."""

    id = serializers.IntegerField()
    rule = serializers.CharField()
    severity = serializers.CharField()
    path = serializers.CharField()
    line = serializers.IntegerField()
    message = serializers.CharField()


class DifferenceShape(serializers.Serializer[Any]):
    """Two runs of one tool."""

    project = serializers.CharField()
    before = serializers.IntegerField()
    after = serializers.IntegerField()
    verdict = serializers.ChoiceField(["fewer", "same", "more"])
    grown = serializers.DictField()
    shrunk = serializers.DictField()
    came = BriefFinding(many=True)
    went = BriefFinding(many=True)


class TestShape(serializers.Serializer[Any]):
    """The newest result of one test."""

    __test__ = False

    name = serializers.CharField()
    outcome = serializers.ChoiceField(AuditTest.Outcome.values)
    at = serializers.DateTimeField()
    revision = serializers.CharField()
    message = serializers.CharField()


class TestsTaken(serializers.Serializer[Any]):
    """What an upload of results did."""

    __test__ = False

    tests = serializers.IntegerField()
    closed = serializers.IntegerField()
    opened = serializers.IntegerField()


class MeasureBody(Body):
    """One number of a CI job."""

    name = serializers.RegexField(r"^[a-z][a-z0-9_.]{0,99}$", max_length=100)
    value = serializers.FloatField()


class MeasureShape(serializers.Serializer[Any]):
    """The newest value of a measure."""

    name = serializers.CharField()
    value = serializers.FloatField()
    at = serializers.DateTimeField()
    revision = serializers.CharField()
