"""Errors on pages: the list, one issue, and what is done there."""

import re
from typing import Any

import pytest

from controlplane.access.policy import Role
from supervision.errors.store.digesting import digest
from supervision.errors.store.models import ErrorEvent, ErrorIssue, ErrorProject
from supervision.errors.store.projects import create_project
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
    assert "shop in gone" in client.get("/errors?status=all").content.decode()
    found = client.get("/errors?q=keyerror+f17").content.decode()
    assert re.findall(r"SHOP-\d+", found) == ["SHOP-18"] * found.count("SHOP-18")
    assert "Nothing matches" in client.get("/errors?q=nowhere").content.decode()


def test_an_issue_shows_where_it_happened_and_why_it_is_one(
    project: ErrorProject, django_assert_max_num_queries: Any
) -> None:
    crumbs = {"values": [{"category": "query", "message": "SELECT 1"}]}
    _report(project, 1, tags={"region": "eu"}, breadcrumbs=crumbs, release="1.0", extra={"size": 3})
    client = browser(admin())
    with django_assert_max_num_queries(QUERIES + 8):
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


def test_what_a_program_says_is_never_markup(project: ErrorProject) -> None:
    _report(project, 1, value="<script>alert(1)</script>", tags={"<b>": "<i>"})
    text = browser(admin()).get("/errors/SHOP-1").content.decode()
    assert "<script>alert" not in text
    assert "<i>" not in text


def test_what_is_done_on_the_page(project: ErrorProject) -> None:
    _report(project, 1)
    _report(project, 2, function="store")
    client = browser(admin())
    assert client.post("/errors/SHOP-1", {"do": "resolve", "release": "1.1"}).status_code == 302
    assert ErrorIssue.objects.get(number=1).status == "resolved"
    client.post("/errors/SHOP-1", {"do": "open"})
    client.post("/errors/SHOP-1", {"do": "comment", "text": "seen it"})
    client.post("/errors/SHOP-1", {"do": "merge", "other": "shop-2"})
    merged = ErrorIssue.objects.get(number=2)
    assert merged.merged_into == ErrorIssue.objects.get(number=1)
    text = client.get("/errors/SHOP-1").content.decode()
    assert "seen it" in text
    assert "Merged into" in client.get("/errors/SHOP-2").content.decode()
    refused = client.post("/errors/SHOP-1", {"do": "merge", "other": "SHOP-99"})
    assert (refused.status_code, "no issue is called SHOP-99" in refused.content.decode()) == (400, True)
    assert client.post("/errors/SHOP-1", {"do": "delete"}).status_code == 404


def test_issues_of_other_trees_are_not_there(project: ErrorProject) -> None:
    _report(project, 1)
    of_bank = browser(user("eve", (Role.OPERATOR, "bank")))
    assert of_bank.get("/errors/SHOP-1").status_code == 404
    assert "SHOP-1" not in of_bank.get("/errors").content.decode()


def test_an_issue_whose_events_are_gone_still_has_a_page(project: ErrorProject) -> None:
    _report(project, 1)
    ErrorEvent.objects.all().delete()
    assert "No event is kept" in browser(admin()).get("/errors/SHOP-1").content.decode()
