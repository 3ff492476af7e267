"""Logging in and out of a browser session."""

from datetime import datetime

from django.contrib import auth
from django.contrib.auth.models import User
from django.http import HttpRequest

from controlplane.access import allowance
from controlplane.access.actors import actor_of
from controlplane.access.credentials import digest
from controlplane.access.exceptions import LinkSpentError, TooManyAttemptsError, WrongCredentialsError
from controlplane.access.models import LoginLink
from controlplane.access.notices import rights_change
from controlplane.access.principals import principal_of, principal_of_user
from controlplane.access.services import spend_login_link
from supervision.auditlog import services as auditlog

BACKEND = "controlplane.access.backends.PolicyBackend"


def log_in(request: HttpRequest, *, name: str, password: str) -> User:
    """A new session for the user. Takes as long for a user that does not exist as for a wrong password.

    Raises TooManyAttemptsError before the password is looked at, WrongCredentialsError.
    """
    _take(request, allowance.address_key(request.META.get("REMOTE_ADDR")), allowance.ADDRESS)
    _take(request, allowance.account_key(name), allowance.ACCOUNT)
    user = auth.authenticate(request, username=name, password=password)
    if not isinstance(user, User):
        known = User.objects.filter(
            username=name
        ).exists()  # what was typed may be a password: only real names are kept
        auditlog.record(
            actor=actor_of(request),
            action="login",
            target=name if known else "(unknown name)",
            outcome="refused",
        )
        raise WrongCredentialsError
    allowance.refill(allowance.account_key(name))
    _begin(request, user, how="password")
    return user


def log_in_by_link(request: HttpRequest, *, text: str, now: datetime) -> User:
    """A new session for the user of an unspent link. Raises LinkSpentError, TooManyAttemptsError."""
    _take(request, allowance.address_key(request.META.get("REMOTE_ADDR")), allowance.ADDRESS)
    user = spend_login_link(text=text, now=now)
    if user is None:
        auditlog.record(actor=actor_of(request), action="login", outcome="refused", details={"how": "link"})
        raise LinkSpentError
    _begin(request, user, how="link")
    return user


def link_is_open(*, text: str, now: datetime) -> bool:
    """Whether the link could be used now; looking at it (a mail scanner does) does not spend it."""
    return LoginLink.objects.filter(token_hash=digest(text), used_at=None, expires_at__gt=now).exists()


def log_out(request: HttpRequest) -> None:
    """End the session."""
    principal = principal_of(request)
    if principal is not None:
        auditlog.record(actor=actor_of(request), action="logout", target=principal.name)
    auth.logout(request)
    rights_change()


def _begin(request: HttpRequest, user: User, *, how: str) -> None:
    auth.login(request, user, backend=BACKEND)
    request.principal = principal_of_user(user)  # type: ignore[attr-defined]  # set for every request by PrincipalMiddleware
    auditlog.record(actor=actor_of(request), action="login", target=user.username, details={"how": how})


def _take(request: HttpRequest, key: str, bucket: allowance.Bucket) -> None:
    wait = allowance.take(key, bucket)
    if wait is not None:
        raise TooManyAttemptsError(wait)
