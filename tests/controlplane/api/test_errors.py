"""Issues, projects and monitors over REST."""

import datetime as dt
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from controlplane.access.policy import Role, Scope
from supervision.auditlog.models import AuditEntry
from supervision.errors.store import issues, joining
from supervision.errors.store.digesting import digest
from supervision.errors.store.models import ErrorDiscard, ErrorIssue, ErrorIssueStat, ErrorKey, ErrorProject
from supervision.errors.store.projects import create_project
from supervision.journal.models import Incarnation
from tests.controlplane.api import world
from tests.supervision.errors.store.error_rows import accepted, event
from tests.support import people

pytestmark = pytest.mark.django_db


@pytest.fixture
def client() -> Client:
    return people.bearer(people.token(people.admin(), Scope.ADMIN))


def _change(client: Client, path: str, body: dict[str, Any], method: str = "patch") -> Any:
    options = {"HTTP_IF_MATCH": "*"} if method == "patch" else {}
    return getattr(client, method)(f"/api/v1/{path}", body, content_type="application/json", **options)


def _issues(*functions: str) -> None:
    project = create_project(slug="shop", tree="shop", actor=people.SOMEBODY)
    now = timezone.now()
    for number, function in enumerate(functions, 1):
        accepted(project, event(function=function), number=number, at=now, child="shop/web")
        digest(now=now)


def _titles(client: Client, query: str) -> list[str]:
    answer = client.get(f"/api/v1/error_issues?filter={query}")
    assert answer.status_code == 200, answer.content
    return [item["short_id"] for item in answer.json()["items"]]


def test_issues_are_found_by_the_grammar_of_the_page(client: Client) -> None:
    _issues("load", "save", "gone")
    ErrorIssue.objects.filter(number=3).update(status="resolved")
    ErrorIssue.objects.filter(number=2).update(assignee=people.user("eve"))
    assert _titles(client, "") == ["SHOP-3", "SHOP-2", "SHOP-1"]
    assert _titles(client, "open:true") == ["SHOP-2", "SHOP-1"]
    assert _titles(client, "status:resolved child:shop/web level:error") == ["SHOP-3"]
    assert _titles(client, "assignee:eve") == ["SHOP-2"]
    assert _titles(client, "save first_seen:<1d events:>=1") == ["SHOP-2"]
    assert client.get("/api/v1/error_issues?filter=color:red").json()["errors"][0]["pointer"] == "filter"


def test_one_issue_is_resolved_assigned_commented_merged_and_parted(client: Client) -> None:
    _issues("load", "save")
    people.user("eve", (Role.OPERATOR, "shop"))
    body = {"status": "resolved", "release": "1.2", "assignee": "eve"}
    changed = _change(client, "error_issues/shop-1", body).json()
    assert (changed["status"], changed["resolved_in"], changed["assignee"]) == ("resolved", "1.2", "eve")
    assert _change(client, "error_issues/SHOP-1", {"assignee": "nobody"}).status_code == 400
    assert _change(client, "error_issues/SHOP-1", {"status": "new"}).status_code == 400
    assert _change(client, "error_issues/SHOP-1", {}).status_code == 400
    assert _change(client, "error_issues/SHOP-1/comments", {"text": "why?"}, "post").status_code == 201
    merging: dict[str, Any] = {"others": ["SHOP-2"]}
    asked = _change(client, "error_issues/SHOP-1/merge", merging, "post").json()
    assert [asked[name] for name in ("matched", "events", "changed", "moved")] == [1, 1, 0, 0]
    assert asked["issue"]["count"] == 1
    merged = _change(client, "error_issues/SHOP-1/merge", {**merging, "dry_run": False}, "post").json()
    assert [merged[name] for name in ("matched", "events", "changed", "moved")] == [1, 1, 1, 1]
    assert merged["issue"]["count"] == 2
    shown = client.get("/api/v1/error_issues/SHOP-1").json()
    assert [each["kind"] for each in shown["activity"]][:2] == ["merged", "comment"]
    hashes = [each["hash"] for each in shown["hashes"]]
    parted = _change(client, "error_issues/SHOP-1/part", {"hashes": hashes[:1]}, "post")
    assert (parted.status_code, parted.json()["short_id"]) == (201, "SHOP-3")
    deeds = set(AuditEntry.objects.filter(tree="shop").values_list("action", flat=True))
    assert {"error_issue.resolved", "error_issue.assign", "error_issue.comment", "error_issue.merge"} <= deeds


def test_issues_are_found_by_tags_and_users_of_their_events(client: Client) -> None:
    _issues("load")
    project = ErrorProject.objects.get(slug="shop")
    now = timezone.now()
    for number, (function, region, user) in enumerate(
        (("save", "eu", "ada"), ("save", "us", "bob"), ("drop", "us", "ada"))
    ):
        body = event(function=function, tags={"region": region}, user={"id": user})
        accepted(project, body, number=500 + number, at=now + dt.timedelta(seconds=number))
    digest(now=now)
    assert _titles(client, "tag:region=eu") == ["SHOP-2"]
    assert _titles(client, "tag:us -user:bob") == ["SHOP-3"]
    assert _titles(client, "user:ada") == ["SHOP-3", "SHOP-2"]
    assert _titles(client, "tag:zone=eu") == []
    assert _titles(client, "tag:region=~e") == []
    assert _titles(client, "users:>1") == ["SHOP-2"]


def test_what_an_issue_waits_for_is_said_and_what_cannot_be_meant_names_its_field(client: Client) -> None:
    _issues("load")
    until = {
        "status": "archived",
        "until_events": 10,
        "until_escalating": True,
        "until_at": "2100-01-01T00:00:00Z",
    }
    archived = _change(client, "error_issues/SHOP-1", until).json()
    assert (archived["until_count"], archived["until_per_hour"], archived["until_at"]) == (
        11,
        10,
        "2100-01-01T00:00:00Z",
    )
    resolved = _change(client, "error_issues/SHOP-1", {"status": "resolved", "in_next_release": True}).json()
    assert (resolved["in_next_release"], resolved["until_count"]) == (True, None)
    for wrong, field in (
        ({"status": "resolved", "until_events": 1}, "until"),
        ({"status": "archived", "until_at": "2000-01-01T00:00:00Z"}, "until"),
        ({"status": "archived", "until_events": 0}, "until_events"),
        ({"status": "archived", "in_next_release": True}, "in_next_release"),
        ({"status": "resolved", "in_next_release": True, "release": "1"}, "in_next_release"),
    ):
        answer = _change(client, "error_issues/SHOP-1", wrong)
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (400, f"/{field}")


def test_a_project_says_how_much_it_keeps_and_how_it_groups(client: Client) -> None:
    _issues("load")
    changed = _change(client, "error_projects/shop", {"most_events": 500, "algorithm": "g1"}).json()
    assert (changed["most_events"], changed["algorithm"], changed["former_until"]) == (500, "g1", None)
    assert _change(client, "error_projects/shop", {"algorithm": "g9"}).status_code == 400
    assert _change(client, "error_projects/shop", {"most_events": -1}).status_code == 400


def test_a_project_says_what_is_scrubbed_and_what_cannot_be_meant_names_its_field(client: Client) -> None:
    wishes = {
        "scrub_emails": True,
        "scrub_addresses": True,
        "never_scrubbed": ["token_count"],
        "always_scrubbed": ["code"],
    }
    made = _change(client, "error_projects", {"slug": "shop", **wishes}, "post").json()
    assert {name: made[name] for name in wishes} == wishes
    changed = _change(client, "error_projects/shop", {"never_scrubbed": ["author_key"]}).json()
    assert (changed["never_scrubbed"], changed["always_scrubbed"]) == (["author_key"], ["code"])
    for wrong, field in (
        ({"always_scrubbed": ["authorKey"]}, "/always_scrubbed"),
        ({"never_scrubbed": ["a"] * 101}, "/never_scrubbed"),
        ({"never_scrubbed": ["a" * 101]}, "/never_scrubbed/0"),
        ({"scrub_emails": "perhaps"}, "/scrub_emails"),
    ):
        answer = _change(client, "error_projects/shop", wrong)
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (400, field)


def test_what_was_not_stored_is_told_by_the_hour(client: Client) -> None:
    project = create_project(slug="shop", tree="shop", actor=people.SOMEBODY)
    hour = timezone.now().replace(minute=0, second=0, microsecond=0)
    for hours_ago, reason in ((0, "quota"), (5, "client: sample_rate")):
        row = {
            "hour": hour - dt.timedelta(hours=hours_ago),
            "category": "error",
            "reason": reason,
            "count": 3,
        }
        ErrorDiscard.objects.create(project=project, **row)
    told = client.get("/api/v1/error_projects/shop/discards").json()
    assert [(item["reason"], item["in_sdk"], item["is_loss"], item["count"]) for item in told["items"]] == [
        ("quota", False, True, 3),
        ("client: sample_rate", True, False, 3),
    ]
    assert told["is_whole"] is True
    assert len(client.get("/api/v1/error_projects/shop/discards?hours=5").json()["items"]) == 1
    for wrong in ("0", "721", "x"):
        assert client.get(f"/api/v1/error_projects/shop/discards?hours={wrong}").status_code == 400
    assert client.get("/api/v1/error_projects/none/discards").status_code == 404


def test_a_merge_leads_to_where_the_issue_is_now_and_one_into_itself_names_its_field(client: Client) -> None:
    _issues("load", "save", "gone")

    def merged(into: str, other: str, **more: Any) -> Any:
        return _change(client, f"error_issues/{into}/merge", {"others": [other], **more}, "post")

    assert merged("SHOP-1", "SHOP-2", dry_run=False).status_code == 200
    done = merged("SHOP-2", "SHOP-3", dry_run=False).json()
    assert (done["moved"], done["issue"]["short_id"]) == (1, "SHOP-1")
    refused = merged("SHOP-2", "SHOP-1")
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (400, "/others")


def test_what_a_filter_accepts_of_the_same_project_is_merged_and_never_more_than_is_bearable(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    _issues("load", "save", "gone", "other")
    bank = create_project(slug="bank", tree="bank", actor=people.SOMEBODY)
    accepted(bank, event(function="save"), number=99, at=timezone.now())
    digest(now=timezone.now())

    def merged(into: str, **said: Any) -> Any:
        return _change(client, f"error_issues/{into}/merge", said, "post")

    assert merged("SHOP-1", others=["SHOP-4"], dry_run=False).status_code == 200
    asked = merged("SHOP-4", filter="open:true")
    assert [asked.json()[name] for name in ("matched", "events", "changed")] == [2, 2, 0]
    monkeypatch.setattr(joining, "MOST_MERGED", 1)
    assert merged("SHOP-1", filter="open:true", dry_run=False).status_code == 409
    monkeypatch.undo()
    done = merged("SHOP-1", filter="open:true", dry_run=False).json()
    assert (done["changed"], done["issue"]["count"]) == (2, 4)
    assert _titles(client, "open:true") == ["BANK-1", "SHOP-1"]
    for wrong in ({}, {"others": ["SHOP-2"], "filter": "open:true"}):
        assert merged("SHOP-1", **wrong).json()["errors"][0]["pointer"] == "/others"
    assert merged("SHOP-1", filter="color:red").json()["errors"][0]["pointer"] == "/filter"


def test_many_are_counted_before_they_are_changed_and_only_those_that_may_be(client: Client) -> None:
    _issues("load", "save", "gone")
    bank = create_project(slug="bank", tree="bank", actor=people.SOMEBODY)
    accepted(bank, event(), number=99, at=timezone.now())
    digest(now=timezone.now())
    body = {"filter": "open:true", "status": "archived"}
    assert _change(client, "error_issues/bulk", body, "post").json() == {"matched": 4, "changed": 0}
    assert ErrorIssue.objects.filter(status="archived").count() == 0
    operator = people.bearer(people.token(people.user("op", (Role.OPERATOR, "shop")), Scope.OPERATE))
    assert _change(operator, "error_issues/bulk", {**body, "dry_run": False}, "post").json() == {
        "matched": 3,
        "changed": 3,
    }
    assert set(ErrorIssue.objects.filter(status="archived").values_list("project__slug", flat=True)) == {
        "shop"
    }


def test_what_may_not_be_changed_hides_nothing_that_may_be(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(issues, "MOST_BULK", 2)
    bank = create_project(slug="bank", tree="bank", actor=people.SOMEBODY)
    accepted(bank, event(), number=99, at=timezone.now() - dt.timedelta(hours=1))
    _issues("load", "save", "gone")
    teller = people.user("teller", (Role.VIEWER, "shop"), (Role.OPERATOR, "bank"))
    operator = people.bearer(people.token(teller, Scope.OPERATE))
    body = {"filter": "open:true", "status": "archived"}
    counted = _change(operator, "error_issues/bulk", body, "post").json()
    assert counted == {"matched": 1, "changed": 0}, "the newest three are not the teller's to change"


def test_an_event_is_shown_as_it_came_and_an_issue_with_what_surrounded_it(client: Client) -> None:
    host = world.world()
    _issues("load")
    now = timezone.now()
    life = {"tree": "shop", "key": "shop/web", "number": 7, "pid": 9, "seq": 9}
    Incarnation.objects.create(node=host, started_at=now - dt.timedelta(seconds=60), **life)
    [item] = client.get("/api/v1/error_issues/SHOP-1/events").json()["items"]
    assert (item["child"], item["incarnation"]) == ("shop/web", 7)
    raw = client.get(f"/api/v1/error_issues/SHOP-1/events/{item['event_id']}").json()
    assert raw["data"]["exception"]["values"][0]["type"] == "KeyError"
    assert client.get("/api/v1/error_issues/SHOP-1/events/none").status_code == 404
    surrounded = client.get("/api/v1/error_issues/SHOP-1").json()["around"]
    assert (surrounded["key"], surrounded["incarnation"], surrounded["pid"]) == ("shop/web", 7, 9)


def test_the_history_of_an_issue_has_its_events_restarts_and_deploys(client: Client) -> None:
    host = world.world()
    _issues("load")
    Incarnation.objects.create(
        node=host, started_at=timezone.now(), tree="shop", key="shop/web", number=7, pid=9, seq=9
    )
    day = client.get("/api/v1/error_issues/SHOP-1/history").json()
    assert (day["part_s"], len(day["counts"]), sum(day["counts"]), sum(day["restarts"])) == (3600.0, 24, 1, 1)
    assert [(one["kind"], one["name"], one["after"]) for one in day["deploys"]] == [("revision", "1", None)]
    whole = client.get("/api/v1/error_issues/SHOP-1/history?span=fortnight").json()
    assert (whole["part_s"], len(whole["counts"])) == (21600.0, 56)
    assert len(client.get("/api/v1/error_issues/SHOP-1/history?span=hour").json()["counts"]) == 60
    ErrorIssueStat.objects.update(not_kept=1)
    assert client.get("/api/v1/error_issues/SHOP-1/history?span=hour").status_code == 409
    assert client.get("/api/v1/error_issues/SHOP-1/history?span=year").status_code == 400


def test_a_key_is_rotated(client: Client) -> None:
    made = _change(client, "error_projects", {"slug": "shop", "tree": "shop"}, "post").json()
    [old] = made["keys"]
    assert old["dsn"].endswith(f"{old['public_key']}@127.0.0.1:8400/{made['number']}")
    new = _change(client, "error_projects/shop/keys", {"label": "second"}, "post").json()
    assert (
        client.delete(f"/api/v1/error_projects/shop/keys/{old['id']}", HTTP_IF_MATCH="*").status_code == 204
    )
    assert list(ErrorKey.objects.filter(revoked_at=None).values_list("pk", flat=True)) == [new["id"]]
    changed = _change(client, "error_projects/shop", {"retention_days": 7}).json()
    assert changed["retention_days"] == 7
    again = _change(client, "error_projects", {"slug": "shop"}, "post")
    assert (again.status_code, again.json()["errors"][0]["pointer"]) == (400, "/slug")


def test_monitors_and_their_check_ins_are_listed(client: Client) -> None:
    known = world.errors("shop")
    [monitor] = client.get("/api/v1/monitors?status=ok&tree=shop").json()["items"]
    assert (monitor["slug"], monitor["id"]) == ("nightly", known["monitor"])
    [check_in] = client.get(f"/api/v1/monitors/{monitor['id']}/check_ins").json()["items"]
    assert (check_in["status"], check_in["check_in_id"]) == ("ok", "a" * 32)


def test_a_decision_names_what_it_is_based_on(client: Client) -> None:
    _issues("load")
    url = "/api/v1/error_issues/SHOP-1"
    tag = client.get(url)["ETag"]
    assert client.patch(url, {"status": "resolved"}, content_type="application/json").status_code == 428
    for status in (200, 412):
        answer = client.patch(url, {"status": "resolved"}, content_type="application/json", HTTP_IF_MATCH=tag)
        assert answer.status_code == status


def test_teams_own_issues_and_people_follow_them(client: Client) -> None:
    _issues("load")
    people.user("eve", (Role.VIEWER, "shop"))
    made = _change(client, "error_teams", {"slug": "pay", "members": ["eve"]}, "post")
    assert (made.status_code, made.json()["members"]) == (201, ["eve"])
    wrong = _change(client, "error_teams", {"slug": "pay2", "members": ["nobody"]}, "post")
    assert (wrong.status_code, wrong.json()["errors"][0]["pointer"]) == (400, "/members")
    assert _change(client, "error_issues/SHOP-1", {"team": "none"}).json()["errors"][0]["pointer"] == "/team"
    before = client.get("/api/v1/error_issues/SHOP-1")["ETag"]
    changed = _change(client, "error_issues/SHOP-1", {"team": "pay"})
    assert (changed.json()["team"], changed.json()["assignee"]) == ("pay", None)
    assert changed["ETag"] != before
    own = people.bearer(people.token(User.objects.get(username="eve"), Scope.READ))
    assert _titles(own, "assignee:me") == ["SHOP-1"]
    assert _titles(client, "assignee:me") == []
    rules = {"owners": [{"match": [["path", "*/billing/*"]], "team": "pay"}]}

    def put(body: dict[str, Any]) -> Any:
        url = "/api/v1/error_projects/shop/owners"
        return client.put(url, body, content_type="application/json", HTTP_IF_MATCH="*")

    answer = put(rules)
    assert answer.json() == {"owners": [{"match": [["path", "*/billing/*"]], "user": "", "team": "pay"}]}
    bad = {"owners": [*rules["owners"], {"match": [["colour", "red"]], "team": "pay"}]}
    refused = put(bad)
    assert refused.json()["errors"][0]["pointer"] == "/owners/1/match"
    watched = _change(own, "error_issues/SHOP-1/watch", {}, "post")
    assert watched.json() == {"watchers": ["eve"]}
    assert client.get("/api/v1/error_issues/SHOP-1").json()["watchers"] == ["eve"]
    assert _change(own, "error_issues/SHOP-1/watch", {"watching": False}, "post").json() == {"watchers": []}
    assert client.delete("/api/v1/error_teams/pay", HTTP_IF_MATCH="*").status_code == 204
    assert _titles(client, "is:unassigned") == ["SHOP-1"]


def test_rules_of_grouping_are_tried_and_said(client: Client) -> None:
    _issues("load")
    rule = {"match": [["function", "load"]], "fingerprint": ["loads"], "title": "loads of {{ type }}"}
    url = "/api/v1/error_projects/shop/grouping"
    tried = client.post(f"{url}/plan", {"rules": [rule]}, content_type="application/json").json()
    assert tried == {
        "rules": [
            {"events": 1, "issues": ["SHOP-1"], "fingerprint": ["loads"], "title": "loads of KeyError"}
        ],
        "tried": 1,
        "unmatched": 0,
    }
    assert client.get(url).json() == {"rules": []}

    def put(*rules: dict[str, Any], match: str = "*") -> Any:
        body = {"rules": list(rules)}
        return client.put(url, body, content_type="application/json", HTTP_IF_MATCH=match)

    saved = put(rule)
    assert saved.json() == {"rules": [rule]}
    assert client.get(url)["ETag"] == saved["ETag"]
    assert put(rule, match='"old"').status_code == 412
    refused = put(rule, {"match": [["colour", "red"]], "title": "x"})
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (400, "/rules/1/match")
    assert put({"match": [["type", "*"]]}).json()["errors"][0]["pointer"] == "/rules/0/fingerprint"
    assert client.get(url).json() == {"rules": [rule]}
