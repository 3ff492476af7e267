"""Bodies about alerts, channels and silences."""

from typing import Any

from rest_framework import serializers

from controlplane.api.shapes import Body, TreeName
from supervision.alerts.kinds import Kind, Severity
from supervision.alerts.models import Alert, Channel, Delivery

KINDS = [kind.value for kind in Kind]


class AlertShape(serializers.Serializer[Any]):
    """Something somebody has to know."""

    id = serializers.IntegerField()
    kind = serializers.ChoiceField(KINDS)
    subject = serializers.CharField()
    tree = serializers.CharField()
    node = serializers.CharField(source="node_id")
    severity = serializers.ChoiceField([severity.value for severity in Severity])
    title = serializers.CharField()
    body = serializers.CharField()
    state = serializers.ChoiceField(Alert.State.values)
    count = serializers.IntegerField(help_text="How often it came while it was not resolved.")
    raised_at = serializers.DateTimeField()
    last_at = serializers.DateTimeField()
    silenced = serializers.BooleanField(source="is_silenced")
    acknowledged_at = serializers.DateTimeField(allow_null=True)
    acknowledged_by = serializers.CharField()
    resolved_at = serializers.DateTimeField(allow_null=True)
    resolved_by = serializers.CharField()


class AlertAction(Body):
    """Why."""

    reason = serializers.CharField(max_length=2000, default="", allow_blank=True)


class DeliveryShape(serializers.Serializer[Any]):
    """One message to one channel, or to one person."""

    id = serializers.UUIDField()
    alert = serializers.IntegerField(source="alert_id")
    channel = serializers.CharField(
        source="channel.name", default=None, allow_null=True, help_text="null: to one person, by e-mail."
    )
    event = serializers.ChoiceField(Delivery.Event.values)
    state = serializers.ChoiceField(Delivery.State.values)
    attempts = serializers.IntegerField()
    next_at = serializers.DateTimeField()
    sent_at = serializers.DateTimeField(allow_null=True)
    last_error = serializers.CharField()


class ChannelBody(Body):
    """Where alerts are told."""

    name = serializers.RegexField(r"^[A-Za-z0-9][A-Za-z0-9 ._-]{0,62}$", max_length=63)
    kind = serializers.ChoiceField(Channel.Kind.choices)
    target = serializers.CharField(max_length=4000)
    kinds = serializers.ListField(child=serializers.ChoiceField(KINDS), default=list, max_length=20)
    tree = TreeName(default="")
    enabled = serializers.BooleanField(default=True)


class ChannelShape(serializers.Serializer[Any]):
    """A channel. Its target may hold a token, so only admins see channels."""

    id = serializers.IntegerField()
    name = serializers.CharField()
    kind = serializers.ChoiceField(Channel.Kind.values)
    target = serializers.CharField()
    kinds = serializers.ListField(child=serializers.CharField())
    tree = serializers.CharField()
    enabled = serializers.BooleanField(source="is_enabled")
    key_number = serializers.IntegerField()
    created_at = serializers.DateTimeField()


class ChannelKeyShape(serializers.Serializer[Any]):
    """What the receiver of a webhook checks signatures with."""

    header = serializers.CharField()
    key = serializers.CharField()
    key_number = serializers.IntegerField()


class SilenceBody(Body):
    """What is not told for a while. Empty fields match everything."""

    kind = serializers.ChoiceField(KINDS, default="", allow_blank=True)
    subject = serializers.CharField(max_length=512, default="", allow_blank=True)
    tree = TreeName(default="")
    minutes = serializers.IntegerField(min_value=1, max_value=60 * 24 * 30)
    reason = serializers.CharField(max_length=500)


class SilenceShape(serializers.Serializer[Any]):
    """A silence."""

    id = serializers.IntegerField()
    kind = serializers.CharField()
    subject = serializers.CharField()
    tree = serializers.CharField()
    until = serializers.DateTimeField()
    reason = serializers.CharField()
    created_by = serializers.CharField()
    created_at = serializers.DateTimeField()
