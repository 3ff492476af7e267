"""Who asks, tokens, users and grants."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from django.conf import settings
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.urls import reverse
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from controlplane.access import services
from controlplane.access.models import Token
from controlplane.access.policy import Permission, Role, Scope, visible_trees
from controlplane.api import schema, shapes
from controlplane.api.endpoint import Endpoint
from controlplane.api.exceptions import Problem
from controlplane.api.pages import Listing, boolean, optional_integer
from controlplane.api.versions import answer, require_match, tag_of_body
from controlplane.filters.keyset import Order

TAG = ["people"]


class Me(Endpoint):
    needs = {"GET": None}

    @schema.says("Who asks, and what that allows", operation="me", answers={200: shapes.MeShape}, tags=TAG)
    def get(self, request: Request) -> Response:
        who = self.principal
        trees = visible_trees(who)
        return Response(
            {
                "user": who.name,
                "user_id": who.user_id,
                "grants": [{"role": held.role.value, "tree": held.tree} for held in who.grants],
                "token": who.token.name if who.token else None,
                "scopes": sorted(scope.value for scope in who.token.scopes) if who.token else None,
                "trees": None if trees is None else sorted(trees),
            }
        )


class MyPassword(Endpoint):
    needs = {"POST": None}

    @schema.says(
        "Set one's own password",
        operation="set_my_password",
        description="With a password set already, `current` has to be it. Other sessions end. Needs a session, not a token.",
        body=shapes.NewPassword,
        answers={204: None},
        parameters=[schema.KEY],
        errors=(409, 413, 415, 422),
        tags=TAG,
    )
    def post(self, request: Request) -> Response:
        def act() -> Response:
            body = shapes.read(shapes.NewPassword, request)
            if self.principal.token is not None:
                raise Problem("forbidden", "A token cannot change its user's password.")
            user = User.objects.get(pk=self.principal.user_id)
            if user.has_usable_password() and not user.check_password(body.get("current", "")):
                raise Problem.invalid("/current", "This is not the current password.")
            services.set_password(user=user, password=body["password"], actor=self.actor)
            services.keep_session(request._request, user)
            return Response(status=204)

        return self.once(request, act)


# -- tokens -------------------------------------------------------------------------------------------------------------


def render_token(token: Token) -> dict[str, Any]:
    return dict(shapes.TokenShape(token).data)


TOKENS = Listing({"newest": Order(("id",), descending=True), "oldest": Order(("id",))}, render_token)


class Tokens(Endpoint):
    """One's own tokens; an admin of every tree sees and revokes everybody's."""

    needs = {"GET": None, "POST": None}
    parameters = frozenset({"user", "valid"})
    is_list = True

    @schema.says(
        "List tokens",
        operation="list_tokens",
        answers={200: schema.page_of(shapes.TokenShape)},
        parameters=[
            *schema.page_parameters(list(TOKENS.orders)),
            schema.query("user", "Id of the user; others' need the permission admin.", kind=int),
            schema.query("valid", "Neither expired nor revoked.", kind=bool),
        ],
        tags=TAG,
    )
    def get(self, request: Request) -> Response:
        rows = visible_tokens(self)
        user = optional_integer(request, "user")
        if user is not None:
            rows = rows.filter(user_id=user)
        valid = boolean(request, "valid")
        if valid is not None:
            now = timezone.now()
            is_valid = rows.filter(revoked_at=None, expires_at__gt=now)
            rows = is_valid if valid else rows.exclude(pk__in=is_valid)
        return TOKENS.page(request, rows)

    @schema.says(
        "Make a token for oneself",
        operation="create_token",
        description="The token's text is in this answer and nowhere else.",
        body=shapes.NewToken,
        answers={201: shapes.NewTokenShape},
        parameters=[schema.KEY],
        errors=(409, 413, 415, 422),
        tags=TAG,
    )
    def post(self, request: Request) -> Response:
        made: list[str] = []

        def act() -> Response:
            body = shapes.read(shapes.NewToken, request)
            self._refuse_more_than_own(body)
            row, text = services.create_token(
                user=User.objects.get(pk=self.principal.user_id),
                name=body["name"],
                scopes=[Scope(scope) for scope in body["scopes"]],
                expires_at=body["expires_at"],
                now=timezone.now(),
                actor=self.actor,
                tree=body["tree"],
            )
            made.append(text)
            headers = {"Location": reverse("api:token", args=[row.pk])}
            return Response({**render_token(row), "token": None}, status=201, headers=headers)

        response = self.once(request, act)
        if made:
            response.data = {**response.data, "token": made[0]}
        return response

    def _refuse_more_than_own(self, body: Mapping[str, Any]) -> None:
        """A token that makes tokens must not make stronger or wider ones, or it would outlive its own revocation and end."""
        limits = self.principal.token
        if limits is None:
            return
        if Scope.ADMIN not in limits.scopes:
            raise Problem("forbidden", "Making tokens needs the scope admin.")
        if limits.tree and body["tree"] != limits.tree:
            raise Problem("forbidden", f"This token reaches {limits.tree} only.")
        own_end = Token.objects.get(pk=limits.id).expires_at
        if body["expires_at"] > own_end:
            raise Problem.invalid("/expires_at", "A token cannot make one that lives longer than itself.")


def visible_tokens(endpoint: Endpoint) -> QuerySet[Token]:
    rows = Token.objects.select_related("user")
    return (
        rows if endpoint.principal.can(Permission.ADMIN) else rows.filter(user_id=endpoint.principal.user_id)
    )


class TokenDetail(Endpoint):
    needs = {"GET": None, "DELETE": None}

    @schema.says("One token", operation="get_token", answers={200: shapes.TokenShape}, tags=TAG)
    def get(self, request: Request, id: int) -> Response:  # noqa: A002  the URL's word
        body = render_token(self._find(id))
        return answer(request, body, token_tag(body))

    @schema.says(
        "Revoke a token",
        operation="revoke_token",
        answers={204: None},
        parameters=[schema.IF_MATCH],
        errors=(412, 428),
        tags=TAG,
    )
    def delete(self, request: Request, id: int) -> Response:  # noqa: A002  the URL's word
        token = self._find(id)
        limits = self.principal.token
        if limits is not None and Scope.ADMIN not in limits.scopes and limits.id != token.pk:
            raise Problem("forbidden", "A token without the scope admin revokes only itself.")
        body = render_token(token)
        require_match(request, token_tag(body), lambda: body)
        services.revoke_token(token=token, now=timezone.now(), actor=self.actor)
        return Response(status=204)

    def _find(self, number: int) -> Token:
        token = visible_tokens(self).filter(pk=number).first()
        if token is None:
            raise Problem("not-found", f"There is no token {number}.")
        return token


def token_tag(body: Mapping[str, Any]) -> str:
    """Being used is no change."""
    return tag_of_body({name: value for name, value in body.items() if name != "last_used_at"})


# -- users --------------------------------------------------------------------------------------------------------------


def render_user(user: User) -> dict[str, Any]:
    return dict(shapes.UserShape(user).data)


def user_tag(body: Mapping[str, Any]) -> str:
    """Logging in is no change."""
    return tag_of_body({name: value for name, value in body.items() if name != "last_login"})


USERS = Listing({"name": Order(("username",)), "newest": Order(("id",), descending=True)}, render_user)


class Users(Endpoint):
    needs = {"GET": Permission.ADMIN, "POST": Permission.ADMIN}
    parameters = frozenset({"active", "name"})
    is_list = True

    @schema.says(
        "List users",
        operation="list_users",
        answers={200: schema.page_of(shapes.UserShape)},
        parameters=[
            *schema.page_parameters(list(USERS.orders)),
            schema.query("active", kind=bool),
            schema.query("name", "Exactly this name."),
        ],
        tags=TAG,
    )
    def get(self, request: Request) -> Response:
        rows = User.objects.prefetch_related("grants")
        active = boolean(request, "active")
        if active is not None:
            rows = rows.filter(is_active=active)
        name = request.query_params.get("name")
        if name is not None:
            rows = rows.filter(username=name)
        return USERS.page(request, rows)

    @schema.says(
        "Make a user",
        operation="create_user",
        description="Without a password: a login link, or an admin, sets the first one.",
        body=shapes.NewUser,
        answers={201: shapes.UserShape},
        parameters=[schema.KEY],
        errors=(409, 413, 415, 422),
        tags=TAG,
    )
    def post(self, request: Request) -> Response:
        def act() -> Response:
            body = shapes.read(shapes.NewUser, request)
            user = services.create_user(name=body["name"], email=body["email"], actor=self.actor)
            if body["grants"]:
                services.set_grants(user=user, grants=_grants(body["grants"]), actor=self.actor)
            shown = render_user(user)
            headers = {"Location": reverse("api:user", args=[user.pk]), "ETag": user_tag(shown)}
            return Response(shown, status=201, headers=headers)

        return self.once(request, act)


def _grants(given: list[Mapping[str, str]]) -> list[tuple[Role, str]]:
    return [(Role(grant["role"]), grant["tree"]) for grant in given]


class UserDetail(Endpoint):
    needs = {"GET": Permission.ADMIN, "PATCH": Permission.ADMIN, "DELETE": Permission.ADMIN}

    @schema.says("One user", operation="get_user", answers={200: shapes.UserShape}, tags=TAG)
    def get(self, request: Request, id: int) -> Response:  # noqa: A002  the URL's word
        body = render_user(find_user(id))
        return answer(request, body, user_tag(body))

    @schema.says(
        "Change a user",
        operation="change_user",
        description="`grants` replaces all of them. The last admin of every tree stays one.",
        body=shapes.UserChange,
        answers={200: shapes.UserShape},
        parameters=[schema.IF_MATCH],
        errors=(409, 412, 413, 415, 428),
        tags=TAG,
    )
    def patch(self, request: Request, id: int) -> Response:  # noqa: A002  the URL's word
        with services.changing(find_user(id)) as user:
            require_match(request, user_tag(render_user(user)), lambda: render_user(user))
            body = shapes.read(shapes.UserChange, request, partial=True)
            if "active" in body:
                services.set_active(user=user, active=body["active"], actor=self.actor)
            if "grants" in body:
                services.set_grants(user=user, grants=_grants(body["grants"]), actor=self.actor)
            if "password" in body:
                services.set_password(user=user, password=body["password"], actor=self.actor)
        shown = render_user(find_user(id))
        return answer(request, shown, user_tag(shown))

    @schema.says(
        "Remove a user",
        operation="delete_user",
        answers={204: None},
        parameters=[schema.IF_MATCH],
        errors=(409, 412, 428),
        tags=TAG,
    )
    def delete(self, request: Request, id: int) -> Response:  # noqa: A002  the URL's word
        with services.changing(find_user(id)) as user:
            require_match(request, user_tag(render_user(user)), lambda: render_user(user))
            services.delete_user(user=user, actor=self.actor)
        return Response(status=204)


class UserLoginLink(Endpoint):
    needs = {"POST": Permission.ADMIN}

    @schema.says(
        "Make a login link for a user",
        operation="create_login_link",
        description="Logs in once, within ten minutes.",
        answers={201: shapes.LinkShape},
        parameters=[schema.KEY],
        errors=(409, 422),
        tags=TAG,
    )
    def post(self, request: Request, id: int) -> Response:  # noqa: A002  the URL's word
        made: list[str] = []

        def act() -> Response:
            now, wanted = timezone.now(), find_user(id)
            if not wanted.is_active:
                raise Problem("conflict", f"{wanted.username} is deactivated.")
            user, text = services.make_login_link(name=wanted.username, now=now, actor=self.actor)
            path = reverse("login-link", args=[quote(text)]).removeprefix(settings.REACHABLE.prefix)
            made.append(settings.REACHABLE.public_url + path)
            shown = {"url": None, "user": user.username, "expires_at": (now + services.LINK_LIFE).isoformat()}
            return Response(shown, status=201)

        response = self.once(request, act)
        if made:
            response.data = {**response.data, "url": made[0]}
        return response


def find_user(number: int) -> User:
    user = User.objects.prefetch_related("grants").filter(pk=number).first()
    if user is None:
        raise Problem("not-found", f"There is no user {number}.")
    return user
