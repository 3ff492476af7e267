"""Bodies about errors: projects and their keys, issues, events, monitors and their check-ins."""

from typing import Any

from rest_framework import serializers

from controlplane.api.shapes import Body, TreeName
from supervision.errors.grouping.algorithms import ALGORITHMS
from supervision.errors.store.history import Deploy, History
from supervision.errors.store.issues import BY_HAND, MOST_BULK, MOST_COMMENT, MOST_UNTIL
from supervision.errors.store.joining import MOST_MERGED
from supervision.errors.store.lost import MOST_ROWS as MOST_LOST_ROWS
from supervision.errors.store.models import ErrorIssue
from supervision.errors.store.monitor_models import CheckIn, Monitor
from supervision.errors.store.projects import MOST_NAME as MOST_SCRUBBED_NAME
from supervision.errors.store.projects import MOST_NAMES as MOST_SCRUBBED_NAMES

SLUG = r"^[a-z0-9][a-z0-9_-]{0,62}$"


class ErrorProjectFields(Body):
    """What can be said of a project."""

    name = serializers.CharField(max_length=100, required=False)
    events_per_minute = serializers.IntegerField(min_value=1, max_value=10_000_000, required=False)
    retention_days = serializers.IntegerField(min_value=1, max_value=3650, required=False)
    most_events = serializers.IntegerField(
        min_value=0, max_value=2_000_000_000, required=False,
        help_text="Beyond, those go that say least: of issues that have many; 0: none does.",
    )  # fmt: skip
    resolve_after_days = serializers.IntegerField(
        min_value=0,
        max_value=3650,
        required=False,
        help_text="Issues not seen for so long are resolved by themselves; 0: none is.",
    )
    store_whole = serializers.IntegerField(
        min_value=0,
        max_value=1_000_000,
        required=False,
        help_text="Of an issue with more events a minute one of 2, 4, 8 is stored beyond, all counted; 0: all.",
    )
    scrub_emails = serializers.BooleanField(
        required=False, help_text="E-mail addresses in reports are secrets too."
    )
    scrub_addresses = serializers.BooleanField(
        required=False, help_text="IP addresses in reports are secrets too."
    )
    never_scrubbed = serializers.ListField(
        child=serializers.CharField(max_length=MOST_SCRUBBED_NAME),
        max_length=MOST_SCRUBBED_NAMES,
        required=False,
        help_text="Names of fields whose values are stored as they are, `order_number` say.",
    )
    always_scrubbed = serializers.ListField(
        child=serializers.CharField(max_length=MOST_SCRUBBED_NAME),
        max_length=MOST_SCRUBBED_NAMES,
        required=False,
        help_text="Further names of fields whose values are never stored.",
    )
    algorithm = serializers.ChoiceField(
        sorted(ALGORITHMS), required=False, help_text="By which reports are grouped from now on."
    )
    spike_factor = serializers.IntegerField(
        min_value=0,
        max_value=1000,
        required=False,
        help_text="More than so many times the usual is turned away; 0: nothing is.",
    )


class ErrorProjectBody(ErrorProjectFields):
    """A new project, with its first key. It has the newest algorithm."""

    algorithm = None  # type: ignore[assignment]  # DRF takes a field off a body by None

    slug = serializers.RegexField(SLUG, max_length=63)
    tree = TreeName(default="")


class ErrorKeyBody(Body):
    """A further key."""

    label = serializers.CharField(max_length=100, allow_blank=True, default="")  # type: ignore[assignment]  # DRF takes fields off the class


class ErrorKeyShape(serializers.Serializer[Any]):
    """A key: it lets programs report, and nothing else."""

    id = serializers.IntegerField()
    public_key = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]  # as above
    dsn = serializers.CharField(help_text="What `sentry_sdk.init` is given.")
    created_at = serializers.DateTimeField()
    revoked_at = serializers.DateTimeField(allow_null=True)


class ErrorProjectShape(serializers.Serializer[Any]):
    """What a DSN names."""

    slug = serializers.CharField()
    number = serializers.IntegerField(source="pk", help_text="In a DSN's path.")
    name = serializers.CharField()
    tree = serializers.CharField()
    events_per_minute = serializers.IntegerField()
    retention_days = serializers.IntegerField()
    most_events = serializers.IntegerField()
    resolve_after_days = serializers.IntegerField()
    store_whole = serializers.IntegerField()
    scrub_emails = serializers.BooleanField()
    scrub_addresses = serializers.BooleanField()
    never_scrubbed = serializers.ListField(child=serializers.CharField())
    always_scrubbed = serializers.ListField(child=serializers.CharField())
    algorithm = serializers.CharField()
    former_until = serializers.DateTimeField(
        allow_null=True, help_text="Until then hashes of the algorithm before still lead to their issues."
    )
    spike_factor = serializers.IntegerField()
    usual_per_minute = serializers.FloatField(allow_null=True, help_text="null: younger than a day.")
    spike_limit = serializers.IntegerField(
        allow_null=True, help_text="Events a minute; more are answered with 429. null: none."
    )
    spike = serializers.SerializerMethodField()
    created_at = serializers.DateTimeField()
    keys = serializers.SerializerMethodField()

    def get_spike(self, project: Any) -> dict[str, Any] | None:
        """Since when it is held to its limit, and how many were turned away; null: it is not."""
        found = next((each for each in project.spikes.all() if each.ended_at is None), None)
        return None if found is None else {"since": found.began_at, "refused": found.refused}

    def get_keys(self, project: Any) -> list[dict[str, Any]]:
        told = self.context["keys"]
        return [told(key) for key in project.keys.all()]


class ErrorLostShape(serializers.Serializer[Any]):
    """So many of a category that were not stored in an hour, for one reason."""

    hour = serializers.DateTimeField()
    category = serializers.CharField()
    reason = serializers.CharField(help_text="`client: …` is what an SDK says of itself.")
    words = serializers.CharField(source="why.words")
    in_sdk = serializers.BooleanField(source="why.in_sdk", help_text="It never came here.")
    is_loss = serializers.BooleanField(
        source="why.is_loss", help_text="Nobody meant it to be left out, as sampling does."
    )
    count = serializers.IntegerField()


class ErrorLostHoursShape(serializers.Serializer[Any]):
    """What was not stored since a moment, newest hour first."""

    since = serializers.DateTimeField()
    is_whole = serializers.BooleanField(help_text=f"false: there is more; {MOST_LOST_ROWS} are told at most.")
    items = ErrorLostShape(many=True)


class ErrorIssueShape(serializers.Serializer[Any]):
    """Reports that are one bug."""

    short_id = serializers.CharField()
    project = serializers.CharField(source="project.slug")
    tree = serializers.CharField(source="project.tree")
    title = serializers.CharField()
    type = serializers.CharField()
    culprit = serializers.CharField()
    level = serializers.CharField()
    status = serializers.ChoiceField(ErrorIssue.Status.values)
    resolved_in = serializers.CharField()
    in_next_release = serializers.BooleanField(help_text="Resolved: the next release that is seen mends it.")
    until_at = serializers.DateTimeField(allow_null=True, help_text="Archived until then.")
    until_count = serializers.IntegerField(allow_null=True, help_text="Archived until it has so many events.")
    until_users = serializers.IntegerField(allow_null=True, help_text="Archived until it has so many users.")
    until_per_hour = serializers.IntegerField(
        allow_null=True, help_text="Archived until so many come in an hour."
    )
    assignee = serializers.SerializerMethodField()
    team = serializers.SerializerMethodField()
    child = serializers.CharField(help_text="Where it was first seen; empty: no child of a tree.")
    count = serializers.IntegerField(source="stat.count")
    users = serializers.IntegerField(source="stat.users", help_text="Different ones that it happened to.")
    not_kept = serializers.IntegerField(
        source="stat.not_kept",
        help_text="Of its events, those that came in storms and are counted, not stored.",
    )
    first_seen = serializers.DateTimeField()
    last_seen = serializers.DateTimeField(source="stat.last_seen")
    first_release = serializers.CharField()
    last_release = serializers.CharField(source="stat.last_release")
    environment = serializers.CharField(source="stat.last_environment")

    def get_assignee(self, issue: Any) -> str | None:
        """A user's name."""
        return issue.assignee.get_username() if issue.assignee else None

    def get_team(self, issue: Any) -> str | None:
        """The team it is assigned to, instead of a user."""
        return issue.team.slug if issue.team else None


class ErrorHashShape(serializers.Serializer[Any]):
    """A hash that leads to the issue."""

    algorithm = serializers.CharField()
    hash = serializers.CharField()
    pinned = serializers.BooleanField(help_text="A person put it there; nothing moves it by itself.")


class ErrorActivityShape(serializers.Serializer[Any]):
    """Something that happened to an issue."""

    at = serializers.DateTimeField()
    actor = serializers.CharField()
    kind = serializers.CharField()
    text = serializers.CharField()


class ErrorIssueDetailShape(ErrorIssueShape):
    """The same, with why its events are one, what was done, and what surrounded the newest event in its tree."""

    because = serializers.DictField()
    hashes = ErrorHashShape(many=True)
    activity = ErrorActivityShape(many=True)
    watchers = serializers.ListField(child=serializers.CharField(), help_text="Who follows it.")
    merged_into = serializers.CharField(allow_null=True)
    alike = serializers.ListField(
        child=serializers.CharField(), help_text="Short ids of issues that end in the same call."
    )
    around = serializers.DictField(
        allow_null=True, help_text="The life, how it ended, what the supervisor did, and the tree's events."
    )


class ErrorDeployShape(serializers.Serializer[Deploy]):
    """A revision of the project's tree, or a release that reports named for the first time."""

    at = serializers.DateTimeField()
    kind = serializers.ChoiceField(["revision", "release"])
    name = serializers.CharField(help_text="Number of the revision, or the release.")
    message = serializers.CharField()
    author = serializers.CharField()
    before = serializers.FloatField(help_text="The issue's events an hour, in the 24 hours before.")
    after = serializers.FloatField(
        allow_null=True, help_text="The same after it, in as many hours as are over; null: not one is."
    )


class ErrorHistoryShape(serializers.Serializer[History]):
    """An issue's events in each part of a time, and what was deployed and restarted meanwhile; oldest first."""

    since = serializers.DateTimeField()
    part_s = serializers.SerializerMethodField(help_text="How long a part is, in seconds.")
    counts = serializers.ListField(child=serializers.IntegerField(), help_text="Events in each part.")
    restarts = serializers.ListField(
        child=serializers.IntegerField(), help_text="Of the children it was seen in first and last."
    )
    deploys = ErrorDeployShape(many=True)

    def get_part_s(self, history: History) -> float:
        return history.part.total_seconds()


class ErrorIssueChange(Body):
    """What a person decides about an issue."""

    status = serializers.ChoiceField(BY_HAND, required=False)
    release = serializers.CharField(
        max_length=200, required=False, allow_blank=True, help_text="Of `resolved`: which release mends it."
    )
    in_next_release = serializers.BooleanField(
        required=False, help_text="Of `resolved`: the next release that is seen mends it."
    )
    until_at = serializers.DateTimeField(required=False, help_text="Of `archived`: it is open again then.")
    until_events = serializers.IntegerField(
        min_value=1, max_value=MOST_UNTIL, required=False, help_text="Or after so many more events."
    )
    until_users = serializers.IntegerField(
        min_value=1,
        max_value=MOST_UNTIL,
        required=False,
        help_text="Or when it happened to so many more users.",
    )
    until_escalating = serializers.BooleanField(
        required=False,
        help_text="Or when more come in an hour than twice what the busiest of the last week had, ten at least.",
    )
    assignee = serializers.CharField(
        max_length=150, allow_null=True, required=False, help_text="A user's name; null: nobody."
    )
    team = serializers.CharField(
        max_length=63, allow_null=True, required=False, help_text="A team, instead of a user."
    )


class ErrorIssuesChange(ErrorIssueChange):
    """The same for all issues that a filter accepts."""

    filter = serializers.CharField(max_length=1000)
    dry_run = serializers.BooleanField(
        default=True, help_text=f"Only count. At most {MOST_BULK} are changed."
    )


class ErrorIssuesChangedShape(serializers.Serializer[Any]):
    """What a change of many did, or would do."""

    matched = serializers.IntegerField()
    changed = serializers.IntegerField()


class ErrorCommentBody(Body):
    text = serializers.CharField(max_length=MOST_COMMENT)


class ErrorMergeBody(Body):
    """Issues whose reports are this one's from now on."""

    others = serializers.ListField(
        child=serializers.CharField(max_length=100),
        min_length=1,
        max_length=MOST_MERGED,
        required=False,
        help_text="Short ids.",
    )
    filter = serializers.CharField(
        max_length=1000,
        required=False,
        help_text=f"Instead: all of this project that it accepts, at most {MOST_MERGED}.",
    )
    dry_run = serializers.BooleanField(default=True, help_text="Only count.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Any: as the fields above say."""
        if ("others" in attrs) == ("filter" in attrs):
            raise serializers.ValidationError({"others": "either these or a filter"})
        return attrs


class ErrorMergedShape(serializers.Serializer[Any]):
    """What a merge did, or would do."""

    matched = serializers.IntegerField(help_text="Issues that are not in it yet.")
    events = serializers.IntegerField(help_text="Events of theirs.")
    changed = serializers.IntegerField(help_text="Issues that came to it.")
    moved = serializers.IntegerField(help_text="Events that came to it.")
    issue = ErrorIssueShape(help_text="The one that stays, with its title.")


class ErrorPartBody(Body):
    """Hashes to be taken out, into an issue of their own."""

    hashes = serializers.ListField(child=serializers.CharField(max_length=64), min_length=1, max_length=200)


class ErrorEventShape(serializers.Serializer[Any]):
    """One report."""

    event_id = serializers.CharField()
    at = serializers.DateTimeField()
    received_at = serializers.DateTimeField()
    level = serializers.CharField()
    environment = serializers.CharField()
    release = serializers.CharField()
    transaction = serializers.CharField()
    user = serializers.CharField()
    child = serializers.CharField()
    incarnation = serializers.IntegerField(allow_null=True)


class ErrorAttachmentShape(serializers.Serializer[Any]):
    """A file that came with an event; `GET /error_attachments/{id}` has what is in it."""

    id = serializers.IntegerField()
    name = serializers.CharField()
    content_type = serializers.CharField()
    size = serializers.IntegerField(help_text="Bytes.")


class ErrorEventDetailShape(ErrorEventShape):
    """The same, with what was reported."""

    attachments = ErrorAttachmentShape(many=True)
    data = serializers.DictField(help_text="As it was reported, scrubbed.")  # type: ignore[assignment]  # as above


class ErrorReleaseShape(serializers.Serializer[Any]):
    """A version that programs named, and how its runs (sessions) of the last 14 days went."""

    release = serializers.CharField(source="version")
    project = serializers.CharField(source="project.slug")
    tree = serializers.CharField(source="project.tree")
    first_seen = serializers.DateTimeField()
    new_issues = serializers.IntegerField(help_text="Issues that were first seen in it.")
    sessions = serializers.IntegerField()
    errored = serializers.IntegerField(help_text="Runs with errors, those that crashed among them.")
    crashed = serializers.IntegerField()
    crash_free = serializers.FloatField(allow_null=True, help_text="Percent; null: no run was told.")
    users = serializers.IntegerField(help_text="Who ran it, as far as runs say so.")
    crashed_users = serializers.IntegerField(help_text="Those of them for whom a run crashed.")
    crash_free_users = serializers.FloatField(allow_null=True, help_text="Percent; null: no run named one.")


class ErrorTransactionShape(serializers.Serializer[Any]):
    """A piece of work that programs named, and how long it took in the last day."""

    name = serializers.CharField()
    op = serializers.CharField(
        help_text="What kind of work, as SDKs say it: `http.server`, `queue.task.celery`."
    )
    project = serializers.CharField()
    tree = serializers.CharField()
    count = serializers.IntegerField()
    failed = serializers.IntegerField(help_text="By their own word.")
    mean_ms = serializers.FloatField()
    p50_ms = serializers.FloatField(
        help_text="To the class it falls in; each is half as long again as the one before."
    )
    p95_ms = serializers.FloatField()


class ErrorTransactionsShape(serializers.Serializer[Any]):
    """Those that took the most time in all, first; 500 at most."""

    items = ErrorTransactionShape(many=True)


class MonitorShape(serializers.Serializer[Any]):
    """A scheduled job, and whether it reports when it should."""

    id = serializers.IntegerField()
    project = serializers.CharField(source="project.slug")
    tree = serializers.CharField(source="project.tree")
    slug = serializers.CharField()
    environment = serializers.CharField()
    status = serializers.ChoiceField(Monitor.Status.values)
    status_at = serializers.DateTimeField()
    schedule = serializers.DictField()
    timezone = serializers.CharField()
    margin_s = serializers.IntegerField()
    max_runtime_s = serializers.IntegerField()
    failure_threshold = serializers.IntegerField(help_text="So many failures in a row make an alert.")
    recovery_threshold = serializers.IntegerField()
    failures = serializers.IntegerField(help_text="In a row, the newest among them.")
    failing_since = serializers.DateTimeField(allow_null=True)
    next_due = serializers.DateTimeField(allow_null=True)
    last_seen = serializers.DateTimeField(allow_null=True)


class CheckInShape(serializers.Serializer[Any]):
    """One run of a monitored job."""

    check_in_id = serializers.CharField()
    status = serializers.ChoiceField(CheckIn.Status.values)
    started_at = serializers.DateTimeField()
    ended_at = serializers.DateTimeField(allow_null=True)
    duration_s = serializers.FloatField(allow_null=True)
    release = serializers.CharField()
