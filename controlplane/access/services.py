"""Writes of access. Each is one transaction with its audit entry; none puts a secret into the log."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.models import User
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction
from django.db.models import Q
from django.http import HttpRequest

from controlplane.access import credentials
from controlplane.access.exceptions import AccessConflictError, InvalidAccessError
from controlplane.access.models import Grant, LoginLink, Token
from controlplane.access.notices import rights_change
from controlplane.access.policy import EVERY_TREE, Role, Scope
from supervision.auditlog import services as auditlog
from supervision.auditlog.actor import Actor

LINK_LIFE = timedelta(minutes=10)
LINK_PATH = "login/link/"
"""Below the instance's address; the secret part follows."""
LONGEST_TOKEN_LIFE = timedelta(days=366)
FIRST_ADMIN = "admin"


# -- users --------------------------------------------------------------------------------------------------------------


@auditlog.audited()
def create_user(*, name: str, email: str = "", actor: Actor) -> User:
    """A user without a usable password and without a grant. Raises InvalidAccessError, AccessConflictError."""
    user = User(username=name, email=email)
    user.set_unusable_password()
    try:
        user.full_clean(exclude=["password"], validate_unique=False)
    except ValidationError as error:
        field, messages = next(iter(error.message_dict.items()))
        raise InvalidAccessError("name" if field == "username" else field, messages[0]) from None
    try:
        with transaction.atomic():
            user.save()
    except IntegrityError:
        raise AccessConflictError(f"there is a user {name} already") from None
    auditlog.record(actor=actor, action="user.create", target=name)
    return user


@auditlog.audited()
def set_active(*, user: User, active: bool, actor: Actor) -> User:
    """Let a user in again, or keep the user and all its tokens out. Raises AccessConflictError for the last admin."""
    with _KeepAnAdmin():
        user = User.objects.select_for_update().get(pk=user.pk)
        if user.is_active == active:
            return user
        user.is_active = active
        user.save(update_fields=["is_active"])
    rights_change()
    auditlog.record(
        actor=actor, action="user.activate" if active else "user.deactivate", target=user.username
    )
    return user


@auditlog.audited()
def delete_user(*, user: User, actor: Actor) -> None:
    """Remove a user with its grants and tokens; the audit log keeps the name. Raises AccessConflictError for the last
    admin."""
    name = user.username
    with _KeepAnAdmin():
        user.delete()
    rights_change()
    auditlog.record(actor=actor, action="user.delete", target=name)


@contextmanager
def changing(user: User) -> Iterator[User]:
    """The user's row, locked until what is done inside is committed: what is read there is what is changed."""
    with auditlog.audited():
        _lock_admins()
        yield User.objects.select_for_update().get(pk=user.pk)


def keep_session(request: HttpRequest, user: User) -> None:
    """After one's own password change: this session goes on, all others end."""
    update_session_auth_hash(request, user)


@auditlog.audited()
def set_password(*, user: User, password: str, actor: Actor) -> None:
    """Set a password; every other session of the user ends. Raises InvalidAccessError with what is wrong with it."""
    try:
        validate_password(password, user)
    except ValidationError as error:
        raise InvalidAccessError("password", " ".join(error.messages)) from None
    user.set_password(password)
    user.save(update_fields=["password"])
    rights_change()
    auditlog.record(actor=actor, action="user.password", target=user.username)


# -- grants -------------------------------------------------------------------------------------------------------------


@auditlog.audited()
def set_grants(*, user: User, grants: Iterable[tuple[Role, str]], actor: Actor) -> list[Grant]:
    """Replace what `user` holds. Raises InvalidAccessError for two roles on one tree, AccessConflictError when no admin
    would be left."""
    wanted = list(grants)
    trees = [tree for _role, tree in wanted]
    if len(trees) != len(set(trees)):
        raise InvalidAccessError("grants", "one role for each tree, please")
    with _KeepAnAdmin():
        User.objects.select_for_update().get(pk=user.pk)
        Grant.objects.filter(user=user).delete()
        rows = Grant.objects.bulk_create(
            Grant(user=user, role=role.value, tree=tree) for role, tree in wanted
        )
        _mark_staff(user)
    rights_change()
    details = {"grants": [{"role": role.value, "tree": tree} for role, tree in wanted]}
    auditlog.record(actor=actor, action="user.grant", target=user.username, details=details)
    return rows


def _mark_staff(user: User) -> None:
    """Django's admin asks for `is_staff`; only an admin of every tree has it."""
    is_admin = Grant.objects.filter(user=user, role=Role.ADMIN.value, tree=EVERY_TREE).exists()
    staff = is_admin or user.is_superuser
    if user.is_staff != staff:
        user.is_staff = staff
        user.save(update_fields=["is_staff"])


def _lock_admins() -> None:
    """Until the transaction ends. Always before a user's row, never behind one that its holder may need."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('controlplane.access.admins'))")


class _KeepAnAdmin:
    """Around a change that may take an admin away: raises AccessConflictError when it took the last one.

    An installation that nobody can administer is broken, not safe. One such change at a time, so that two admins cannot
    remove each other.
    """

    def __enter__(self) -> None:
        _lock_admins()
        self.had_one = _has_admin()

    def __exit__(self, kind: type[BaseException] | None, *_rest: object) -> None:
        if kind is None and self.had_one and not _has_admin():
            raise AccessConflictError("this is the last admin of every tree")


def _has_admin() -> bool:
    held = Q(grants__role=Role.ADMIN.value, grants__tree=EVERY_TREE) | Q(is_superuser=True)
    return User.objects.filter(held, is_active=True).exists()


# -- tokens -------------------------------------------------------------------------------------------------------------


@auditlog.audited()
def create_token(
    *,
    user: User,
    name: str,
    scopes: Iterable[Scope],
    expires_at: datetime,
    now: datetime,
    actor: Actor,
    tree: str = EVERY_TREE,
) -> tuple[Token, str]:
    """A token and its text, which is shown this once. Raises InvalidAccessError."""
    wanted = sorted(set(scopes))
    if not wanted:
        raise InvalidAccessError("scopes", "at least one scope")
    if not now < expires_at <= now + LONGEST_TOKEN_LIFE:
        raise InvalidAccessError("expires_at", f"between now and {LONGEST_TOKEN_LIFE.days} days from now")
    text = credentials.new_token()
    token = Token.objects.create(
        user=user,
        name=name,
        token_hash=credentials.digest(text),
        prefix=text[: credentials.SHOWN],
        scopes=[scope.value for scope in wanted],
        tree=tree,
        created_at=now,
        expires_at=expires_at,
    )
    details = {"scopes": token.scopes, "tree": tree, "expires_at": expires_at.isoformat(), "id": token.pk}
    auditlog.record(actor=actor, action="token.create", target=f"{user.username}/{name}", details=details)
    return token, text


@auditlog.audited()
def revoke_token(*, token: Token, now: datetime, actor: Actor) -> Token:
    """From now on it is refused. Repeating changes nothing."""
    if Token.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=now):
        target = f"{token.user.username}/{token.name}"
        auditlog.record(actor=actor, action="token.revoke", target=target, details={"id": token.pk})
        rights_change()
    token.refresh_from_db()
    return token


# -- login links --------------------------------------------------------------------------------------------------------


@auditlog.audited()
def make_login_link(*, name: str | None, now: datetime, actor: Actor) -> tuple[User, str]:
    """The user, and the secret part of a link that logs it in once within LINK_LIFE.

    Without a name: the first admin, who is made when there is none. Raises InvalidAccessError for an unknown or
    deactivated user.
    """
    user = _first_admin(actor) if name is None else User.objects.filter(username=name, is_active=True).first()
    if user is None:
        raise InvalidAccessError("user", f"there is no active user {name}")
    LoginLink.objects.filter(expires_at__lt=now).delete()
    text = credentials.new_link()
    LoginLink.objects.create(
        user=user, token_hash=credentials.digest(text), created_at=now, expires_at=now + LINK_LIFE
    )
    auditlog.record(actor=actor, action="login_link.create", target=user.username)
    return user, text


def _first_admin(actor: Actor) -> User:
    held = Grant.objects.filter(role=Role.ADMIN.value, tree=EVERY_TREE, user__is_active=True)
    first = held.select_related("user").order_by("user_id").first()
    if first is not None:
        return first.user
    superuser = User.objects.filter(is_superuser=True, is_active=True).order_by("pk").first()
    if superuser is not None:
        return superuser
    user = User.objects.filter(username=FIRST_ADMIN).first() or create_user(name=FIRST_ADMIN, actor=actor)
    if not user.is_active:
        set_active(user=user, active=True, actor=actor)
    set_grants(user=user, grants=[(Role.ADMIN, EVERY_TREE)], actor=actor)
    return user


@auditlog.audited()
def spend_login_link(*, text: str, now: datetime) -> User | None:
    """The user of a link that was valid until this call; None otherwise. Of two that race, one wins."""
    spent = LoginLink.objects.filter(
        token_hash=credentials.digest(text), used_at=None, expires_at__gt=now, user__is_active=True
    )
    link = spent.select_related("user").select_for_update(of=("self",)).first()
    if link is None:
        return None
    link.used_at = now
    link.save(update_fields=["used_at"])
    return link.user
