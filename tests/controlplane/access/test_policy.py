"""Who may do what: the whole table, without a store."""

import pytest

from controlplane.access.exceptions import ForbiddenError, HiddenError, LoginRequiredError
from controlplane.access.policy import (
    Held,
    Permission,
    Principal,
    Role,
    Scope,
    TokenLimits,
    require,
    tree_of,
    visible_trees,
)

VIEW, OPERATE, ADMIN = Permission.VIEW, Permission.OPERATE, Permission.ADMIN
UPLOAD = Permission.UPLOAD


def person(*grants: Held, token: TokenLimits | None = None) -> Principal:
    return Principal(1, "ada", grants, token)


def limits(*scopes: Scope, tree: str = "") -> TokenLimits:
    return TokenLimits(7, "ci", frozenset(scopes), tree)


@pytest.mark.parametrize(
    ("role", "allowed"),
    [(Role.VIEWER, {VIEW}), (Role.OPERATOR, {VIEW, UPLOAD, OPERATE}), (Role.ADMIN, set(Permission))],
)
@pytest.mark.parametrize("permission", list(Permission))
def test_a_role_on_every_tree_holds_on_each_and_on_what_belongs_to_none(
    role: Role, allowed: set[Permission], permission: Permission
) -> None:
    who = person(Held(role))
    assert who.can(permission, "shop") is (permission in allowed)
    assert who.can(permission) is (permission in allowed)


@pytest.mark.parametrize("role", list(Role))
def test_a_role_on_one_tree_holds_there_alone(role: Role) -> None:
    who = person(Held(role, "shop"))
    assert who.can(VIEW, "shop")
    assert not who.can(VIEW, "bank")
    assert not who.can(VIEW)


def test_the_strongest_of_several_grants_decides() -> None:
    who = person(Held(Role.VIEWER), Held(Role.ADMIN, "shop"))
    assert who.can(ADMIN, "shop")
    assert not who.can(OPERATE, "bank")
    assert who.can(VIEW, "bank")


@pytest.mark.parametrize(
    ("scopes", "allowed"),
    [
        ((Scope.READ,), {VIEW}),
        ((Scope.UPLOAD,), {UPLOAD}),
        ((Scope.READ, Scope.UPLOAD), {VIEW, UPLOAD}),
        ((Scope.OPERATE,), {VIEW, UPLOAD, OPERATE}),
        ((Scope.ADMIN,), set(Permission)),
        ((), set()),
    ],
)
def test_a_token_narrows_what_its_user_holds(scopes: tuple[Scope, ...], allowed: set[Permission]) -> None:
    who = person(Held(Role.ADMIN), token=limits(*scopes))
    assert {permission for permission in Permission if who.can(permission, "shop")} == allowed


def test_a_token_never_widens_it() -> None:
    who = person(Held(Role.VIEWER), token=limits(Scope.ADMIN))
    assert who.can(VIEW, "shop")
    assert not who.can(OPERATE, "shop")


def test_a_token_for_one_tree_reaches_that_tree_only() -> None:
    who = person(Held(Role.ADMIN), token=limits(Scope.ADMIN, tree="shop"))
    assert who.can(ADMIN, "shop")
    assert not who.can(VIEW, "bank")
    assert not who.can(VIEW)
    assert visible_trees(who) == frozenset({"shop"})


def test_visible_trees() -> None:
    assert visible_trees(person(Held(Role.VIEWER))) is None
    assert visible_trees(person(Held(Role.VIEWER, "a"), Held(Role.ADMIN, "b"))) == frozenset({"a", "b"})
    assert visible_trees(person()) == frozenset()
    narrowed = person(Held(Role.VIEWER, "a"), Held(Role.ADMIN, "b"), token=limits(Scope.READ, tree="c"))
    assert visible_trees(narrowed) == frozenset()


def test_what_a_page_may_offer() -> None:
    assert person(Held(Role.OPERATOR, "shop")).can_somewhere(OPERATE)
    assert not person(Held(Role.OPERATOR, "shop")).can_somewhere(ADMIN)
    assert not person(Held(Role.OPERATOR), token=limits(Scope.READ, tree="shop")).can_somewhere(OPERATE)


def test_require_says_what_the_edge_should_answer() -> None:
    who = person(Held(Role.VIEWER, "shop"))
    assert require(who, VIEW, "shop") is who
    with pytest.raises(LoginRequiredError):
        require(None, VIEW)
    with pytest.raises(ForbiddenError, match="operate on shop"):
        require(who, OPERATE, "shop")
    with pytest.raises(HiddenError, match="bank"):
        require(who, VIEW, "bank")
    with pytest.raises(ForbiddenError):
        require(who, VIEW)


def test_a_word_that_is_no_permission_is_an_error_not_a_no() -> None:
    with pytest.raises(ValueError, match="fly"):
        person(Held(Role.ADMIN)).can("fly")


def test_the_tree_of_a_key() -> None:
    assert (tree_of("shop/web/api@2"), tree_of("shop")) == ("shop", "shop")
