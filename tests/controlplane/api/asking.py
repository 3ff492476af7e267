"""Who may ask the API, what one method of a route needs, and the status that the policy asks for."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from controlplane.access.models import Token
from controlplane.access.policy import Held, Permission, Principal, Role, Scope, TokenLimits
from tests.support import people

VIEW = Permission.VIEW
FLEET = ""


@dataclass(frozen=True)
class Row:
    """What one method of one route needs. `on`: the tree that is asked about, "" for what belongs to none; `needs`
    None: to be logged in, and what is answered is filtered."""

    needs: Permission | None
    on: str = FLEET
    status: int = 200
    path: dict[str, Any] = field(default_factory=dict)
    query: str = ""
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    own: bool = False
    """About what belongs to whoever asks; others' is not there for them."""


@dataclass(frozen=True)
class Asker:
    """Somebody: roles, and a token's limits where one is used. `broken`: a token that is none any more."""

    name: str
    grants: tuple[tuple[Role, str], ...] = ()
    scopes: tuple[Scope, ...] | None = None
    tree: str = ""
    broken: str = ""
    nobody: bool = False

    @property
    def principal(self) -> Principal:
        token = None if self.scopes is None else TokenLimits(1, "t", frozenset(self.scopes), self.tree)
        return Principal(1, self.name, tuple(Held(role, tree) for role, tree in self.grants), token)

    def client(self) -> Client:
        if self.nobody:
            return Client()
        owner = people.user(self.name, *self.grants)
        if self.scopes is None:
            return people.browser(owner)
        life = timedelta(seconds=-10 if self.broken == "expired" else 3600)
        text = people.token(owner, *self.scopes, tree=self.tree, life=life)
        if self.broken == "revoked":
            Token.objects.filter(user=owner).update(revoked_at=timezone.now())
        return people.bearer(text)


EVERYTHING = ((Role.ADMIN, ""),)
ASKERS = (
    Asker("anonymous", nobody=True),
    Asker("without-a-grant"),
    Asker("viewer", ((Role.VIEWER, ""),)),
    Asker("operator", ((Role.OPERATOR, ""),)),
    Asker("admin", EVERYTHING),
    Asker("viewer-of-shop", ((Role.VIEWER, "shop"),)),
    Asker("operator-of-shop", ((Role.OPERATOR, "shop"),)),
    Asker("admin-of-shop", ((Role.ADMIN, "shop"),)),
    Asker("admin-of-bank", ((Role.ADMIN, "bank"),)),
    Asker("token-read", EVERYTHING, (Scope.READ,)),
    Asker("token-upload", EVERYTHING, (Scope.UPLOAD,)),
    Asker("token-operate", EVERYTHING, (Scope.OPERATE,)),
    Asker("token-admin", EVERYTHING, (Scope.ADMIN,)),
    Asker("token-of-shop", EVERYTHING, (Scope.ADMIN,), tree="shop"),
    Asker("token-of-bank", EVERYTHING, (Scope.ADMIN,), tree="bank"),
    Asker("token-of-viewer", ((Role.VIEWER, ""),), (Scope.ADMIN,)),
    Asker("token-expired", EVERYTHING, (Scope.ADMIN,), broken="expired"),
    Asker("token-revoked", EVERYTHING, (Scope.ADMIN,), broken="revoked"),
)


def expected(row: Row, asker: Asker) -> int:
    """The status that the policy asks for, told without the API's code."""
    if asker.nobody or asker.broken:
        return 401
    who = asker.principal
    if row.needs is None or who.can(row.needs, row.on):
        return row.status
    if row.own:
        return 404
    if row.on and not who.can(VIEW, row.on):
        return 404
    return 403


def special(name: str, method: str, asker: Asker, usual: int) -> int:
    """What is not about a role on a tree."""
    by_token = asker.scopes is not None and not asker.broken
    if name in ("view", "views") and usual != 401:
        return _about_views(name, method, asker, usual, by_token=by_token)
    if (name, method) == ("my-password", "post") and by_token:
        return 403  # a token does not change its user's password
    if (name, method) == ("tokens", "post") and by_token:
        return 201 if Scope.ADMIN in (asker.scopes or ()) and not asker.tree else 403
    return usual


def _about_views(name: str, method: str, asker: Asker, usual: int, *, by_token: bool) -> int:
    """Somebody else's shared view of the processes, seen by whoever may open them; an admin at a keyboard deletes it."""
    opens = asker.principal.can_somewhere(VIEW)
    if (name, method) == ("views", "post"):
        return usual if opens and not by_token else 403
    if name == "view" and not opens:
        return 404
    if (name, method) == ("view", "delete"):
        return usual if asker.principal.can(Permission.ADMIN) and not by_token else 403
    return usual


@contextmanager
def undone() -> Iterator[None]:
    """What is written inside is taken back."""
    with transaction.atomic():
        point = transaction.savepoint()
        yield
        transaction.savepoint_rollback(point)


def ask(client: Client, name: str, method: str, row: Row, ids: dict[str, Any]) -> Any:
    path = {key: ids.get(str(value), value) for key, value in row.path.items()}
    if name in ("token", "user", "user-login-link"):
        path = {"id": ids[name.partition("-")[0]]}
    url = reverse(f"api:{name}", kwargs=path) + (f"?{row.query}" if row.query else "")
    body = row.body
    if (name, method) == ("tokens", "post"):
        body = {**body, "expires_at": (timezone.now() + timedelta(minutes=5)).isoformat()}
    options: dict[str, Any] = {} if method == "get" else {"content_type": "application/json", **row.headers}
    if body is not None:
        options["data"] = body
    return getattr(client, method)(url, **options)
