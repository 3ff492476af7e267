"""The OpenAPI document: valid, complete, and true of the routes."""

import re
from typing import Any

import pytest
from django.urls import reverse
from drf_spectacular.validation import validate_schema

from controlplane.api.openapi import api_schema
from tests.controlplane.api.test_matrix import TABLE, routes
from tests.support import people
from tests.support.command_line import ROOT

NEVER_CHANGED = frozenset({"/api/v1/silences/{id}"})
"""What has no second version: it is made, and ends."""
METHODS = ("get", "post", "put", "patch", "delete")


def operations() -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (path, method, body)
        for path, methods in api_schema()["paths"].items()
        for method, body in methods.items()
        if method in METHODS
    ]


def test_it_is_valid_openapi_3_1() -> None:
    assert api_schema()["openapi"].startswith("3.1")
    validate_schema(api_schema())  # type: ignore[no-untyped-call]  # drf-spectacular types a part of itself


def test_every_route_is_in_it_and_every_operation_has_a_row_in_the_matrix() -> None:
    from controlplane.api.urls import urlpatterns

    by_path = {
        re.sub(r"<\w+:(\w+)>", r"{\1}", f"/api/v1/{one.pattern}"): str(one.name) for one in urlpatterns
    }
    described = {(by_path[path], method) for path, method, _body in operations()}
    assert described == set(routes()) == set(TABLE)


def test_operations_have_names_words_and_problems() -> None:
    names = [body["operationId"] for _path, _method, body in operations()]
    assert len(set(names)) == len(names)
    for path, method, body in operations():
        assert body["summary"], (path, method)
        for status in ("400", "401", "403", "404", "429", "503"):
            assert "application/problem+json" in body["responses"][status]["content"], (path, method, status)
        success = [status for status in body["responses"] if status.startswith("2")]
        assert success, (path, method)


def test_changes_that_need_a_version_say_so() -> None:
    for path, method, body in operations():
        named = {one["name"]: one for one in body.get("parameters", [])}
        if method in ("patch", "delete") and path not in NEVER_CHANGED:
            assert named["If-Match"]["required"], (path, method)
            assert {"412", "428"} <= set(body["responses"])
        if method == "post" and not path.endswith(("/plan", "/validate")):
            assert "Idempotency-Key" in named, (path, method)


@pytest.mark.django_db
def test_it_is_served_to_who_is_logged_in() -> None:
    url = reverse("api-schema")
    assert people.browser().get(url).status_code == 401
    answer = people.browser(people.admin()).get(url)
    assert answer["Content-Type"].startswith("application/vnd.oai.openapi+json")
    assert answer.json()["info"]["title"] == "Overstory"


def test_the_page_about_the_api_names_every_path() -> None:
    page = (ROOT / "docs/api.md").read_text()
    for path, method, _body in operations():
        assert f"`{method.upper()} {path.removeprefix('/api/v1')}`" in page, f"{method.upper()} {path}"
    from controlplane.problems import CATALOGUE

    for slug in CATALOGUE:
        assert f"`{slug}`" in page, slug
