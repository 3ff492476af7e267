"""Users, what they hold, tokens and links. Secrets are kept as hashes, and not even those are shown."""

from typing import Any

from django.contrib import admin
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from controlplane.access import services
from controlplane.access.actors import actor_of
from controlplane.access.models import Grant, LoginAllowance, LoginLink, Token
from controlplane.admin.acting import each
from controlplane.admin.facts import FactAdmin
from controlplane.admin.site import site
from controlplane.api.models import IdempotencyKey


@admin.register(User, site=site)
class UserAdmin(FactAdmin):
    list_display = ("username", "email", "is_active", "held", "last_login")
    list_filter = ("is_active",)
    search_fields = ("username", "email")
    ordering = ("username",)
    exclude = ("password", "groups", "user_permissions", "is_superuser", "is_staff")
    actions = ("deactivate", "activate")

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).prefetch_related("grants")

    @admin.display(description="holds")
    def held(self, user: User) -> str:
        return ", ".join(str(grant) for grant in user.grants.all())

    @admin.action(description="Deactivate: keep out, with all tokens")
    def deactivate(self, request: HttpRequest, rows: QuerySet[User]) -> None:
        actor = actor_of(request)
        each(
            request, rows, lambda row: services.set_active(user=row, active=False, actor=actor), "deactivated"
        )

    @admin.action(description="Activate again")
    def activate(self, request: HttpRequest, rows: QuerySet[User]) -> None:
        actor = actor_of(request)
        each(request, rows, lambda row: services.set_active(user=row, active=True, actor=actor), "activated")


@admin.register(Grant, site=site)
class GrantAdmin(FactAdmin):
    list_display = ("user", "role", "tree", "created_at")
    list_filter = ("role",)
    list_select_related = ("user",)
    search_fields = ("user__username", "tree")


@admin.register(Token, site=site)
class TokenAdmin(FactAdmin):
    list_display = ("name", "prefix", "user", "scopes", "tree", "expires_at", "last_used_at", "revoked_at")
    list_filter = (("revoked_at", admin.EmptyFieldListFilter),)
    list_select_related = ("user",)
    search_fields = ("name", "user__username", "prefix")
    exclude = ("token_hash",)
    actions = ("revoke",)

    @admin.action(description="Revoke")
    def revoke(self, request: HttpRequest, rows: QuerySet[Token]) -> None:
        actor, now = actor_of(request), timezone.now()
        each(request, rows, lambda row: services.revoke_token(token=row, now=now, actor=actor), "revoked")


@admin.register(LoginLink, site=site)
class LoginLinkAdmin(FactAdmin):
    list_display = ("user", "created_at", "expires_at", "used_at")
    list_select_related = ("user",)
    exclude = ("token_hash",)


@admin.register(LoginAllowance, site=site)
class LoginAllowanceAdmin(FactAdmin):
    list_display = ("key", "spent_until")


@admin.register(IdempotencyKey, site=site)
class IdempotencyKeyAdmin(FactAdmin):
    list_display = ("principal", "route", "key", "status", "claimed_at")
    exclude = ("body", "headers")
