"""Rows of the error store.

What comes in stands in ErrorIntake first: accepted means committed. A digest takes it from there, makes events and issues of
it and deletes it, in one transaction. The hot counters of an issue stand in a row of their own, without an index beside its
key.
"""

from django.conf import settings
from django.core.validators import RegexValidator
from django.db import models

from supervision.errors.losses import Why, why
from supervision.errors.scrubbing.options import Options

SLUG = RegexValidator(
    r"^[a-z0-9][a-z0-9_-]{0,62}$", "lower-case letters, digits, - and _, beginning with a letter or digit"
)


class ErrorProject(models.Model):
    """What a DSN names: its number stands in the path of the intake."""

    slug = models.CharField(max_length=63, unique=True, validators=[SLUG])
    name = models.CharField(max_length=100)
    tree = models.CharField(
        max_length=64, default="", blank=True, help_text="Whose children report here; empty: none."
    )
    events_per_minute = models.PositiveIntegerField(default=6000, help_text="More are answered with 429.")
    retention_days = models.PositiveIntegerField(default=90)
    most_events = models.PositiveIntegerField(
        default=1_000_000, db_default=1_000_000, help_text="Beyond, those go that say least; 0: none does."
    )
    resolve_after_days = models.PositiveIntegerField(
        default=0,
        db_default=0,
        help_text="Issues not seen for so long are resolved by themselves; 0: none is.",
    )
    store_whole = models.PositiveIntegerField(
        default=0,
        db_default=0,
        help_text="Of an issue with more events a minute one of 2, 4, 8 is stored beyond, all counted; 0: all.",
    )
    algorithm = models.CharField(
        max_length=8, default="g1", db_default="g1", help_text="By which reports are grouped."
    )
    former_algorithm = models.CharField(max_length=8, default="", db_default="", blank=True, editable=False)
    former_until = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="Until then its hashes still lead to issues."
    )
    scrub_emails = models.BooleanField(
        default=False, db_default=False, help_text="E-mail addresses in reports are secrets too."
    )
    scrub_addresses = models.BooleanField(
        default=False, db_default=False, help_text="IP addresses in reports are secrets too."
    )
    never_scrubbed = models.JSONField(
        default=list,
        db_default=models.Value([], models.JSONField()),
        blank=True,
        help_text="Names of fields whose values are stored as they are.",
    )
    always_scrubbed = models.JSONField(
        default=list,
        db_default=models.Value([], models.JSONField()),
        blank=True,
        help_text="Further names of fields whose values are never stored.",
    )
    spike_factor = models.PositiveIntegerField(
        default=5, help_text="More than so many times the usual is turned away; 0: nothing is."
    )
    usual_per_minute = models.FloatField(null=True, blank=True, editable=False)
    spike_limit = models.PositiveIntegerField(
        null=True, blank=True, editable=False, help_text="Events a minute that follow from it."
    )
    weighed_at = models.DateTimeField(null=True, blank=True, editable=False)
    last_issue = models.BigIntegerField(default=0, help_text="Number of the newest issue.")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["slug"]

    def __str__(self) -> str:
        return self.slug

    @property
    def scrubbing(self) -> Options:
        """What is taken out of its reports, beside what is for all."""
        return Options.of(
            emails=self.scrub_emails,
            addresses=self.scrub_addresses,
            never=self.never_scrubbed,
            always=self.always_scrubbed,
        )


class ErrorKey(models.Model):
    """A public key of a DSN. A revoked one stays, so that it is never given out again."""

    project = models.ForeignKey(ErrorProject, on_delete=models.CASCADE, related_name="keys")
    public_key = models.CharField(max_length=64, unique=True)
    label = models.CharField(max_length=100, default="", blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return self.public_key


class ErrorAddress(models.Model):
    """One host, in one boot, that serves the intake. `public_url` is empty where only the host itself reaches it."""

    host = models.CharField(max_length=64, primary_key=True)
    local_url = models.CharField(max_length=500)
    public_url = models.CharField(max_length=500, default="", blank=True)
    said_at = models.DateTimeField()

    class Meta:
        ordering = ["-said_at"]

    def __str__(self) -> str:
        return self.public_url or self.local_url


class ErrorIntake(models.Model):
    """An item that was accepted and is not digested yet. It was scrubbed before; `body` is JSON, compressed by zlib."""

    class Kind(models.TextChoices):
        EVENT = "event"
        CHECK_IN = "check_in"
        CLIENT_REPORT = "client_report"
        SEEN = "seen"
        SESSIONS = "sessions"
        ATTACHMENT = "attachment"
        TRANSACTION = "transaction"

    project = models.ForeignKey(ErrorProject, on_delete=models.CASCADE)
    kind = models.CharField(max_length=16, choices=Kind)
    event_id = models.CharField(max_length=32, default="", blank=True)
    body = models.BinaryField()
    drift_s = models.FloatField(default=0.0)
    child = models.CharField(
        max_length=2300, default="", blank=True, help_text="Key of the child it came from, where known."
    )
    incarnation = models.BigIntegerField(null=True)
    received_at = models.DateTimeField()
    failed_at = models.DateTimeField(
        null=True, help_text="It could not be digested; it stays here to be looked at."
    )
    failure = models.TextField(default="", blank=True)

    class Meta:
        ordering = ["id"]
        indexes = [models.Index(fields=["id"], condition=models.Q(failed_at=None), name="error_intake_due")]

    def __str__(self) -> str:
        return f"{self.kind} {self.event_id or self.pk}"


class ErrorIssue(models.Model):
    """Events that are one bug. `number` counts in its project: SHOP-17."""

    class Status(models.TextChoices):
        NEW = "new"
        ONGOING = "ongoing"
        ESCALATING = "escalating"
        REGRESSED = "regressed"
        RESOLVED = "resolved"
        ARCHIVED = "archived"
        MUTED = "muted"

    project = models.ForeignKey(ErrorProject, on_delete=models.CASCADE, related_name="issues")
    number = models.BigIntegerField()
    title = models.CharField(max_length=300)
    type = models.CharField(max_length=200)
    value = models.CharField(max_length=500, default="", blank=True)
    culprit = models.CharField(max_length=300, default="", blank=True)
    level = models.CharField(max_length=16)
    platform = models.CharField(max_length=64, default="", blank=True)
    status = models.CharField(max_length=16, choices=Status, default=Status.NEW)
    status_at = models.DateTimeField()
    resolved_in = models.CharField(
        max_length=200, default="", blank=True, help_text="The release that mends it."
    )
    in_next_release = models.BooleanField(
        default=False, db_default=False, help_text="The next release that is seen mends it."
    )
    until_at = models.DateTimeField(null=True, blank=True, help_text="Archived until then.")
    until_count = models.BigIntegerField(
        null=True, blank=True, help_text="Archived until it has so many events."
    )
    until_users = models.BigIntegerField(
        null=True, blank=True, help_text="Archived until it happened to so many users."
    )
    until_per_hour = models.BigIntegerField(
        null=True, blank=True, help_text="Archived until so many come in an hour."
    )
    assignee = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    team = models.ForeignKey(
        "supervision.ErrorTeam", null=True, blank=True, on_delete=models.SET_NULL, related_name="issues"
    )
    first_seen = models.DateTimeField()
    first_release = models.CharField(max_length=200, default="", blank=True)
    child = models.CharField(
        max_length=2300, default="", blank=True, help_text="Key of the child it was first seen in."
    )
    because = models.JSONField(default=dict, help_text="Why its first event was grouped so.")
    callee = models.CharField(max_length=32, default="", blank=True)
    merged_into = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.SET_NULL, related_name="merged"
    )

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["project", "number"], name="error_issue_one_number"),
            models.CheckConstraint(
                condition=models.Q(assignee__isnull=True) | models.Q(team__isnull=True),
                name="error_issue_one_assignee",
            ),
        ]
        indexes = [
            models.Index(fields=["status", "-id"], name="error_issue_status"),
            models.Index(fields=["callee"], name="error_issue_callee"),
            models.Index(
                fields=["until_at"], condition=models.Q(until_at__isnull=False), name="error_issue_until"
            ),
            models.Index(
                fields=["status_at"],
                condition=models.Q(status__in=("new", "regressed", "escalating")),
                name="error_issue_aging",
            ),
        ]

    def __str__(self) -> str:
        return self.short_id

    @property
    def short_id(self) -> str:
        return f"{self.project.slug.upper()}-{self.number}"


OPEN = (
    ErrorIssue.Status.NEW,
    ErrorIssue.Status.ONGOING,
    ErrorIssue.Status.ESCALATING,
    ErrorIssue.Status.REGRESSED,
    ErrorIssue.Status.MUTED,
)
"""Statuses of what somebody should look at. A muted one is seen, and no rule tells of it."""


class ErrorIssueStat(models.Model):
    """The counters of an issue, changed with each batch that has an event of it."""

    issue = models.OneToOneField(ErrorIssue, primary_key=True, on_delete=models.CASCADE, related_name="stat")
    count = models.BigIntegerField(default=0)
    users = models.BigIntegerField(default=0, db_default=0, help_text="Different ones that it happened to.")
    last_seen = models.DateTimeField()
    last_release = models.CharField(max_length=200, default="", blank=True)
    last_environment = models.CharField(max_length=64, default="", blank=True)
    last_child = models.CharField(max_length=2300, default="", blank=True)
    last_event_id = models.CharField(max_length=32, default="", blank=True)
    not_kept = models.BigIntegerField(
        default=0, db_default=0, help_text="Of its events, those of storms that were counted and not stored."
    )
    kept_one_of = models.PositiveIntegerField(
        default=1, db_default=1, help_text="When it was seen last, one of so many events was stored."
    )

    class Meta:
        ordering = ["issue"]

    def __str__(self) -> str:
        return f"{self.count} of {self.issue_id}"


class ErrorIssueUser(models.Model):
    """Somebody an issue happened to, known by a digest; seen last, to the day."""

    issue = models.ForeignKey(ErrorIssue, on_delete=models.CASCADE, related_name="affected")
    user = models.CharField(max_length=32)
    seen_at = models.DateTimeField()

    class Meta:
        ordering = ["issue", "user"]
        constraints = [models.UniqueConstraint(fields=["issue", "user"], name="error_issue_user_one")]
        indexes = [models.Index(fields=["seen_at"], name="error_issue_user_age")]

    def __str__(self) -> str:
        return f"{self.user[:8]} of {self.issue_id}"


class ErrorIssueHash(models.Model):
    """A hash that leads to an issue. `pinned`: a person put it there; it is never moved by itself."""

    project = models.ForeignKey(ErrorProject, on_delete=models.CASCADE)
    algorithm = models.CharField(max_length=8)
    hash = models.CharField(max_length=32)
    issue = models.ForeignKey(ErrorIssue, on_delete=models.CASCADE, related_name="hashes")
    pinned = models.BooleanField(default=False)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["project", "algorithm", "hash"], name="error_hash_one")
        ]

    def __str__(self) -> str:
        return self.hash


class ErrorEvent(models.Model):
    """One report. The table is partitioned by `received_at`, in SQL; `data` is JSON, compressed by zlib.

    `issue_id` and `project_id` are no foreign keys: events go with their partition.
    """

    id = models.BigAutoField(primary_key=True)
    event_id = models.CharField(max_length=32)
    project_id = models.BigIntegerField()
    issue_id = models.BigIntegerField()
    at = models.DateTimeField(help_text="The program's clock, corrected.")
    received_at = models.DateTimeField()
    level = models.CharField(max_length=16)
    environment = models.CharField(max_length=64, default="")
    release = models.CharField(max_length=200, default="")
    transaction = models.CharField(max_length=200, default="")
    user = models.CharField(max_length=128, default="")
    child = models.CharField(max_length=2300, default="")
    incarnation = models.BigIntegerField(null=True)
    data = models.BinaryField()

    class Meta:
        managed = False
        db_table = "supervision_errorevent"
        ordering = ["-id"]

    def __str__(self) -> str:
        return self.event_id


class ErrorEventKey(models.Model):
    """An event that was stored: another report with its id counts once. Kept for 30 days."""

    project = models.ForeignKey(ErrorProject, on_delete=models.CASCADE)
    event_id = models.CharField(max_length=32)
    received_at = models.DateTimeField()

    class Meta:
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["project", "event_id"], name="error_event_once")]
        indexes = [models.Index(fields=["received_at"], name="error_event_key_age")]

    def __str__(self) -> str:
        return self.event_id


class ErrorIssueHour(models.Model):
    """Events of an issue in an hour."""

    issue = models.ForeignKey(ErrorIssue, on_delete=models.CASCADE, related_name="hours")
    hour = models.DateTimeField()
    count = models.BigIntegerField()

    class Meta:
        ordering = ["issue", "hour"]
        constraints = [models.UniqueConstraint(fields=["issue", "hour"], name="error_issue_hour_one")]

    def __str__(self) -> str:
        return f"{self.count} at {self.hour:%Y-%m-%d %H}"


class ErrorTag(models.Model):
    """How often a value of a tag came with an issue."""

    issue = models.ForeignKey(ErrorIssue, on_delete=models.CASCADE, related_name="tags")
    key = models.CharField(max_length=200)
    value = models.CharField(max_length=200)
    count = models.BigIntegerField()

    class Meta:
        ordering = ["issue", "key", "-count"]
        constraints = [models.UniqueConstraint(fields=["issue", "key", "value"], name="error_tag_one")]

    def __str__(self) -> str:
        return f"{self.key}={self.value}"


class ErrorActivity(models.Model):
    """What happened to an issue, and who did it; a comment too."""

    issue = models.ForeignKey(ErrorIssue, on_delete=models.CASCADE, related_name="activity")
    at = models.DateTimeField()
    actor = models.CharField(max_length=150, default="", blank=True, help_text="Empty: nobody, it happened.")
    kind = models.CharField(max_length=16)
    text = models.TextField(default="", blank=True)
    is_untold = models.BooleanField(
        default=False, db_default=False, help_text="Whoever follows the issue has not heard of it."
    )

    class Meta:
        ordering = ["issue", "-id"]
        indexes = [
            models.Index(fields=["id"], condition=models.Q(is_untold=True), name="error_activity_untold")
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.text[:40]}"


class ErrorRelease(models.Model):
    """A version that events named. Of two the newer is the one that was seen first later."""

    project = models.ForeignKey(ErrorProject, on_delete=models.CASCADE, related_name="releases")
    version = models.CharField(max_length=200)
    first_seen = models.DateTimeField()

    class Meta:
        ordering = ["project", "-first_seen"]
        constraints = [models.UniqueConstraint(fields=["project", "version"], name="error_release_one")]

    def __str__(self) -> str:
        return self.version


class ErrorRule(models.Model):
    """A rule of the server: the first that matches gives fingerprint or title. `match` is a list of [field, pattern]."""

    project = models.ForeignKey(ErrorProject, on_delete=models.CASCADE, related_name="rules")
    position = models.PositiveIntegerField(default=0)
    match = models.JSONField()
    fingerprint = models.JSONField(default=list, blank=True)
    title = models.CharField(max_length=200, default="", blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["project", "position", "id"]

    def __str__(self) -> str:
        return f"{self.project_id}/{self.position}"


class ErrorDiscard(models.Model):
    """What was not stored, by why: here (quota, duplicate), or in the client, as it says itself."""

    project = models.ForeignKey(ErrorProject, on_delete=models.CASCADE, related_name="discards")
    hour = models.DateTimeField()
    category = models.CharField(max_length=32)
    reason = models.CharField(max_length=64)
    count = models.BigIntegerField()

    class Meta:
        ordering = ["project", "-hour"]
        constraints = [
            models.UniqueConstraint(
                fields=["project", "hour", "category", "reason"], name="error_discard_one"
            )
        ]

    def __str__(self) -> str:
        return f"{self.count} {self.category} {self.reason}"

    @property
    def why(self) -> Why:
        """The reason in words, and whose it is."""
        return why(self.reason)
