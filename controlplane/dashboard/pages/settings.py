"""Settings: one's password and tokens; for admins, users and what they may."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.contrib import messages
from django.contrib.auth.models import User
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone

from controlplane.access import services
from controlplane.access.actors import actor_of
from controlplane.access.exceptions import AccessConflictError, InvalidAccessError
from controlplane.access.models import Grant, Token
from controlplane.access.policy import Permission, Role, Scope
from controlplane.dashboard.framework import Context, Page, PageRequest, show
from controlplane.dashboard.live.records import seconds
from supervision.trees import selectors

MOST_USERS = 500


class _WrongFieldError(Exception):
    """A field cannot be meant."""


def select(request: PageRequest) -> Context:
    principal = request.principal
    is_admin = principal.can(Permission.ADMIN)
    return {
        "grants": [{"role": held.role.value, "tree": held.tree} for held in principal.grants],
        "tokens": [
            _token(token) for token in Token.objects.filter(user_id=principal.user_id).order_by("-id")[:200]
        ],
        "new_token": None,
        "login_link": None,
        "users": _users() if is_admin else None,
        "roles": [role.value for role in Role],
        "trees": [
            name
            for name in selectors.trees().values_list("name", flat=True)
            if request.visible is None or name in request.visible
        ],
        "errors": [],
    }


def _token(token: Token) -> dict[str, Any]:
    return {
        "id": token.pk,
        "name": token.name,
        "prefix": token.prefix,
        "scopes": token.scopes,
        "tree": token.tree,
        "expires_at": seconds(token.expires_at),
        "last_used_at": seconds(token.last_used_at),
        "revoked_at": seconds(token.revoked_at),
    }


def _users() -> list[dict[str, Any]]:
    return [
        {
            "id": user.pk,
            "name": user.get_username(),
            "is_active": user.is_active,
            "last_login": seconds(user.last_login),
            "grants": [{"role": grant.role, "tree": grant.tree} for grant in user.grants.all()],
        }
        for user in User.objects.prefetch_related("grants").order_by("username")[:MOST_USERS]
    ]


# -- what the forms do --------------------------------------------------------------------------------------------------


def act(request: PageRequest) -> HttpResponse:
    do = _DEEDS.get(request.http.POST.get("do", ""))
    if do is None:
        raise Http404("There is no such form.")
    try:
        shown = do(request)
    except (_WrongFieldError, InvalidAccessError) as error:
        return show(PAGE, request, select(request) | {"errors": [{"detail": str(error)}]}, status=400)
    except AccessConflictError as error:
        return show(PAGE, request, select(request) | {"errors": [{"detail": str(error)}]}, status=409)
    if shown:
        return show(PAGE, request, select(request) | shown)
    return HttpResponseRedirect(reverse("settings"), status=303)


def _create_token(request: PageRequest) -> Context:
    post, now = request.http.POST, timezone.now()
    name, scope, tree = post.get("name", "").strip(), post.get("scope", ""), post.get("tree", "")
    if not name or len(name) > 100:
        raise _WrongFieldError("A token needs a name of at most 100 characters.")
    if scope not in set(Scope):
        raise _WrongFieldError("The scope is read, upload, operate or admin.")
    if tree and not request.principal.can(Permission.VIEW, tree):
        raise _WrongFieldError(f"You may not see a tree {tree}.")
    days = post.get("days", "")
    if not days.isdecimal() or len(days) > 4 or not 0 < int(days) <= 3650:
        raise _WrongFieldError("Days is a whole number from 1.")
    _row, text = services.create_token(
        user=_me(request),
        name=name,
        scopes=[Scope(scope)],
        expires_at=now + timedelta(days=int(days)),
        now=now,
        actor=actor_of(request.http),
        tree=tree,
    )
    return {"new_token": text}


def _revoke_token(request: PageRequest) -> None:
    token = Token.objects.filter(user=_me(request), pk=_id(request, "token")).first()
    if token is None:
        raise Http404("There is no such token.")
    services.revoke_token(token=token, now=timezone.now(), actor=actor_of(request.http))
    messages.success(request.http, f"The token {token.name} is revoked.")


def _password(request: PageRequest) -> None:
    post, user = request.http.POST, _me(request)
    if user.has_usable_password() and not user.check_password(post.get("current", "")):
        raise _WrongFieldError("The password that you have now is another.")
    services.set_password(user=user, password=post.get("password", ""), actor=actor_of(request.http))
    services.keep_session(request.http, user)
    messages.success(request.http, "The password is changed; every other session of yours has ended.")


def _create_user(request: PageRequest) -> Context:
    request.require(Permission.ADMIN)
    actor, name = actor_of(request.http), request.http.POST.get("name", "").strip()
    role = _role(request)
    user = services.create_user(name=name, actor=actor)
    services.set_grants(user=user, grants=[(role, "")], actor=actor)
    _user, text = services.make_login_link(name=name, now=timezone.now(), actor=actor)
    link = request.http.build_absolute_uri(reverse("login-link", args=[text]))
    messages.success(request.http, f"{name} logs in once, within ten minutes, by {link}")
    return {"login_link": link}


def _set_grant(request: PageRequest) -> None:
    request.require(Permission.ADMIN)
    user, tree, role = _user(request), request.http.POST.get("tree", ""), _role(request)
    _replace(request, user, tree, role)


def _remove_grant(request: PageRequest) -> None:
    request.require(Permission.ADMIN)
    _replace(request, _user(request), request.http.POST.get("tree", ""), None)


def _replace(request: PageRequest, user: User, tree: str, role: Role | None) -> None:
    with services.changing(user) as locked:
        kept = [
            (Role(grant.role), grant.tree) for grant in Grant.objects.filter(user=locked).exclude(tree=tree)
        ]
        wanted = [*kept, (role, tree)] if role is not None else kept
        services.set_grants(user=locked, grants=wanted, actor=actor_of(request.http))


def _deactivate(request: PageRequest) -> None:
    request.require(Permission.ADMIN)
    services.set_active(user=_user(request), active=False, actor=actor_of(request.http))


def _role(request: PageRequest) -> Role:
    text = request.http.POST.get("role", "")
    if text not in set(Role):
        raise _WrongFieldError("The role is viewer, operator or admin.")
    return Role(text)


def _user(request: PageRequest) -> User:
    user = User.objects.filter(pk=_id(request, "user")).first()
    if user is None:
        raise Http404("There is no such user.")
    return user


def _me(request: PageRequest) -> User:
    """The person of this session: a token has no settings."""
    if request.principal.token is not None:
        raise _WrongFieldError("A token cannot do this; log in.")
    return User.objects.get(pk=request.principal.user_id)


def _id(request: PageRequest, name: str) -> int:
    text = request.http.POST.get(name, "")
    return int(text) if text.isdecimal() and len(text) < 10 else 0


_DEEDS: dict[str, Callable[[PageRequest], Context | None]] = {
    "token-create": _create_token,
    "token-revoke": _revoke_token,
    "password": _password,
    "user-create": _create_user,
    "grant-set": _set_grant,
    "grant-remove": _remove_grant,
    "user-deactivate": _deactivate,
}

PAGE = Page(
    slug="settings",
    title="Settings",
    path="settings",
    template="dashboard/settings.html",
    select=select,
    act=act,
    g_key="s",
    order=70,
    may_open=lambda _principal: True,
)
