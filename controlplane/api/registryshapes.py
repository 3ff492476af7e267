"""Bodies about the registry: registrations, services."""

from typing import Any

from rest_framework import serializers

from controlplane.api.shapes import NAME, Body

MAX_LEASE_S = 24 * 3600.0


class RegistrationShape(serializers.Serializer[Any]):
    """A key that somebody holds."""

    namespace = serializers.CharField()
    key = serializers.CharField()
    epoch = serializers.IntegerField(help_text="Fencing number of the key; the ETag.")
    node = serializers.CharField(allow_null=True)
    node_name = serializers.CharField()
    child = serializers.CharField(help_text="The child that holds it; empty for a program outside of trees.")
    incarnation = serializers.IntegerField()
    holder = serializers.CharField(help_text="Who holds it, outside of trees.")
    service = serializers.CharField()
    ready = serializers.BooleanField()
    metadata = serializers.JSONField()
    capabilities = serializers.ListField(child=serializers.CharField())
    labels = serializers.DictField(child=serializers.CharField())
    registered_at = serializers.DateTimeField()
    lease_until = serializers.DateTimeField(allow_null=True)


class RegisterBody(Body):
    """A key that a program outside of trees wants to hold."""

    key = serializers.RegexField(NAME, max_length=200)
    namespace = serializers.CharField(max_length=63, default="default")
    holder = serializers.CharField(
        max_length=200, default="", allow_blank=True, help_text="Who; default: the user."
    )
    lease_s = serializers.FloatField(min_value=1.0, max_value=MAX_LEASE_S, default=30.0)
    service = serializers.CharField(max_length=63, default="", allow_blank=True)
    ready = serializers.BooleanField(default=True)
    metadata = serializers.DictField(default=dict)
    capabilities = serializers.ListField(child=serializers.CharField(max_length=200), default=list)
    labels = serializers.DictField(child=serializers.CharField(max_length=200), default=dict)


class RenewBody(Body):
    """How much longer."""

    lease_s = serializers.FloatField(min_value=1.0, max_value=MAX_LEASE_S, default=30.0)
    ready = serializers.BooleanField(required=False)


class ServiceShape(serializers.Serializer[Any]):
    """A service as it is declared."""

    namespace = serializers.CharField()
    name = serializers.CharField()
    description = serializers.CharField()
    depends_on = serializers.ListField(child=serializers.CharField())
    min_ready = serializers.IntegerField()
    version = serializers.IntegerField(help_text="The ETag.")
    changed_at = serializers.DateTimeField()


class ServiceBody(Body):
    """A service, whole."""

    depends_on = serializers.ListField(
        child=serializers.CharField(max_length=63), max_length=100, default=list
    )
    min_ready = serializers.IntegerField(min_value=1, max_value=10_000, default=1)
    description = serializers.CharField(max_length=2000, allow_blank=True, default="")


class StandingShape(serializers.Serializer[Any]):
    """How a service stands."""

    ready = serializers.BooleanField()
    providers = serializers.IntegerField(help_text="Ready ones.")
    missing = serializers.ListField(child=serializers.CharField(), help_text="What is in the way, in words.")
