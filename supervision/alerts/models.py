"""Rows of the alerts room."""

import uuid

from django.db import models

from supervision.alerts.kinds import Kind, Severity


def choices(names: type[Kind] | type[Severity]) -> list[tuple[str, str]]:
    return [(str(name), str(name).replace("_", " ")) for name in names]


class AlertRule(models.Model):
    """What an operator changed about a kind of alert; without a row kinds.MEANINGS holds."""

    kind = models.CharField(max_length=40, choices=choices(Kind), unique=True)
    is_enabled = models.BooleanField(default=True)
    severity = models.CharField(max_length=16, choices=choices(Severity))
    repeat_every_s = models.PositiveIntegerField(default=0, help_text="Seconds; 0: told once.")
    runbook_url = models.CharField(
        max_length=500, blank=True, help_text="Instead of the page in docs/runbooks."
    )

    class Meta:
        ordering = ["kind"]

    def __str__(self) -> str:
        return self.kind


class Channel(models.Model):
    """Where alerts are told. Its signing key is derived (see signing.py), so no row holds a secret of ours."""

    class Kind(models.TextChoices):
        WEBHOOK = "webhook"
        EMAIL = "email"
        SLACK = "slack"
        MATTERMOST = "mattermost"
        DISCORD = "discord"
        TELEGRAM = "telegram"

    name = models.CharField(max_length=63, unique=True)
    kind = models.CharField(max_length=16, choices=Kind.choices)
    target = models.TextField(
        help_text="The URL of a webhook, or of a chat's; addresses of an e-mail, separated by commas."
    )
    kinds = models.JSONField(default=list, blank=True, help_text="Kinds of alert that are told; empty: all.")
    tree = models.CharField(max_length=63, blank=True, help_text="Only alerts of this tree; empty: all.")
    is_enabled = models.BooleanField(default=True)
    key_number = models.PositiveIntegerField(default=1, help_text="Another number is another signing key.")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Alert(models.Model):
    """Something that somebody has to know. Of a kind and subject at most one is not resolved: what comes again joins it."""

    class State(models.TextChoices):
        OPEN = "open"
        ACKNOWLEDGED = "acknowledged"
        RESOLVED = "resolved"

    kind = models.CharField(max_length=40, choices=choices(Kind))
    subject = models.CharField(max_length=512, help_text="A key, a node id: what it is about.")
    occurrence = models.CharField(max_length=200, blank=True, help_text="Tells one occasion from the next.")
    tree = models.CharField(max_length=63, blank=True)
    node_id = models.CharField(max_length=64, blank=True)
    severity = models.CharField(max_length=16, choices=choices(Severity))
    title = models.CharField(max_length=300)
    body = models.TextField(blank=True)
    data = models.JSONField(default=dict)
    runbook_url = models.CharField(
        max_length=500, blank=True, help_text="Of what raised it; empty: the kind's."
    )
    state = models.CharField(max_length=16, choices=State.choices, default=State.OPEN)
    count = models.PositiveIntegerField(default=1)
    raised_at = models.DateTimeField()
    last_at = models.DateTimeField()
    is_silenced = models.BooleanField(default=False, help_text="Not told, because of a silence when it came.")
    acknowledged_at = models.DateTimeField(null=True)
    acknowledged_by = models.CharField(max_length=200, blank=True)
    resolved_at = models.DateTimeField(null=True)
    resolved_by = models.CharField(max_length=200, blank=True)
    version = models.PositiveIntegerField(default=1)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "subject"], condition=~models.Q(state="resolved"), name="one_alert_at_a_time"
            ),
            models.CheckConstraint(
                condition=models.Q(state="resolved") ^ models.Q(resolved_at__isnull=True),
                name="resolved_has_a_time",
            ),
        ]
        indexes = [
            models.Index(fields=["kind", "subject", "occurrence"], name="alert_occurrence"),
            models.Index(fields=["resolved_at"], name="alert_resolved_at"),
        ]

    def __str__(self) -> str:
        return self.title


class Silence(models.Model):
    """Alerts that match are kept but not told until it ends. Empty fields match everything."""

    kind = models.CharField(max_length=40, blank=True, choices=choices(Kind))
    subject = models.CharField(max_length=512, blank=True)
    tree = models.CharField(max_length=63, blank=True)
    until = models.DateTimeField()
    reason = models.CharField(max_length=500)
    created_by = models.CharField(max_length=200)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["until"], name="silence_until")]

    def __str__(self) -> str:
        return f"{self.kind or 'everything'} until {self.until:%Y-%m-%d %H:%M} UTC"


class Delivery(models.Model):
    """One message to one channel, or to one address: the outbox. Its id goes with the message, so a receiver can tell a
    second try."""

    class State(models.TextChoices):
        PENDING = "pending"
        DONE = "done"
        FAILED = "failed"

    class Event(models.TextChoices):
        RAISED = "raised"
        REPEATED = "repeated"
        RESOLVED = "resolved"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    alert = models.ForeignKey(Alert, on_delete=models.CASCADE, related_name="deliveries")
    channel = models.ForeignKey(
        Channel, null=True, blank=True, on_delete=models.CASCADE, related_name="deliveries"
    )
    address = models.CharField(
        max_length=254, default="", db_default="", blank=True, help_text="Of a person, by e-mail."
    )
    event = models.CharField(max_length=16, choices=Event.choices)
    number = models.PositiveIntegerField(default=0, help_text="Of repetitions.")
    state = models.CharField(max_length=16, choices=State.choices, default=State.PENDING)
    attempts = models.PositiveIntegerField(default=0)
    next_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True)
    last_error = models.CharField(max_length=500, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["created_at", "id"]
        constraints = [
            models.UniqueConstraint(fields=["alert", "channel", "event", "number"], name="told_once_each"),
            models.UniqueConstraint(
                fields=["alert", "address", "event", "number"],
                condition=models.Q(channel=None),
                name="told_once_each_address",
            ),
            models.CheckConstraint(
                condition=models.Q(channel__isnull=True) ^ models.Q(address=""),
                name="delivery_has_a_receiver",
            ),
        ]
        indexes = [
            models.Index(fields=["next_at"], condition=models.Q(state="pending"), name="delivery_due"),
        ]

    def __str__(self) -> str:
        return f"{self.event} to {self.address or self.channel_id}"
