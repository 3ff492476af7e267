"""Users, grants and tokens: what is refused, and that an admin is always left."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from controlplane.access import services
from controlplane.access.backends import PolicyBackend
from controlplane.access.exceptions import AccessConflictError, InvalidAccessError
from controlplane.access.models import Grant, Token
from controlplane.access.policy import Role, Scope
from supervision.auditlog.models import AuditEntry
from tests.support import people

pytestmark = pytest.mark.django_db


def test_a_name_is_taken_once_and_has_to_be_a_name() -> None:
    people.user("ada")
    with pytest.raises(AccessConflictError, match="ada"):
        people.user("ada")
    for name in ("", "a b", "x" * 151, "nul\0"):
        with pytest.raises(InvalidAccessError):
            people.user(name)


@pytest.mark.parametrize("password", ["", "short", "123456789012345", "qwertyuiop", "ada-lovelace-x1"])
def test_a_weak_password_is_refused_with_a_reason(password: str) -> None:
    ada = people.user("ada-lovelace-x")
    with pytest.raises(InvalidAccessError) as refusal:
        services.set_password(user=ada, password=password, actor=people.SOMEBODY)
    assert refusal.value.field == "password"
    ada.refresh_from_db()
    assert not ada.has_usable_password()


def test_grants_are_replaced_and_make_staff() -> None:
    people.admin("root")
    ada = people.user("ada", (Role.VIEWER, "shop"))
    services.set_grants(user=ada, grants=[(Role.ADMIN, ""), (Role.VIEWER, "bank")], actor=people.SOMEBODY)
    ada.refresh_from_db()
    assert ada.is_staff
    assert set(ada.grants.values_list("role", "tree")) == {("admin", ""), ("viewer", "bank")}
    services.set_grants(user=ada, grants=[(Role.ADMIN, "shop")], actor=people.SOMEBODY)
    ada.refresh_from_db()
    assert not ada.is_staff
    with pytest.raises(InvalidAccessError):
        services.set_grants(user=ada, grants=[(Role.ADMIN, "x"), (Role.VIEWER, "x")], actor=people.SOMEBODY)


def test_the_last_admin_stays() -> None:
    root = people.admin("root")
    for change in (
        lambda: services.set_grants(user=root, grants=[(Role.VIEWER, "")], actor=people.SOMEBODY),
        lambda: services.set_active(user=root, active=False, actor=people.SOMEBODY),
        lambda: services.delete_user(user=User.objects.get(pk=root.pk), actor=people.SOMEBODY),
    ):
        with pytest.raises(AccessConflictError, match="last admin"):
            change()
    assert Grant.objects.filter(user=root, role="admin").exists()
    root.refresh_from_db()
    assert root.is_active
    people.admin("second")
    services.set_grants(user=root, grants=[], actor=people.SOMEBODY)


def test_a_token_needs_a_scope_and_an_end() -> None:
    ada, now = people.user("ada"), timezone.now()
    for scopes, life in (((), 1), ((Scope.READ,), 0), ((Scope.READ,), -1), ((Scope.READ,), 400)):
        with pytest.raises(InvalidAccessError):
            services.create_token(
                user=ada,
                name="x",
                scopes=scopes,
                expires_at=now + timedelta(days=life),
                now=now,
                actor=people.SOMEBODY,
            )
    assert not Token.objects.exists()


def test_revoking_twice_is_one_entry_and_no_secret_is_in_the_log() -> None:
    text = people.token(people.user("ada"), Scope.READ)
    row = Token.objects.get()
    first = services.revoke_token(token=row, now=timezone.now(), actor=people.SOMEBODY).revoked_at
    assert services.revoke_token(token=row, now=timezone.now(), actor=people.SOMEBODY).revoked_at == first
    assert AuditEntry.objects.filter(action="token.revoke").count() == 1
    assert text not in str(list(AuditEntry.objects.values()))
    assert row.token_hash not in str(list(AuditEntry.objects.values()))


def test_djangos_question_gets_the_policys_answer() -> None:
    backend = PolicyBackend()
    viewer = people.user("vic", (Role.VIEWER, ""))
    one_tree = people.user("tom", (Role.ADMIN, "shop"))
    ada = people.admin()
    asked = ("controlplane.view_token", "controlplane.change_token", "supervision.delete_tree")
    assert [backend.has_perm(viewer, name) for name in asked] == [True, False, False]
    assert [backend.has_perm(one_tree, name) for name in asked] == [False, False, False]
    assert [backend.has_perm(ada, name) for name in asked] == [True, True, True]
    assert backend.has_module_perms(viewer, "supervision")
