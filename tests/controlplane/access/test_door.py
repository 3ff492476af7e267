"""The door: what nobody may open, what anybody may, and what every answer carries."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils import timezone

from controlplane.access.models import Token
from controlplane.access.policy import Role, Scope
from controlplane.access.public import PUBLIC_VIEWS
from tests.support import people

pytestmark = pytest.mark.django_db

SAMPLES: dict[str, str] = {
    "int": "1",
    "slug": "x",
    "str": "x",
    "path": "x",
    "uuid": "0" * 8 + "-0000-4000-8000-" + "0" * 12,
}


def every_url() -> Iterator[tuple[str, str]]:
    """(name with namespaces, a path that it matches) of each URL pattern."""
    yield from _walk(get_resolver().url_patterns, "/", "")


def _walk(patterns: Any, path: str, space: str) -> Iterator[tuple[str, str]]:
    for pattern in patterns:
        converters = pattern.pattern.converters
        text = str(pattern.pattern)
        if not text.startswith("^"):
            for name, converter in converters.items():
                kind = type(converter).__name__.removesuffix("Converter").lower().replace("string", "str")
                for spelled in (f"<{kind}:{name}>", f"<{name}>"):
                    text = text.replace(spelled, SAMPLES.get(kind, "x"))
        if isinstance(pattern, URLResolver):
            inner = f"{space}{pattern.namespace}:" if pattern.namespace else space
            yield from _walk(pattern.url_patterns, path + text, inner)
        elif isinstance(pattern, URLPattern) and not text.startswith("^"):
            yield f"{space}{pattern.name}", path + text


def test_every_url_but_the_listed_ones_needs_a_login() -> None:
    opened = []
    for name, path in every_url():
        for accept in ("text/html", "application/json"):
            for method in ("get", "post"):
                answer = getattr(Client(headers={"accept": accept}), method)(path)
                refused = answer.status_code == 401 or (
                    answer.status_code == 302 and answer["Location"].startswith("/login?next=")
                )
                if not refused:
                    opened.append(name)
    assert set(opened) <= PUBLIC_VIEWS


def test_a_person_is_led_to_the_login_page_and_back(client: Client) -> None:
    answer = client.get("/logout?a=1", headers={"accept": "text/html"})
    assert answer["Location"] == "/login?next=%2Flogout%3Fa%3D1"


def test_a_program_gets_a_problem(client: Client) -> None:
    answer = client.post("/logout", headers={"x-request-id": "abcdefgh-1"})
    body = answer.json()
    assert (answer.status_code, answer["Content-Type"]) == (401, "application/problem+json")
    assert answer["WWW-Authenticate"] == 'Bearer realm="overstory"'
    assert (body["status"], body["trace_id"], answer["X-Request-ID"]) == (401, "abcdefgh-1", "abcdefgh-1")
    assert client.get(body["type"]).status_code == 200
    assert body["instance"].startswith("urn:uuid:")


@pytest.mark.parametrize("given", ["", "short", "x" * 200, "with space here", "new\nline-abc"])
def test_a_request_id_that_could_do_harm_is_replaced(client: Client, given: str) -> None:
    answer = client.get("/livez", HTTP_X_REQUEST_ID=given)
    assert answer["X-Request-ID"] != given
    assert len(answer["X-Request-ID"]) == 36


# -- tokens -------------------------------------------------------------------------------------------------------------


def test_a_token_opens_the_door_and_says_when_it_was_last_used() -> None:
    ada = people.user("ada", (Role.VIEWER, ""))
    text = people.token(ada, Scope.READ)
    assert people.bearer(text).post("/logout").status_code == 302
    row = Token.objects.get()
    assert row.last_used_at is not None
    assert text not in str(Token.objects.values())
    assert text.startswith(row.prefix)
    assert len(row.prefix) == 10


@pytest.mark.parametrize("case", ["expired", "revoked", "inactive", "unknown", "empty", "basic", "nul"])
def test_a_token_that_is_not_good_is_no_token(case: str) -> None:
    ada = people.user("ada", (Role.ADMIN, ""))
    people.admin("root")
    text = people.token(ada, Scope.ADMIN, life=timedelta(seconds=-5 if case == "expired" else 60))
    if case == "revoked":
        Token.objects.update(revoked_at=timezone.now())
    if case == "inactive":
        ada.is_active = False
        ada.save()
    header = {
        "unknown": f"Bearer {text[:-1]}A" if text[-1] != "A" else f"Bearer {text[:-1]}B",
        "empty": "Bearer ",
        "basic": f"Basic {text}",
        "nul": f"Bearer {text}\0",
    }.get(case, f"Bearer {text}")
    answer = Client(HTTP_AUTHORIZATION=header).post("/logout")
    assert answer.status_code == 401
    assert 'error="invalid_token"' in answer["WWW-Authenticate"]


def test_a_bad_token_is_not_saved_by_a_good_session() -> None:
    client = people.browser(people.admin())
    assert client.post("/logout", HTTP_AUTHORIZATION="Bearer ovs_wrong").status_code == 401


def test_somebody_without_a_cookie_costs_no_query(django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(0):
        Client().get("/problems/not-found")
        Client().post("/logout")


def test_what_a_session_and_a_token_cost(django_assert_num_queries: Any) -> None:
    ada = people.user("ada", (Role.VIEWER, ""))
    text = people.token(ada, Scope.READ)
    session = people.browser(ada)
    session.get("/problems/conflict")
    with django_assert_num_queries(3):  # session, user, grants
        session.get("/problems/conflict")
    people.bearer(text).get("/problems/conflict")
    with django_assert_num_queries(2):  # token with its user, grants
        people.bearer(text).get("/problems/conflict")


# -- headers ------------------------------------------------------------------------------------------------------------


def test_the_content_security_policy_allows_nothing_inline(client: Client) -> None:
    policy = client.get("/login")["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert "default-src 'none'" in policy
    assert "require-trusted-types-for 'script'" in policy
    assert "trusted-types overstory" in policy
    assert "worker-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy


def test_the_admin_has_a_policy_of_its_own(client: Client) -> None:
    policy = client.get("/admin/")["Content-Security-Policy"]
    assert "script-src 'self' 'unsafe-eval'" in policy
    assert "trusted-types" not in policy


def test_other_headers(client: Client) -> None:
    answer = client.get("/login")
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["X-Frame-Options"] == "DENY"
    assert answer["Cache-Control"].count("no-store") == 1
    assert "Strict-Transport-Security" not in answer


# -- errors -------------------------------------------------------------------------------------------------------------


def test_every_problem_is_explained(client: Client) -> None:
    from controlplane.problems import CATALOGUE

    for slug, kind in CATALOGUE.items():
        answer = client.get(f"/problems/{slug}")
        assert answer.status_code == 200
        assert kind.meaning in answer.content.decode()
        assert client.get(f"/problems/{slug}", headers={"accept": "text/html"}).status_code == 200
    assert client.get("/problems/nonsense").status_code == 404
    assert (
        client.get("/problems/").status_code
        == client.get("/problems/", headers={"accept": "text/html"}).status_code
        == 200
    )


def test_what_is_not_there_is_a_problem_for_programs_and_a_page_for_people(client: Client) -> None:
    assert client.get("/nothing/here").json()["title"] == "There is no such thing"
    page = client.get("/nothing/here", headers={"accept": "text/html"})
    assert (page.status_code, page["Content-Type"]) == (404, "text/html; charset=utf-8")
    assert b"/nothing/here" in page.content
