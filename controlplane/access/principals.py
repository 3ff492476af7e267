"""From rows to a Principal: of a session's user, or of a token."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser, User
from django.db.models import Q
from django.http import HttpRequest

from controlplane.access.credentials import TOKEN_PREFIX, digest
from controlplane.access.models import Grant, Token
from controlplane.access.policy import EVERY_TREE, Held, Permission, Principal, Role, Scope, TokenLimits

LAST_USED_EVERY = timedelta(minutes=1)
"""How exact `last_used_at` is: a write for each request would cost more than the request."""


def principal_of(request: HttpRequest) -> Principal | None:
    """Who asks, as PrincipalMiddleware found; None for nobody."""
    principal: Principal | None = getattr(request, "principal", None)
    return principal


def principal_of_user(user: AbstractBaseUser | AnonymousUser) -> Principal | None:
    """The principal of a logged-in user; None for nobody, and for a user who was deactivated."""
    if not isinstance(user, User) or not user.is_active:
        return None
    return Principal(user.pk, user.get_username(), _held(user))


def may_see_issues(user: User, tree: str) -> bool:
    """Whether a user may see the issues of a tree's project; of a project of no tree who may see every tree."""
    principal = principal_of_user(user)
    return principal is not None and principal.can(Permission.VIEW, tree or EVERY_TREE)


def principal_of_token(text: str, *, now: datetime) -> Principal | None:
    """The principal that a bearer token stands for; None when it is unknown, revoked, expired, or its user deactivated."""
    if not text.startswith(TOKEN_PREFIX) or len(text) > 200:
        return None
    token = Token.objects.select_related("user").filter(token_hash=digest(text)).first()
    if token is None or not token.is_valid(now) or not token.user.is_active:
        return None
    _mark_used(token, now)
    limits = TokenLimits(token.pk, token.name, frozenset(Scope(scope) for scope in token.scopes), token.tree)
    return Principal(token.user_id, token.user.get_username(), _held(token.user), limits)


def _held(user: User) -> tuple[Held, ...]:
    """A superuser, as `createsuperuser` makes one, is an admin of every tree."""
    grants: Iterable[Grant] = Grant.objects.filter(user=user)
    held = tuple(Held(Role(grant.role), grant.tree) for grant in grants)
    return (*held, Held(Role.ADMIN)) if user.is_superuser else held


def _mark_used(token: Token, now: datetime) -> None:
    if token.last_used_at is not None and now - token.last_used_at < LAST_USED_EVERY:
        return
    stale = Q(last_used_at=None) | Q(last_used_at__lt=now - LAST_USED_EVERY)
    Token.objects.filter(stale, pk=token.pk).update(last_used_at=now)
