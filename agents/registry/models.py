"""Rows of the registry. A registration is somebody's only while its owner lives; a lookup asks the owner's own rows."""

from django.db import models

from supervision.fleet.models import Node
from supervision.journal.models import KEY_LENGTH

NAME_LENGTH = 200


class Registration(models.Model):
    """A key that somebody holds: an incarnation of a child, or a program outside of every tree that renews a lease.

    `epoch` is the fencing number of the key: it grows with every new holder, whatever the key, and a write may name it.
    """

    namespace = models.CharField(max_length=63)
    key = models.CharField(max_length=NAME_LENGTH)
    epoch = models.BigIntegerField()
    node = models.ForeignKey(Node, on_delete=models.CASCADE, null=True, related_name="registrations")
    tree = models.CharField(max_length=64, default="", blank=True)
    child = models.CharField(
        max_length=KEY_LENGTH, default="", blank=True, help_text="The owner's child key."
    )
    incarnation = models.BigIntegerField(default=0)
    holder = models.CharField(
        max_length=NAME_LENGTH, default="", blank=True, help_text="Who, outside of trees."
    )
    service = models.CharField(max_length=63, default="", blank=True, help_text="The service it provides.")
    ready = models.BooleanField(default=True)
    metadata = models.JSONField(default=dict)
    capabilities = models.JSONField(default=list)
    labels = models.JSONField(default=dict)
    registered_at = models.DateTimeField()
    lease_until = models.DateTimeField(null=True, help_text="Of a holder outside of trees.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["namespace", "key"], name="registration_one_holder"),
            models.CheckConstraint(
                condition=models.Q(node__isnull=True, lease_until__isnull=False)
                | models.Q(node__isnull=False, lease_until__isnull=True),
                name="registration_of_a_life_or_a_lease",
            ),
        ]
        indexes = [
            models.Index(fields=["node", "child"], name="registration_child"),
            models.Index(fields=["namespace", "service"], name="registration_service"),
        ]
        ordering = ["namespace", "key"]

    def __str__(self) -> str:
        return f"{self.namespace}/{self.key}"


class Service(models.Model):
    """A service by name: when it is ready. `version` grows with every change and is its ETag.

    One that nobody declared is ready as soon as one registration provides it.
    """

    namespace = models.CharField(max_length=63)
    name = models.CharField(max_length=63)
    description = models.TextField(default="", blank=True)
    depends_on = models.JSONField(default=list, help_text="Names of services of this namespace.")
    min_ready = models.PositiveIntegerField(default=1)
    version = models.BigIntegerField(default=1)
    changed_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["namespace", "name"], name="service_one_name")]
        ordering = ["namespace", "name"]

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"
