"""Errors on pages: the list, one issue, and what is done there."""

import datetime as dt
import html
import re
from typing import Any

import pytest

from controlplane.access.policy import Role
from controlplane.api.explaining import explain_key
from supervision.auditlog.models import AuditEntry
from supervision.errors.store import issues
from supervision.errors.store.digesting import digest
from supervision.errors.store.models import ErrorEvent, ErrorIssue, ErrorIssueStat, ErrorProject
from supervision.errors.store.projects import create_project
from supervision.journal.models import Incarnation, ObservedChild
from tests.controlplane.api import world
from tests.supervision.errors.store.error_rows import ACTOR, NOW, accepted, event
from tests.support.people import admin, browser, user

pytestmark = pytest.mark.django_db
QUERIES = 12


@pytest.fixture
def project() -> ErrorProject:
    return create_project(slug="shop", tree="shop", actor=ACTOR)


def _report(project: ErrorProject, number: int, function: str = "load", **more: Any) -> None:
    accepted(project, event(function=function, **more), number=number, child="shop/web")
    digest(now=NOW)


def test_an_empty_list_says_what_to_do() -> None:
    assert "No error project yet" in browser(admin()).get("/errors").content.decode()


def test_the_list_shows_what_is_open_and_finds_words(
    project: ErrorProject, django_assert_max_num_queries: Any
) -> None:
    for number in range(30):
        _report(project, number, function=f"f{number}")
    _report(project, 99, function="gone")
    ErrorIssue.objects.filter(culprit__contains="gone").update(status="resolved")
    client = browser(admin())
    with django_assert_max_num_queries(QUERIES):
        text = client.get("/errors").content.decode()
    assert "SHOP-30" in text
    assert "shop in gone" not in text
    assert "shop in gone" in client.get("/errors?q=").content.decode()
    found = client.get("/errors?q=keyerror+f17").content.decode()
    assert re.findall(r"SHOP-\d+", found) == ["SHOP-18"] * found.count("SHOP-18")
    assert "Nothing matches" in client.get("/errors?q=nowhere").content.decode()


def test_an_issue_shows_where_it_happened_and_why_it_is_one(
    project: ErrorProject, django_assert_max_num_queries: Any
) -> None:
    crumbs = {"values": [{"category": "query", "message": "SELECT 1"}]}
    _report(project, 1, tags={"region": "eu"}, breadcrumbs=crumbs, release="1.0", extra={"size": 3})
    client = browser(admin())
    with django_assert_max_num_queries(QUERIES + 12):
        text = client.get("/errors/shop-1").content.decode()
    for part in (
        "shop in load",
        "calls of the program",
        "region",
        "SELECT 1",
        "/process/shop/web",
        "1.0",
        "size",
    ):
        assert part in text


def test_a_call_is_shown_with_the_lines_around_it_and_the_event_as_it_is_kept(project: ErrorProject) -> None:
    body = event(
        request={"url": "http://shop/", "query_string": "page=2", "headers": [["Accept", "text/html"]]}
    )
    frame = body["exception"]["values"][0]["stacktrace"]["frames"][0]
    frame |= {
        "pre_context": ["def load():", "    y = 1"],
        "context_line": "    x(y)",
        "post_context": ["", "z = 2"],
    }
    accepted(project, body, number=1)
    digest(now=NOW)
    client = browser(admin())
    text = client.get("/errors/SHOP-1").content.decode()
    shown = re.findall(r'<span( class="is-it")?><span class="source-number">(\d*)</span>(.*?)</span>', text)
    assert [(bool(is_it), number, line) for is_it, number, line in shown] == [
        (False, "1", "def load():"),
        (False, "2", "    y = 1"),
        (True, "3", "    x(y)"),
        (False, "4", ""),
        (False, "5", "z = 2"),
    ]
    assert "page=2" in text
    assert "header Accept" in text
    (raw,) = re.findall(r'href="([^"]+)">0{8}… as JSON', text)
    assert client.get(raw).json()["data"]["request"]["query_string"] == "page=2"


@pytest.mark.parametrize(
    "frame",
    [
        {"context_line": "x()", "pre_context": "no list", "post_context": [1, None]},
        {"context_line": 7, "vars": []},
        {"context_line": "x()", "lineno": 1, "pre_context": ["a"] * 900},
    ],
)
def test_calls_of_any_shape_are_shown(project: ErrorProject, frame: dict[str, Any]) -> None:
    body = event()
    body["exception"]["values"][0]["stacktrace"]["frames"][0] |= frame
    accepted(project, body, number=1)
    digest(now=NOW)
    assert browser(admin()).get("/errors/SHOP-1").status_code == 200


def test_what_was_merged_is_taken_out_again_on_the_page(project: ErrorProject) -> None:
    for number, function in enumerate(("load", "save")):
        _report(project, number, function=function)
    client = browser(admin())
    assert "Take a part out" not in client.get("/errors/SHOP-1").content.decode()
    client.post("/errors/SHOP-1", {"do": "merge", "other": "SHOP-2", "confirmed": "1"})
    text = client.get("/errors/SHOP-1").content.decode()
    hashes = re.findall(r'name="hash" value="(\w+)"', text)
    assert len(hashes) == 2
    assert client.post("/errors/SHOP-1", {"do": "part"}).status_code == 400
    assert client.post("/errors/SHOP-1", {"do": "part", "hash": hashes}).status_code == 400, (
        "none would be left"
    )
    parted = client.post("/errors/SHOP-1", {"do": "part", "hash": hashes[1]}, follow=True).content.decode()
    assert "SHOP-3 is new, with 1 event." in parted
    assert "shop in save" in client.get("/errors/SHOP-3").content.decode()
    assert "SHOP-3" in client.get("/errors").content.decode()


def _said(text: str) -> str:
    """What a page asks to be confirmed."""
    found = re.search(r'aria-label="To be confirmed">(.*?)</section>', text, re.DOTALL)
    assert found is not None
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", found[1])).split())


def test_a_merge_is_counted_and_asked_for_first(project: ErrorProject) -> None:
    for number, function in enumerate(("load", "save", "drop", "drop")):
        _report(project, number, function=function)
    client = browser(admin())
    form = {"do": "merge", "other": "shop-2, SHOP-3 SHOP-3"}
    asked = client.post("/errors/SHOP-1", form)
    text = asked.content.decode()
    assert asked.status_code == 200
    assert "2 issues with 3 events into SHOP-1? Its title stays: KeyError: 'a' Merge 2 issues" in _said(text)
    assert re.findall(r'name="other" value="([^"]+)"', text) == ["shop-2", "SHOP-3"]
    assert client.post("/errors/SHOP-1", {**form, "confirmed": "3"}).status_code == 200, "another number"
    assert not ErrorIssue.objects.exclude(merged_into=None).exists()
    assert client.post("/errors/SHOP-1", {**form, "confirmed": "2"}).status_code == 302
    assert ErrorIssue.objects.exclude(merged_into=None).count() == 2
    assert "They are one already." in _said(client.post("/errors/SHOP-1", form).content.decode())
    too_many = {"do": "merge", "other": " ".join(f"SHOP-{number}" for number in range(201))}
    assert client.post("/errors/SHOP-1", too_many).status_code == 400


def test_issues_that_end_in_the_same_call_are_merged_with_one_button_that_asks(project: ErrorProject) -> None:
    for number in range(13):
        body = event(function="get_user")
        frames = body["exception"]["values"][0]["stacktrace"]["frames"]
        frames.insert(0, {**frames[0], "function": f"view_{chr(97 + number)}"})
        accepted(project, body, number=number)
    digest(now=NOW)
    client = browser(admin())
    text = client.get("/errors/SHOP-1").content.decode()
    assert '13 issues end in <span class="mono">get_user</span>: merge?' in text
    asked = client.post("/errors/SHOP-1", {"do": "merge_alike"}).content.decode()
    assert "12 issues with 12 events into SHOP-1?" in _said(asked)
    assert client.post("/errors/SHOP-1", {"do": "merge_alike", "confirmed": "12"}).status_code == 302
    assert ErrorIssue.objects.get(merged_into=None).stat.count == 13
    assert "merge?" not in client.get("/errors/SHOP-1").content.decode()
    seer = browser(user("seer", (Role.VIEWER, "shop")))
    assert seer.post("/errors/SHOP-1", {"do": "merge_alike"}).status_code == 403


def test_all_that_match_are_merged_into_the_first_of_one_project(project: ErrorProject) -> None:
    for number, function in enumerate(("load", "save", "drop")):
        _report(project, number, function=function)
    bank = create_project(slug="bank", tree="bank", actor=ACTOR)
    _report(bank, 9)
    client = browser(admin())

    def told(**form: str) -> str:
        return client.post("/errors", {"do": "merge", **form}, follow=True).content.decode()

    assert "They are of several projects" in told(q="open:true")
    assert "Fewer than two" in told(q="project:bank")
    asked = _said(told(q="project:shop"))
    assert "2 issues with 2 events into SHOP-1? SHOP-1 was first, and its title stays: KeyError: 'a'" in asked
    assert not ErrorIssue.objects.exclude(merged_into=None).exists()
    assert "To be confirmed" in told(q="project:shop", confirmed="3")
    assert "Merged: 2 issues into SHOP-1." in told(q="project:shop", confirmed="2")
    assert ErrorIssue.objects.filter(merged_into__number=1, project=project).count() == 2


def test_more_than_may_be_merged_at_once_are_refused(
    project: ErrorProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("supervision.errors.store.joining.MOST_MERGED", 2)
    for number, function in enumerate(("load", "save", "drop")):
        _report(project, number, function=function)
    text = browser(admin()).post("/errors", {"do": "merge", "q": ""}, follow=True).content.decode()
    assert "More than 2 match: narrow the filter." in text


def test_what_a_program_says_is_never_markup(project: ErrorProject) -> None:
    _report(project, 1, value="<script>alert(1)</script>", tags={"<b>": "<i>"})
    text = browser(admin()).get("/errors/SHOP-1").content.decode()
    assert "<script>alert" not in text
    assert "<i>" not in text


def test_what_was_left_out_of_a_report_is_said(project: ErrorProject) -> None:
    _report(
        project, 1, _meta={"extra": {"rows": {"": {"len": 4000}}}}, _overstory={"filtered": ["user.email"]}
    )
    text = browser(admin()).get("/errors/SHOP-1").content.decode()
    assert "extra.rows</dt><dd>shortened, it was 4000 long" in text
    assert "user.email</dt><dd>filtered" in text


def test_what_is_done_on_the_page(project: ErrorProject) -> None:
    _report(project, 1)
    _report(project, 2, function="store")
    client = browser(admin())
    assert client.post("/errors/SHOP-1", {"do": "resolve", "release": "1.1"}).status_code == 302
    assert ErrorIssue.objects.get(number=1).status == "resolved"
    client.post("/errors/SHOP-1", {"do": "open"})
    client.post("/errors/SHOP-1", {"do": "comment", "text": "seen it"})
    client.post("/errors/SHOP-1", {"do": "merge", "other": "shop-2", "confirmed": "1"})
    merged = ErrorIssue.objects.get(number=2)
    assert merged.merged_into == ErrorIssue.objects.get(number=1)
    text = client.get("/errors/SHOP-1").content.decode()
    assert "seen it" in text
    assert "Merged into" in client.get("/errors/SHOP-2").content.decode()
    refused = client.post("/errors/SHOP-1", {"do": "merge", "other": "SHOP-99"})
    assert (refused.status_code, "no issue is called SHOP-99" in refused.content.decode()) == (400, True)
    assert client.post("/errors/SHOP-1", {"do": "delete"}).status_code == 404


def test_an_issue_is_archived_until_something_or_resolved_in_the_next_release(project: ErrorProject) -> None:
    _report(project, 1)
    client = browser(admin())

    def done(**form: str) -> tuple[int, str]:
        status = client.post("/errors/SHOP-1", form).status_code
        return status, client.get("/errors/SHOP-1").content.decode()

    status, text = done(do="archive", until="events", number="7")
    assert (status, "it has 8 events" in text) == (302, True)
    status, text = done(do="archive", until="escalating")
    assert (status, "10 come in an hour" in text) == (302, True)
    status, text = done(do="archive", until="week")
    assert (status, "Archived until" in text) == (302, True)
    status, text = done(do="archive", until="users", number="many")
    assert status == 400
    client.post("/errors/SHOP-1", {"do": "open"})
    status, text = done(do="resolve_next")
    assert (status, "the next release" in text, "Archived until" in text) == (302, True, False)


def test_issues_of_other_trees_are_not_there(project: ErrorProject) -> None:
    _report(project, 1)
    of_bank = browser(user("eve", (Role.OPERATOR, "bank")))
    assert of_bank.get("/errors/SHOP-1").status_code == 404
    assert "SHOP-1" not in of_bank.get("/errors").content.decode()


def test_an_issue_whose_events_are_gone_still_has_a_page(project: ErrorProject) -> None:
    _report(project, 1)
    ErrorEvent.objects.all().delete()
    assert "No event is kept" in browser(admin()).get("/errors/SHOP-1").content.decode()


def test_what_may_not_be_changed_hides_nothing_that_may_be(
    project: ErrorProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(issues, "MOST_BULK", 2)
    monkeypatch.setattr("controlplane.dashboard.pages.errors.PER_PAGE", 2)
    bank = create_project(slug="bank", tree="bank", actor=ACTOR)
    accepted(bank, event(), number=1, at=NOW - dt.timedelta(hours=1))
    for number in range(2, 5):
        _report(project, number, function=f"f{number}")
    client = browser(user("teller", (Role.VIEWER, "shop"), (Role.OPERATOR, "bank")))
    assert "Archive" in client.get("/errors").content.decode(), "though nothing on this page is the teller's"
    asked = client.post("/errors", {"do": "archive", "q": "open:true"}).content.decode()
    assert "Archive 1 issue" in asked
    client.post("/errors", {"do": "archive", "q": "open:true", "confirmed": "1"})
    assert [each.project for each in ErrorIssue.objects.filter(status="archived")] == [bank]


def _death(project: ErrorProject) -> None:
    """shop/web crashes in life 7, its supervisor restarts it with its neighbour, and an error of that life is filed."""
    host = world.world()
    at = dt.datetime.now(dt.UTC)
    ObservedChild.objects.filter(key="shop/web").update(incarnation=8)
    Incarnation.objects.create(
        node=host, tree="shop", key="shop/web", number=7, pid=42, started_at=at - dt.timedelta(seconds=30),
        ended_at=at, reason="exit(1)", seq=50,
    )  # fmt: skip
    detail = {"strategy": "one_for_all", "affected": ["shop/web", "shop/mail"], "intensity": 3, "period": 5.0,
              "restarts": 1}  # fmt: skip
    actions = [
        ["report", "child_terminated", "shop", "web", "exit(1)", {}],
        ["report", "restart", "shop", "web", "exit(1)", detail],
        ["start", "shop/web", 8, {}],
    ]
    world.event(host, 60, tree="shop", key="shop/web", kind="step", event=["exited", "shop/web", 7, "exit(1)"],
                actions=actions)  # fmt: skip
    accepted(project, event(release="shop@1"), number=1, child="shop/web", at=at)
    digest(now=at)


def test_an_issue_shows_the_life_it_came_from_and_what_the_supervisor_did(project: ErrorProject) -> None:
    _death(project)
    text = browser(admin()).get("/errors/shop-1").content.decode()
    for part in (
        "incarnation 7",
        "pid 42",
        "Restarted with it",
        "/process/shop/mail",
        "exit(1)",
        "Before and after",
    ):
        assert part in text
    assert "What its supervisor did" in text


def test_a_process_shows_its_errors_on_its_time_line_and_in_a_list(project: ErrorProject) -> None:
    _death(project)
    client = browser(admin())
    timeline = client.get("/process/shop/web").content.decode()
    assert re.search(r'href="/errors/SHOP-1\?event=0+1"', timeline)
    listed = client.get("/process/shop/web?tab=errors").content.decode()
    assert "SHOP-1" in listed
    assert "No errors of it" in client.get("/process/shop?tab=errors").content.decode()


def test_an_explanation_names_the_issue(project: ErrorProject) -> None:
    _death(project)
    told = explain_key("shop/web")
    assert told is not None
    assert told.issues == ("SHOP-1",)


def test_who_reports_with_another_projects_key_is_not_believed_about_a_child(project: ErrorProject) -> None:
    world.world()
    other = create_project(slug="other", actor=ACTOR)
    accepted(other, event(), number=1, child="shop/web")
    digest(now=NOW)
    assert "OTHER-1" not in browser(admin()).get("/process/shop/web?tab=errors").content.decode()


def test_monitors_show_their_last_runs_and_the_failing_ones_first(
    project: ErrorProject, django_assert_max_num_queries: Any
) -> None:
    every = {"schedule": {"type": "interval", "value": 10, "unit": "minute"}}
    for number in range(20):
        body = {
            "monitor_slug": f"job-{number}", "status": "error" if number == 9 else "ok", "check_in_id": f"{number:032x}",
            "monitor_config": every, "duration": 2.5,
        }  # fmt: skip
        accepted(project, body, number=number, kind="check_in")
    digest(now=NOW)
    client = browser(admin())
    with django_assert_max_num_queries(QUERIES):
        text = client.get("/monitors").content.decode()
    assert re.findall(r"job-\d+", text)[0] == "job-9"
    for part in ("every 10 minutes", "2.5 s", "error, 2026-11-28 12:00 UTC"):
        assert part in text
    assert re.findall(r"job-\d+", client.get("/monitors?status=error").content.decode()) == ["job-9"]
    other = browser(user("eve", (Role.VIEWER, "bank")))
    assert "job-9" not in other.get("/monitors").content.decode()


def _listed(text: str) -> list[str]:
    return re.findall(r'class="tag">(SHOP-\d+)<', text)


def _turned_to(text: str, word: str) -> str:
    found = re.search(rf'href="([^"]+)" rel="{word}"', text)
    assert found is not None
    return "/errors" + html.unescape(found[1])


def test_pages_of_the_list_go_on_where_they_ended_while_issues_move_to_the_top(project: ErrorProject) -> None:
    for number in range(205):
        accepted(project, event(function=f"{chr(97 + number // 26)}_{chr(97 + number % 26)}"), number=number)
    assert digest(now=NOW, most=205) == 205
    stats = list(ErrorIssueStat.objects.select_related("issue"))
    for stat in stats:
        stat.last_seen = NOW + dt.timedelta(seconds=stat.issue.number)
    ErrorIssueStat.objects.bulk_update(stats, ["last_seen"])
    client = browser(admin())
    first = client.get("/errors").content.decode()
    assert _listed(first) == [f"SHOP-{number}" for number in range(205, 105, -1)]
    assert 'rel="prev"' not in first
    ErrorIssueStat.objects.filter(issue__number=3).update(last_seen=NOW + dt.timedelta(hours=1))
    second = client.get(_turned_to(first, "next")).content.decode()
    assert _listed(second) == [f"SHOP-{number}" for number in range(105, 5, -1)]
    third = client.get(_turned_to(second, "next")).content.decode()
    assert _listed(third) == ["SHOP-5", "SHOP-4", "SHOP-2", "SHOP-1"]
    assert 'rel="next"' not in third
    assert _listed(client.get(_turned_to(third, "prev")).content.decode()) == _listed(second)
    again = client.get(_turned_to(second, "prev")).content.decode()
    assert _listed(again) == _listed(first)
    newest = client.get(_turned_to(again, "prev")).content.decode()
    assert _listed(newest) == ["SHOP-3", *_listed(first)[:99]]
    assert 'rel="prev"' not in newest


@pytest.mark.parametrize(
    "mark", ["before=x", "after=2026-11-28T12:00:00,1", "before=2026-11-28T12:00:00%2B00:00,1e9", "after=,"]
)
def test_what_is_no_place_in_the_list_begins_at_its_top(project: ErrorProject, mark: str) -> None:
    _report(project, 1)
    assert _listed(browser(admin()).get(f"/errors?{mark}").content.decode()) == ["SHOP-1"]


def test_an_issue_shows_what_was_deployed_and_restarted_while_it_came(project: ErrorProject) -> None:
    _death(project)
    at = dt.datetime.now(dt.UTC)
    accepted(project, event(release="9.0"), number=2, child="shop/web", at=at)
    digest(now=at)
    client = browser(admin())
    text = client.get("/errors/SHOP-1").content.decode()
    assert "Release 9.0" in text
    assert re.search(r'aria-label="\d+ events?, \d+ deploys? and 1 restart"', text)
    assert re.search(r'span=hour" aria-current="true"', text)
    assert "2 events" in client.get("/errors/SHOP-1?span=fortnight").content.decode()
    ErrorIssueStat.objects.update(not_kept=1)
    assert re.search(r'span=day" aria-current="true"', client.get("/errors/SHOP-1").content.decode())


def test_a_wrong_filter_says_where(project: ErrorProject) -> None:
    assert "at character 1" in browser(admin()).get("/errors?q=color:red").content.decode()


def test_all_that_match_are_counted_first_and_changed_when_the_number_still_holds(
    project: ErrorProject,
) -> None:
    bank = create_project(slug="bank", tree="bank", actor=ACTOR)
    _report(bank, 100)
    for number in range(3):
        _report(project, number, function=f"f{number}")
    client = browser(user("op", (Role.OPERATOR, "shop"), (Role.VIEWER, "bank")))
    asked = {"do": "resolve", "q": "open:true"}
    text = client.post("/errors", asked).content.decode()
    assert "Resolve 3 issues?" in text
    assert ErrorIssue.objects.filter(status="resolved").count() == 0
    assert "Resolve 3 issues?" in client.post("/errors", {**asked, "confirmed": "2"}).content.decode()
    assert client.post("/errors", {**asked, "confirmed": "3"}).status_code == 302
    assert set(ErrorIssue.objects.filter(status="resolved").values_list("project__slug", flat=True)) == {
        "shop"
    }
    assert AuditEntry.objects.filter(action="error_issue.resolved").count() == 3
    assert client.post("/errors", {"do": "drop", "q": ""}).status_code == 404


def test_an_issue_says_that_not_all_of_a_storm_is_stored(project: ErrorProject) -> None:
    _report(project, 1)
    client = browser(admin())
    assert "stored, all counted" not in client.get("/errors/SHOP-1").content.decode()
    ErrorIssueStat.objects.update(not_kept=9, kept_one_of=4)
    assert "1 of 4 stored, all counted" in client.get("/errors/SHOP-1").content.decode()
    ErrorIssueStat.objects.update(kept_one_of=1)
    assert "9 counted, not stored" in client.get("/errors/SHOP-1").content.decode()
