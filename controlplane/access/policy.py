"""Roles, permissions and scopes, and the one place that decides. Pure: rows are read elsewhere.

A role is held on one tree or on all of them (tree ""). What belongs to no tree (nodes, strays, users, the audit log)
asks for tree "", which only a grant on all trees answers. A token never allows more than its user holds at the moment
of use; its scopes and its tree only narrow that.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from controlplane.access.exceptions import ForbiddenError, HiddenError, LoginRequiredError

EVERY_TREE = ""


class Permission(StrEnum):
    """What an edge asks for: see; hand in what a CI job found; start, stop, restart, hold, signal, reload, add an instance;
    declare and administer."""

    VIEW = "view"
    UPLOAD = "upload"
    OPERATE = "operate"
    ADMIN = "admin"


class Role(StrEnum):
    """What a user holds, on one tree or on all."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"


class Scope(StrEnum):
    """What a token is for. `operate` includes `read` and `upload`, `admin` everything; `upload` (CI jobs) reads nothing."""

    READ = "read"
    UPLOAD = "upload"
    OPERATE = "operate"
    ADMIN = "admin"


ROLE_ALLOWS: dict[Role, frozenset[Permission]] = {
    Role.VIEWER: frozenset({Permission.VIEW}),
    Role.OPERATOR: frozenset({Permission.VIEW, Permission.UPLOAD, Permission.OPERATE}),
    Role.ADMIN: frozenset(Permission),
}
SCOPE_ALLOWS: dict[Scope, frozenset[Permission]] = {
    Scope.READ: frozenset({Permission.VIEW}),
    Scope.UPLOAD: frozenset({Permission.UPLOAD}),
    Scope.OPERATE: frozenset({Permission.VIEW, Permission.UPLOAD, Permission.OPERATE}),
    Scope.ADMIN: frozenset(Permission),
}


@dataclass(frozen=True, slots=True)
class Held:
    """A role on a tree; tree "" is every tree."""

    role: Role
    tree: str = EVERY_TREE

    def allows(self, permission: Permission, tree: str) -> bool:
        return permission in ROLE_ALLOWS[self.role] and self.tree in (EVERY_TREE, tree)


@dataclass(frozen=True, slots=True)
class TokenLimits:
    """How far a token reaches. `id` is its row."""

    id: int
    name: str
    scopes: frozenset[Scope]
    tree: str = EVERY_TREE

    def allows(self, permission: Permission, tree: str) -> bool:
        return self.tree in (EVERY_TREE, tree) and any(
            permission in SCOPE_ALLOWS[scope] for scope in self.scopes
        )


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks: a user's session, or one of the user's tokens."""

    user_id: int
    name: str
    grants: tuple[Held, ...]
    token: TokenLimits | None = None

    @property
    def caller(self) -> str:
        """Names the session's user or the token: what is counted and remembered for each of them apart."""
        return f"user:{self.user_id}" if self.token is None else f"token:{self.token.id}"

    def can(self, permission: Permission | str, tree: str = EVERY_TREE) -> bool:
        """Whether `permission` is held on `tree`; tree "" asks for what belongs to no tree."""
        wanted = Permission(permission)
        if self.token is not None and not self.token.allows(wanted, tree):
            return False
        return any(held.allows(wanted, tree) for held in self.grants)

    def can_somewhere(self, permission: Permission | str) -> bool:
        """Whether `permission` is held on any tree at all: what a page may offer."""
        return any(self.can(permission, held.tree) for held in self._reaches())

    def _reaches(self) -> Iterable[Held]:
        if self.token is not None and self.token.tree != EVERY_TREE:
            return (Held(held.role, self.token.tree) for held in self.grants)
        return self.grants


def visible_trees(principal: Principal) -> frozenset[str] | None:
    """Names of the trees `principal` may see; None for every tree."""
    if principal.can(Permission.VIEW):
        return None
    return frozenset(
        held.tree for held in principal._reaches() if held.tree and principal.can(Permission.VIEW, held.tree)
    )


def tree_of(key: str) -> str:
    """The tree that a key belongs to."""
    return key.partition("/")[0]


def require(principal: Principal | None, permission: Permission | str, tree: str = EVERY_TREE) -> Principal:
    """`principal`, when it may. Raises LoginRequiredError without one; HiddenError where even the tree's existence is
    not its business, so that names cannot be probed; ForbiddenError where it may look and no more."""
    if principal is None:
        raise LoginRequiredError
    if principal.can(permission, tree):
        return principal
    if tree and not principal.can(Permission.VIEW, tree):
        raise HiddenError(f"there is no tree {tree}, or you may not see it")
    where = f" on {tree}" if tree else ""
    raise ForbiddenError(f"this needs the permission {Permission(permission)}{where}")
