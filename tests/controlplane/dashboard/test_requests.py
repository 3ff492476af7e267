"""What pages show of their buttons as requests: lines that a shell takes apart, to routes that there are."""

import json
import re
import shlex
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.urls import resolve

from controlplane.assets.curl import CHILD_VERBS
from controlplane.dashboard.actions import ACTIONS as ACTS
from controlplane.dashboard.framework import all_pages
from controlplane.dashboard.pages.task_act import DEEDS
from controlplane.dashboard.requests import ACTIONS, REQUESTS, TASKS, Request, requests_of
from tests.controlplane.api.test_schema import operations

SITE = "http://127.0.0.1:8400/api/v1/"
SHOWN_ELSEWHERE = {"act", "task-act", "logs"}
"""The first two show the one request that is about to be sent; a form that follows lines changes nothing."""
WORDS = (
    "short_id",
    "name",
    "namespace",
    "key",
    "q",
    "kind",
    "subject",
    "tree",
    "node",
    "app",
    "queue",
    "path",
)
GIVEN: dict[str, Any] = {"id": 7, "number": 2, "pid": 4711, "verb": "stop", **dict.fromkeys(WORDS, "x y's")}
EVERY = [
    *((slug, one) for slug, found in REQUESTS.items() for one in found),
    *(("act", one) for one in ACTIONS.values()),
    *(("task-act", one) for one in TASKS.values()),
]


@pytest.mark.parametrize(("slug", "one"), EVERY, ids=lambda word: getattr(word, "label", word))
def test_a_request_is_one_that_the_api_takes(slug: str, one: Request) -> None:
    words = shlex.split(one.line(SITE, GIVEN | ({"key": "7"} if slug == "act" else {})))
    assert words[0] == "curl"
    method, url = words[2], urlsplit(words[3])
    path = re.sub(r"/(ID|1)(?=/|$)", "/1", url.path)
    match = resolve(path)
    view = match.func.view_class  # type: ignore[attr-defined]  # as_view() says which class it is of
    assert hasattr(view, method.lower()), (slug, method, path)
    assert "Authorization: Bearer $OVERSTORY_TOKEN" in words
    if "-d" in words:
        json.loads(words[words.index("-d") + 1])


def test_what_needs_a_version_says_so() -> None:
    needed = {
        (re.sub(r"\{\w+\}", "{}", path), method.upper())
        for path, method, body in operations()
        for parameter in body.get("parameters", [])
        if parameter["name"] == "If-Match" and parameter.get("required")
    }
    for slug, one in EVERY:
        path = re.sub(r"\{\w+\}|(?<=/)(ID|1|NAMESPACE|NAME)(?=/|$)", "{}", one.path.partition("?")[0])
        if (f"/api/v1/{path}", one.method) in needed:
            assert one.versioned, (slug, one.label)


def test_every_page_with_a_form_shows_its_requests() -> None:
    acting = {page.slug for page in all_pages() if page.act is not None}
    assert acting - SHOWN_ELSEWHERE <= set(REQUESTS)
    assert set(REQUESTS) <= {page.slug for page in all_pages()}
    assert set(ACTS) == CHILD_VERBS - {"terminate"} | set(ACTIONS)
    assert set(DEEDS) == set(TASKS)


def test_what_the_page_knows_is_filled_in() -> None:
    lines = {one["label"]: one["line"] for one in requests_of("errors", SITE, {"q": 'open:true "it\'s"'})}
    assert json.loads(shlex.split(lines["Resolve"])[-1]) == {
        "filter": 'open:true "it\'s"',
        "status": "resolved",
        "dry_run": False,
    }
    assert f"{SITE}rules/7" in requests_of("rule", SITE, {"id": 7, "q": ""})[0]["line"]
    assert requests_of("overview", SITE, {}) == []
