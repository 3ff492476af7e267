"""Django's question `has_perm` (its admin asks it), answered by the one policy."""

from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser

from controlplane.access.policy import Permission
from controlplane.access.principals import principal_of_user


class PolicyBackend(ModelBackend):
    """Passwords as Django's backend does; permissions from grants alone, never from Django's own permission rows."""

    def has_perm(self, user_obj: Any, perm: str, obj: Any = None) -> bool:
        """Viewing needs `view` of every tree, everything else `admin`."""
        _app, _dot, name = perm.partition(".")
        return _may(user_obj, Permission.VIEW if name.startswith("view_") else Permission.ADMIN)

    def has_module_perms(self, user_obj: Any, app_label: str) -> bool:
        return _may(user_obj, Permission.VIEW)

    def get_user_permissions(self, user_obj: Any, obj: Any = None) -> set[str]:
        return set()

    def get_group_permissions(self, user_obj: Any, obj: Any = None) -> set[str]:
        return set()

    def get_all_permissions(self, user_obj: Any, obj: Any = None) -> set[str]:
        return set()


def _may(user: AbstractBaseUser | AnonymousUser, permission: Permission) -> bool:
    cached = getattr(user, "_overstory_principal", None)
    principal = cached or principal_of_user(user)
    user._overstory_principal = principal  # type: ignore[union-attr]  # for the life of one request's user object
    return principal is not None and principal.can(permission)
