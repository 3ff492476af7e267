"""Users, tokens and clients for tests of the edges: who may do what is said in one line."""

from datetime import timedelta

from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from controlplane.access import services
from controlplane.access.policy import Role, Scope
from supervision.auditlog.actor import Actor

SOMEBODY = Actor.local(0, "test")
PASSWORD = "correct horse battery staple"


class QuickHasher(PBKDF2PasswordHasher):
    """Django's hasher with one round, for tests that log in often."""

    algorithm = "quick"
    iterations = 1


def user(name: str, *grants: tuple[Role, str], password: str | None = None) -> User:
    """A user holding `grants`."""
    made = services.create_user(name=name, actor=SOMEBODY)
    if grants:
        services.set_grants(user=made, grants=grants, actor=SOMEBODY)
    if password is not None:
        services.set_password(user=made, password=password, actor=SOMEBODY)
    return made


def admin(name: str = "ada") -> User:
    return user(name, (Role.ADMIN, ""))


def token(
    owner: User, *scopes: Scope, tree: str = "", life: timedelta = timedelta(days=1), name: str = "test"
) -> str:
    """The text of a token of `owner`; already expired when `life` is negative."""
    now = timezone.now()
    made_at = now + min(life, timedelta(0)) - timedelta(seconds=1)
    expires_at = now + life
    _row, text = services.create_token(
        user=owner, name=name, scopes=scopes, expires_at=expires_at, now=made_at, actor=SOMEBODY, tree=tree
    )
    return text


def browser(owner: User | None = None) -> Client:
    """A client with a session of `owner`, or nobody's; CSRF is not enforced, as in Django's own test client."""
    client = Client()
    if owner is not None:
        client.force_login(owner)
    return client


def bearer(text: str) -> Client:
    """A client that sends the token with each request."""
    return Client(headers={"authorization": f"Bearer {text}"})
