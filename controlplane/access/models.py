"""Rows of access: who holds which role where, tokens, login links, and how often somebody tried to log in."""

from datetime import datetime

from django.conf import settings
from django.db import models
from django.db.models import Q

from controlplane.access.policy import Role


class Grant(models.Model):
    """A role of a user on one tree, or on every tree (tree "")."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="grants")
    role = models.CharField(max_length=16, choices=[(role.value, role.value) for role in Role])
    tree = models.CharField(max_length=64, blank=True, default="", help_text="Empty: every tree.")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user", "tree"], name="grant_one_role_per_tree"),
            models.CheckConstraint(
                condition=Q(role__in=[role.value for role in Role]), name="grant_known_role"
            ),
        ]
        ordering = ["user_id", "tree"]

    def __str__(self) -> str:
        return f"{self.role} on {self.tree or 'every tree'}"


class Token(models.Model):
    """A program's credential. Only the SHA-256 of its text is kept; the text has 256 random bits, so no slow hash is
    needed."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="tokens")
    name = models.CharField(max_length=100)
    token_hash = models.CharField(max_length=64, unique=True, editable=False)
    prefix = models.CharField(
        max_length=16, editable=False, help_text="How the token begins, to recognise it by."
    )
    scopes = models.JSONField(default=list)
    tree = models.CharField(max_length=64, blank=True, default="", help_text="Empty: every tree.")
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["expires_at"], name="token_expires_at")]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"

    def is_valid(self, now: datetime) -> bool:
        """Neither revoked nor expired at `now`."""
        return self.revoked_at is None and now < self.expires_at


class LoginLink(models.Model):
    """A link that logs its user in once, within ten minutes."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="login_links")
    token_hash = models.CharField(max_length=64, unique=True, editable=False)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["expires_at"], name="login_link_expires_at")]

    def __str__(self) -> str:
        return f"login link of {self.user_id}"


class LoginAllowance(models.Model):
    """What is left of the attempts of one account or address: a bucket that is empty until `spent_until` minus its size.

    In PostgreSQL, not in Redis, because Redis may be wiped and a wiped limiter is an open door.
    """

    key = models.CharField(max_length=80, primary_key=True)
    spent_until = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["spent_until"], name="login_allowance_spent_until")]

    def __str__(self) -> str:
        return self.key
