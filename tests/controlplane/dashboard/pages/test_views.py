"""Saved views on pages and in REST: kept from a list's menu, opened by name, the default of a list, and the page of all."""

import pytest

from controlplane.access.policy import Role
from controlplane.savedviews.models import SavedView
from tests.controlplane.dashboard.facts import make_child, make_node, make_supervisor, make_tree
from tests.support import people

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def fleet() -> None:
    node = make_node()
    make_tree(node, "shop")
    make_supervisor(node, "shop", position=0)
    make_child(node, "shop/web", position=1, state="failed", pid=None)
    make_child(node, "shop/mail", position=2)


def test_what_a_list_shows_is_saved_and_opened_by_its_name() -> None:
    client = people.browser(people.admin())
    form = {"do": "save", "list": "procs", "name": "Trouble", "q": "state:failed", "sort": "-restarts"}
    answer = client.post("/views", form)
    assert (answer.status_code, answer["Location"]) == (303, "/processes?q=state%3Afailed&sort=-restarts")
    page = client.get(answer["Location"])
    assert page.context["kept"].current["name"] == "Trouble"
    assert [row["key"] for row in page.context["rows"]] == ["shop/web"]
    assert client.get("/processes?q=state:failed").context["kept"].current is None, "another order"
    assert [view["name"] for view in client.get("/processes").context["kept"].views] == ["Trouble"]
    assert client.get("/tree").context["kept"].views == []
    client.post("/views", {**form, "q": "state:failed held:true"})
    assert SavedView.objects.get().q == "state:failed held:true", "the name has another filter now"


def test_columns_that_are_not_shown_are_part_of_a_view() -> None:
    client = people.browser(people.admin())
    form = {"do": "save", "list": "procs", "name": "Short", "q": "", "hide": "node,pid"}
    answer = client.post("/views", form)
    assert answer["Location"] == "/processes?q=&hide=node%2Cpid"
    page = client.get(answer["Location"])
    assert b'data-hide="node pid"' in page.content
    assert page.context["kept"].current["name"] == "Short"
    assert client.get("/processes?q=").context["kept"].current is None
    assert b'data-hide="exit"' in client.get("/processes?hide=exit,nonsense").content


def test_a_default_is_what_a_list_opens_with_until_something_is_asked() -> None:
    client = people.browser(people.admin())
    form = {"do": "save", "list": "alerts", "name": "All", "q": "", "default": "on"}
    client.post("/views", form)
    opened = client.get("/alerts")
    assert (opened.status_code, opened["Location"]) == (302, "/alerts?q=")
    assert client.get("/alerts?q=state:open").context["q"] == "state:open"
    assert b"data-keeps" in client.get("/alerts?q=").content
    another = people.browser(people.user("grace", (Role.VIEWER, "")))
    assert another.get("/alerts").status_code == 200, "it is mine alone"
    SavedView.objects.update(q="colour:red")
    assert client.get("/alerts").status_code == 200, "a default that is no filter any more is passed over"
    assert b"no filter any more" in client.get("/alerts").content
    assert b"there is no field colour here" in client.get("/views").content


def test_a_filter_that_is_none_is_not_saved_and_stays_in_the_field() -> None:
    client = people.browser(people.admin())
    answer = client.post(
        "/views", {"do": "save", "list": "procs", "name": "n", "q": "state:blue"}, follow=True
    )
    assert b"at character 7" in answer.content
    assert answer.context["q"] == "state:blue"
    assert not SavedView.objects.exists()


def test_only_its_owner_changes_a_view_and_an_admin_deletes_what_is_shared() -> None:
    grace = people.user("grace", (Role.VIEWER, ""))
    owner, viewer = people.browser(grace), people.browser(people.user("lin", (Role.VIEWER, "")))
    for name, more in (("shared", {"shared": "on"}), ("private", {})):
        owner.post("/views", {"do": "save", "list": "tree", "name": name, "q": "", **more})
    shared, private = (SavedView.objects.get(name=name) for name in ("shared", "private"))
    change = {"do": "change", "id": shared.pk, "name": "mine", "q": "state:failed"}
    assert viewer.post("/views", change).status_code == 403
    assert viewer.post("/views", {"do": "delete", "id": shared.pk}).status_code == 403
    assert viewer.post("/views", {"do": "delete", "id": private.pk}).status_code == 404
    assert b"shared" in viewer.get("/views").content
    assert b"private" not in viewer.get("/views").content
    assert owner.post("/views", change).status_code == 303
    shared.refresh_from_db()
    assert (shared.name, shared.q, shared.is_shared) == ("mine", "state:failed", False)
    SavedView.objects.filter(pk=shared.pk).update(is_shared=True)
    admin = people.browser(people.admin())
    assert admin.post("/views", {"do": "delete", "id": shared.pk}).status_code == 303
    assert admin.post("/views", {"do": "delete", "id": private.pk}).status_code == 404
    assert list(SavedView.objects.all()) == [private]


def test_rest_makes_changes_and_deletes_views_with_their_versions() -> None:
    client = people.browser(people.admin())
    body = {"list": "issues", "name": "Mine", "filter": "assignee:ada", "shared": True}
    made = client.post("/api/v1/views", body, content_type="application/json")
    assert made.status_code == 201, made.content
    said = made.json()
    assert (said["url"], said["title"], said["problem"]) == ("/errors?q=assignee%3Aada", "Errors", "")
    again = client.post("/api/v1/views", body, content_type="application/json")
    assert again.status_code == 409
    wrong = client.post(
        "/api/v1/views", {**body, "name": "n", "filter": "a:b"}, content_type="application/json"
    )
    assert (wrong.status_code, wrong.json()["errors"][0]["pointer"]) == (400, "/filter")
    address = made["Location"]
    changed = {**body, "filter": "open:true", "default": True}
    assert client.put(address, changed, content_type="application/json").status_code == 428
    put = client.put(address, changed, content_type="application/json", headers={"If-Match": made["ETag"]})
    assert (put.status_code, put.json()["default"]) == (200, True)
    stale = client.delete(address, headers={"If-Match": made["ETag"]})
    assert stale.status_code == 412
    assert [one["name"] for one in client.get("/api/v1/views?list=issues").json()["items"]] == ["Mine"]
    assert client.get("/api/v1/views?list=procs").json()["items"] == []
    assert client.delete(address, headers={"If-Match": put["ETag"]}).status_code == 204
