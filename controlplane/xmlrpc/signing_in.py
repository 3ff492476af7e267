"""Who calls: Basic authentication with a user's name and one of its API tokens, or its password."""

import base64
import binascii
import hashlib
import hmac
import secrets
from collections import OrderedDict
from dataclasses import dataclass, field

from django.contrib import auth
from django.contrib.auth.models import User
from django.http import HttpRequest
from django.utils import timezone

from controlplane.access import allowance
from controlplane.access.actors import actor_of_principal
from controlplane.access.credentials import TOKEN_PREFIX
from controlplane.access.policy import Principal
from controlplane.access.principals import principal_of_token, principal_of_user
from supervision.auditlog import services as auditlog
from supervision.auditlog.actor import Actor, ActorKind
from supervision.runtime.clock import SystemClock

REMEMBERED_S = 30.0
MOST_REMEMBERED = 1000


@dataclass(slots=True)
class Remembered:
    """Passwords that were right a moment ago: a client sends one with each call, and checking one is slow on purpose.

    Only a keyed digest is kept, by a key that lives as long as this process. A user who was deactivated or whose password
    changed is refused REMEMBERED_S later at the latest; grants are read anew each time.
    """

    key: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    known: OrderedDict[bytes, tuple[int, float]] = field(default_factory=OrderedDict)

    def user_id(self, name: str, password: str, now: float) -> int | None:
        found = self.known.get(self._digest(name, password))
        return found[0] if found is not None and found[1] > now else None

    def add(self, name: str, password: str, user_id: int, now: float) -> None:
        self.known[self._digest(name, password)] = (user_id, now + REMEMBERED_S)
        while len(self.known) > MOST_REMEMBERED:
            self.known.popitem(last=False)

    def _digest(self, name: str, password: str) -> bytes:
        return hmac.new(self.key, f"{name}\0{password}".encode(), hashlib.sha256).digest()


_remembered = Remembered()


def caller(request: HttpRequest) -> tuple[Principal, Actor] | None:
    """The principal behind the request's Authorization, and the actor for the audit log; None for nobody.

    Guessing is slowed down and recorded as at the login page.
    """
    given = credentials(request.headers.get("Authorization", ""))
    if given is None:
        return None
    name, secret = given
    principal = (
        _by_token(name, secret) if secret.startswith(TOKEN_PREFIX) else _by_password(request, name, secret)
    )
    if principal is None:
        return None
    ip = request.META.get("REMOTE_ADDR") or None
    return principal, actor_of_principal(principal, ip=ip, request_id=getattr(request, "request_id", None))


def credentials(header: str) -> tuple[str, str] | None:
    """Name and password of a Basic header."""
    scheme, _, text = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        name, colon, password = base64.b64decode(text.strip(), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return (name, password) if colon and name and password and "\0" not in name + password else None


def _by_token(name: str, text: str) -> Principal | None:
    """A token belongs to a user: the name has to be that user's."""
    principal = principal_of_token(text, now=timezone.now())
    return principal if principal is not None and principal.name == name else None


def _by_password(request: HttpRequest, name: str, password: str) -> Principal | None:
    now = SystemClock().boot()
    known = _remembered.user_id(name, password, now)
    if known is not None:
        return (
            principal_of_user(User.objects.get(pk=known)) if User.objects.filter(pk=known).exists() else None
        )
    ip = request.META.get("REMOTE_ADDR")
    for key, bucket in (
        (allowance.address_key(ip), allowance.ADDRESS),
        (allowance.account_key(name), allowance.ACCOUNT),
    ):
        if allowance.take(key, bucket) is not None:
            return None
    user = auth.authenticate(request, username=name, password=password)
    if not isinstance(user, User):
        is_known = User.objects.filter(username=name).exists()
        auditlog.record(
            actor=Actor(ActorKind.ANONYMOUS, "", "", ip or None),
            action="login",
            target=name if is_known else "(unknown name)",
            outcome="refused",
            details={"how": "supervisorctl"},
        )
        return None
    allowance.refill(allowance.account_key(name))
    _remembered.add(name, password, user.pk, now)
    return principal_of_user(user)
