"""What findings of leaks and health checks look like over REST."""

from typing import Any

from django.utils import timezone
from rest_framework import serializers

from supervision.health.models import HealthCheck
from supervision.leaks.policy import Does
from supervision.leaks.resources import RESOURCES
from supervision.leaks.shared import Kind
from supervision.leaks.watch import Course, Outcome
from supervision.leaks.words import Action
from supervision.leakwatch.models import DeedState
from supervision.runtime.healthfields import KINDS, ON_UNHEALTHY
from supervision.runtime.healthstate import Health

LEAKING = list(RESOURCES)
ACTIONS = [str(one) for one in Action]
SHARED_KINDS = [str(one) for one in Kind]
HEALTH = [str(one) for one in Health]
CHECK_KINDS = list(KINDS)


class LeakEvidence(serializers.Serializer[Any]):
    """Why it is believed."""

    points = serializers.ListField(
        child=serializers.ListField(child=serializers.FloatField()), help_text="[Unix seconds, value]."
    )
    brings = serializers.DictField(
        child=serializers.FloatField(), help_text="Rates of resources that grow because this one does."
    )
    gauges = serializers.DictField(child=serializers.FloatField(), help_text="What the program says of it.")
    quiet_s = serializers.FloatField(
        allow_null=True, required=False, help_text="How long it stood still before."
    )


class LeakShape(serializers.Serializer[Any]):
    """One resource that grows in one life of one child. Bytes for rss and disk, else a number; rates by the second."""

    id = serializers.IntegerField()
    key = serializers.CharField()
    tree = serializers.CharField()
    node = serializers.CharField(source="node_id")
    incarnation = serializers.IntegerField()
    resource = serializers.ChoiceField(LEAKING)
    course = serializers.ChoiceField([str(one) for one in Course])
    action = serializers.ChoiceField(ACTIONS)
    verdict = serializers.CharField()
    since = serializers.DateTimeField()
    found_at = serializers.DateTimeField()
    seen_at = serializers.DateTimeField()
    ended_at = serializers.DateTimeField(allow_null=True)
    outcome = serializers.ChoiceField([str(one) for one in Outcome], allow_blank=True)
    value = serializers.FloatField()
    growth = serializers.FloatField()
    rate = serializers.FloatField()
    rate_low = serializers.FloatField(help_text="Of the band in which the rate lies with 95 % confidence.")
    rate_high = serializers.FloatField()
    limit = serializers.FloatField(allow_null=True)
    limit_name = serializers.CharField(allow_blank=True)
    limit_at = serializers.DateTimeField(allow_null=True, help_text="When the limit is reached at this rate.")
    policy = serializers.ChoiceField(
        [str(one) for one in Does], allow_blank=True, help_text="What the tree file says is done by itself."
    )
    deed_state = serializers.ChoiceField(
        DeedState.values, allow_blank=True, help_text="How far it is with that."
    )
    deed_at = serializers.DateTimeField(allow_null=True)
    deed_said = serializers.CharField(allow_blank=True, help_text="What was asked, or what came of it.")
    evidence = LeakEvidence()


class SharedLeakShape(serializers.Serializer[Any]):
    """Something that no single process holds and the fleet leaks; rates by the second."""

    id = serializers.IntegerField()
    kind = serializers.ChoiceField(SHARED_KINDS)
    subject = serializers.CharField(help_text="A pattern of keys, an application's name, a command.")
    verdict = serializers.CharField()
    value = serializers.FloatField(help_text="How many there are.")
    since = serializers.DateTimeField()
    found_at = serializers.DateTimeField()
    seen_at = serializers.DateTimeField(help_text="When it was counted last.")
    ended_at = serializers.DateTimeField(allow_null=True)
    rate = serializers.FloatField()
    rate_low = serializers.FloatField(help_text="Of the band in which the rate lies with 95 % confidence.")
    rate_high = serializers.FloatField()
    points = serializers.ListField(
        child=serializers.ListField(child=serializers.FloatField()), help_text="[Unix seconds, how many]."
    )
    evidence = serializers.DictField(help_text="Of the kind: type, database, subscriptions, ages, pids.")


class NodeCoverageShape(serializers.Serializer[Any]):
    """Processes of one node."""

    node = serializers.CharField()
    host = serializers.CharField()
    children = serializers.IntegerField()
    below = serializers.IntegerField(help_text="Descendants of children, as sampled within three minutes.")
    strays = serializers.IntegerField()
    processes = serializers.IntegerField()
    share = serializers.FloatField(allow_null=True, help_text="From 0 to 1; null where nothing runs.")


class NodeCoverageListShape(serializers.Serializer[Any]):
    """Every node."""

    items = NodeCoverageShape(many=True)


class HealthCheckShape(serializers.Serializer[Any]):
    """What a child was asked, and what it answered."""

    id = serializers.IntegerField()
    key = serializers.CharField()
    tree = serializers.CharField()
    node = serializers.CharField(source="node_id")
    incarnation = serializers.IntegerField()
    name = serializers.CharField()
    kind = serializers.ChoiceField(CHECK_KINDS)
    state = serializers.ChoiceField(HEALTH)
    stale = serializers.SerializerMethodField()
    since = serializers.DateTimeField()
    checked_at = serializers.DateTimeField(allow_null=True)
    took_s = serializers.FloatField(allow_null=True)
    detail = serializers.CharField(allow_blank=True)
    failures = serializers.IntegerField(help_text="In a row.")
    successes = serializers.IntegerField(help_text="In a row.")
    interval_s = serializers.FloatField()
    timeout_s = serializers.FloatField()
    on_unhealthy = serializers.ChoiceField(list(ON_UNHEALTHY))

    def get_stale(self, check: HealthCheck) -> bool:
        return check.is_stale(timezone.now())
