"""Saved views: whose they are, who sees them, what is refused, and what the audit log says."""

from typing import Any

import pytest
from django.contrib.auth.models import User

from controlplane.access.policy import Principal, Role
from controlplane.access.principals import principal_of_user
from controlplane.dashboard.framework import all_pages
from controlplane.savedviews import selectors
from controlplane.savedviews.exceptions import InvalidViewError, NameTakenError, NoViewError
from controlplane.savedviews.lists import SAVED
from controlplane.savedviews.models import SavedView
from controlplane.savedviews.services import MOST_VIEWS, ViewFields, delete_view, save_named, save_view
from supervision.auditlog.models import AuditEntry
from tests.support import people

pytestmark = pytest.mark.django_db


def principal(user: User) -> Principal:
    found = principal_of_user(user)
    assert found is not None
    return found


def save(owner: User, name: str, *, q: str = "", of: str = "procs", **fields: Any) -> SavedView:
    asked = ViewFields(list=of, name=name, q=q, **fields)
    return save_view(view=None, owner_id=owner.pk, fields=asked, actor=people.SOMEBODY)


def test_a_list_opens_for_whom_its_page_opens() -> None:
    pages = {page.slug: page for page in all_pages()}
    roles = ((), ((Role.VIEWER, "shop"),), ((Role.VIEWER, ""),), ((Role.ADMIN, "shop"),), ((Role.ADMIN, ""),))
    for number, grants in enumerate(roles):
        who = principal(people.user(f"user{number}", *grants))
        for of in SAVED.values():
            assert of.opens_for(who) == pages[of.page].may_open(who), (of.name, grants)


def test_one_sees_ones_own_and_what_others_share_of_lists_that_one_may_open() -> None:
    ada, grace = people.admin("ada"), people.user("grace", (Role.VIEWER, "shop"))
    save(ada, "private")
    shared = save(ada, "shared", is_shared=True)
    save(ada, "who did it", of="audit", is_shared=True)
    own = save(grace, "zoo")
    assert selectors.views_of(principal(grace), "procs") == [own, shared]
    assert selectors.views_of(principal(grace), "audit") == []
    assert [view.name for view in selectors.views(principal(ada)).order_by("name")] == [
        "private", "shared", "who did it",
    ]  # fmt: skip
    with pytest.raises(NoViewError):
        selectors.get_view(own.pk, principal(ada))
    assert not selectors.may_change(shared, principal(grace))
    assert not selectors.may_delete(shared, principal(grace))


def test_names_are_unique_for_each_owner_and_list() -> None:
    ada, grace = people.admin("ada"), people.admin("grace")
    save(ada, "trouble")
    save(grace, "trouble")
    save(ada, "trouble", of="tree")
    with pytest.raises(NameTakenError):
        save(ada, "trouble", q="state:failed")
    fields = ViewFields(list="procs", name="trouble", q="state:failed")
    replaced, is_new = save_named(owner_id=ada.pk, fields=fields, actor=people.SOMEBODY)
    assert (is_new, replaced.q, replaced.version) == (False, "state:failed", 2)
    assert SavedView.objects.count() == 3


def test_a_list_has_one_default_for_each_owner() -> None:
    ada, grace = people.admin("ada"), people.admin("grace")
    first = save(ada, "first", is_default=True)
    save(grace, "theirs", is_default=True)
    save(ada, "of another list", of="tree", is_default=True)
    second = save(ada, "second", is_default=True)
    first.refresh_from_db()
    assert (first.is_default, second.is_default) == (False, True)
    assert SavedView.objects.filter(is_default=True).count() == 3


@pytest.mark.parametrize(
    ("fields", "field", "words"),
    [
        ({"list": "nothing"}, "list", "procs"),
        ({"name": "  "}, "name", "1 to 60"),
        ({"name": "two\nlines"}, "name", "one line"),
        ({"q": "state:blue"}, "q", "at character 7"),
        ({"q": "x" * 1001}, "q", "1000"),
        ({"sort": "-colour"}, "sort", "restarts"),
        ({"list": "alerts", "sort": "age"}, "sort", "nothing"),
        ({"hidden": "key"}, "hidden", "restarts"),
        ({"hidden": "exit,node"}, "hidden", "in this order"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_its_field(
    fields: dict[str, Any], field: str, words: str
) -> None:
    ada = people.admin()
    asked = ViewFields(**{"list": "procs", "name": "n", **fields})
    with pytest.raises(InvalidViewError, match=words) as refused:
        save_view(view=None, owner_id=ada.pk, fields=asked, actor=people.SOMEBODY)
    assert refused.value.field == field
    assert not SavedView.objects.exists()


def test_somebody_has_no_more_views_than_anybody_can_read() -> None:
    ada = people.admin()
    SavedView.objects.bulk_create(
        SavedView(owner=ada, list="procs", name=f"view {number}") for number in range(MOST_VIEWS)
    )
    with pytest.raises(InvalidViewError, match="already"):
        save(ada, "one more")


def test_the_audit_log_says_who_saved_and_deleted_what() -> None:
    view = save(people.admin(), "trouble", q="state:failed", is_shared=True)
    delete_view(view=view, actor=people.SOMEBODY)
    with pytest.raises(NoViewError):
        delete_view(view=view, actor=people.SOMEBODY)
    entries = AuditEntry.objects.filter(action__startswith="view.").order_by("seq")
    assert [(one.action, one.target) for one in entries] == [
        ("view.save", "procs/trouble"),
        ("view.delete", "procs/trouble"),
    ]
    assert entries[0].details["filter"] == "state:failed"


def test_a_view_whose_filter_is_none_any_more_says_so() -> None:
    view = save(people.admin(), "old", q="state:failed")
    assert view.problem == ""
    view.q = "colour:red"  # as if the field had been taken out since
    assert view.problem.startswith("there is no field colour here")
    assert view.problem.endswith("at character 1")
    view.list = "gone"
    assert view.problem == "there is no such list any more"


def test_who_is_deleted_leaves_no_view() -> None:
    ada = people.admin()
    save(ada, "shared", is_shared=True)
    ada.delete()
    assert not SavedView.objects.exists()
