"""What all endpoints share: bodies, pages, versions, limits, and that errors change nothing."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError
from django.test import Client, RequestFactory, override_settings
from django.urls import reverse
from django.utils import timezone
from rest_framework.request import Request

from controlplane.access.policy import Role, Scope
from controlplane.api import idempotency
from supervision.auditlog.models import AuditEntry
from supervision.trees.models import Tree, TreeRevision
from tests.controlplane.api import world
from tests.support import people

pytestmark = pytest.mark.django_db


@pytest.fixture
def api() -> Client:
    return people.bearer(people.token(people.admin(), Scope.ADMIN))


def problem(answer: Any, status: int, slug: str) -> dict[str, Any]:
    body: dict[str, Any] = answer.json()
    assert (answer.status_code, answer["Content-Type"]) == (status, "application/problem+json"), body
    assert body["type"] == f"/problems/{slug}"
    assert body["status"] == status
    assert body["trace_id"] == answer["X-Request-ID"]
    return body


# -- bodies -------------------------------------------------------------------------------------------------------------

BAD_BODIES = {
    "cut off": b'{"name": "x"',
    "no JSON": b"name=x",
    "not UTF-8": b'{"name": "\xff"}',
    "NaN": b'{"name": NaN}',
    "too large a number": b'{"name": 1e999}',
    "too long a number": b'{"name": ' + b"9" * 5000 + b"}",
    "a name twice": b'{"name": "a", "name": "b"}',
    "U+0000": b'{"name": "a\\u0000b"}',
    "U+0000 in a name": b'{"a\\u0000b": 1}',
    "half a surrogate": b'{"name": "\\ud800"}',
    "deep": b"[" * 100_000,
    "deep and closed": b'{"name": ' + b"[" * 500 + b"]" * 500 + b"}",
    "a list": b"[]",
    "text": b'"x"',
    "null": b"null",
    "an unknown field": b'{"name": "x", "colour": "red"}',
    "a wrong type": b'{"name": {"a": 1}}',
    "nothing": b"",
}


@pytest.mark.parametrize("body", BAD_BODIES.values(), ids=BAD_BODIES.keys())
def test_a_bad_body_is_named_and_changes_nothing(api: Client, body: bytes) -> None:
    before = AuditEntry.objects.count()
    answer = api.post(reverse("api:users"), body, content_type="application/json")
    assert problem(answer, 400, "bad-request")["errors"]
    assert AuditEntry.objects.count() == before


def test_too_large_a_body_and_one_of_another_type(api: Client) -> None:
    users = reverse("api:users")
    problem(api.post(users, b" " * (1 << 20) + b"{}", content_type="application/json"), 413, "too-large")
    problem(api.post(users, b" " * (6 << 20), content_type="application/json"), 413, "too-large")
    problem(api.post(users, b"<x/>", content_type="application/xml"), 415, "unsupported-media-type")
    tree = reverse("api:tree", args=["x"])
    large = b"#" * ((4 << 20) + 1)
    problem(api.put(tree, large, content_type="application/yaml", HTTP_IF_NONE_MATCH="*"), 413, "too-large")
    problem(api.get(users, HTTP_ACCEPT="image/png"), 406, "not-acceptable")


def test_errors_of_fields_have_pointers(api: Client) -> None:
    body = {"name": "x", "grants": [{"role": "viewer"}, {"role": "king", "tree": "a"}]}
    answer = api.post(reverse("api:users"), body, content_type="application/json")
    assert [error["pointer"] for error in problem(answer, 400, "bad-request")["errors"]] == ["/grants/1/role"]


def bomb() -> bytes:
    """Aliases of aliases: a few hundred bytes that would be billions of values."""
    lines = [b"a: &a [x, x, x, x, x, x]"]
    for number in range(12):
        name, before = 98 + number, 97 + number
        lines.append(b"%c: &%c [%s]" % (name, name, b", ".join([b"*%c" % before] * 6)))
    return b"\n".join(lines)


DOCUMENTS: dict[str, tuple[bytes, str, int | None]] = {
    "YAML that is none": (b"version: [", "application/yaml", None),
    "a tab": (b"version: 1\ntree: shop\n\tsupervisor: {}\n", "application/yaml", 3),
    "an unknown field": (
        b"version: 1\ntree: shop\nsupervisor:\n  children: []\ncolour: red\n",
        "application/yaml",
        5,
    ),
    "JSON with a fault": (
        b'{"version": 1,\n "tree": "shop",\n "supervisor": 7}',
        "application/json",
        3,
    ),
    "JSON that is none": (b'{"version": 1,\n', "application/json", 2),
    "aliases of aliases": (bomb(), "application/yaml", None),
}


@pytest.mark.parametrize("case", DOCUMENTS.values(), ids=DOCUMENTS.keys())
@pytest.mark.parametrize("where", ["put", "plan", "validate"])
def test_a_bad_document_is_named_with_its_line(
    api: Client, case: tuple[bytes, str, int | None], where: str
) -> None:
    content, kind, line = case
    if where == "put":
        url = reverse("api:tree", args=["shop"])
        answer = api.put(url, content, content_type=kind, HTTP_IF_NONE_MATCH="*")
    else:
        answer = api.post(reverse(f"api:{where}"), content, content_type=kind)
    errors = problem(answer, 400, "invalid-document")["errors"]
    assert all({"pointer", "detail"} <= set(error) for error in errors)
    if line is not None:
        assert errors[0]["line"] == line
    assert not Tree.objects.exists()


def test_a_document_has_the_name_that_the_address_says(api: Client) -> None:
    for name, url in (("shop", "bank"), ("system", "system")):
        document, path = world.document(name), reverse("api:tree", args=[url])
        answer = api.put(path, document, content_type="application/json", HTTP_IF_NONE_MATCH="*")
        assert problem(answer, 400, "invalid-document")["errors"][0]["pointer"] == "/tree"


# -- addresses ----------------------------------------------------------------------------------------------------------


def test_what_is_not_there(api: Client) -> None:
    for url in (
        "/api/v1/nothing",
        "/api/v1/trees/none",
        "/api/v1/users/999",
        "/api/v1/tokens/9999999999999999999999",
    ):
        problem(api.get(url), 404, "not-found")
    problem(api.get("/api/v1/trees/%00"), 404, "not-found")
    answer = api.put("/api/v1/me")
    problem(answer, 405, "method-not-allowed")
    assert "GET" in answer["Allow"]


@pytest.mark.parametrize(
    ("path", "pointer"),
    [
        ("users?colour=red", "colour"),
        ("users?limit=0", "limit"),
        ("users?limit=201", "limit"),
        ("users?limit=x", "limit"),
        ("users?limit=--5", "limit"),
        ("users?limit=%D9%A1", "limit"),
        ("users?cursor=nonsense", "cursor"),
        ("users?cursor=bnVsbA", "cursor"),
        ("users?order=colour", "order"),
        ("users?count=all", "count"),
        ("users?active=maybe", "active"),
        ("users?name=%00", "name"),
        ("children?state=dancing", "state"),
        ("events?since=yesterday", "since"),
        ("events?since=2026-11-28T10:00:00", "since"),
        ("events?after=-1", "after"),
        ("events?after=99999999999999999999", "after"),
        ("operations?id=7", "id"),
        ("nodes?label=novalue", "label"),
        ("logs?key=", "key"),
        ("logs?filter=colour:red", "filter"),
        ("logs?filter=cpu:%3E0.5", "filter"),
        ("logs?filter=tree:shop&key=shop", "filter"),
        ("logs?severity=awful", "severity"),
        ("logs?incarnation=2", "incarnation"),
        ("trees/shop/diff?from=0", "from"),
    ],
)
def test_a_bad_parameter_is_named(api: Client, path: str, pointer: str) -> None:
    world.world()
    errors = problem(api.get(f"/api/v1/{path}"), 400, "bad-request")["errors"]
    assert errors[0]["pointer"] == pointer


def test_a_store_that_is_away_is_503_with_a_time(api: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_args: Any, **_options: Any) -> Any:
        raise OperationalError("the connection is closed")

    monkeypatch.setattr("controlplane.api.people.visible_trees", away)
    answer = api.get(reverse("api:me"))
    assert problem(answer, 503, "unavailable")["missing"] == "postgresql"
    assert int(answer["Retry-After"]) > 0
    monkeypatch.setattr("controlplane.access.middleware.principal_of_token", away)
    api.raise_request_exception = False
    problem(api.get(reverse("api:me")), 503, "unavailable")


def test_a_fault_of_ours_says_nothing_of_itself(api: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_args: Any) -> Any:
        raise RuntimeError("the password is hunter2")

    monkeypatch.setattr("controlplane.api.people.visible_trees", broken)
    assert "hunter2" not in json.dumps(problem(api.get(reverse("api:me")), 500, "internal"))


# -- pages --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", ["name", "newest"])
def test_pages_hold_each_row_once_whatever_is_added_in_between(api: Client, order: str) -> None:
    for number in range(7):
        world.applied(f"t{number}")
    url: str | None = f"{reverse('api:trees')}?limit=3&order={order}"
    seen: list[str] = []
    while url is not None:
        answer = api.get(url)
        body = answer.json()
        seen += [item["name"] for item in body["items"]]
        if len(seen) == 3:
            world.applied("a-first" if order == "name" else "z-newest")
        assert (body["next"] is None) == ("Link" not in answer)
        url = None
        if body["next"]:
            url = answer["Link"].partition(">")[0].removeprefix("<http://testserver")
    wanted = [f"t{number}" for number in range(7)]
    assert seen == (wanted if order == "name" else wanted[::-1])


def test_a_cursor_belongs_to_its_order(api: Client) -> None:
    for number in range(3):
        world.applied(f"t{number}")
    trees = reverse("api:trees")
    cursor = api.get(f"{trees}?limit=1").json()["next"]
    problem(api.get(f"{trees}?limit=1&order=newest&cursor={cursor}"), 400, "bad-request")


def test_counts_come_on_request_and_say_what_they_are(api: Client) -> None:
    for number in range(3):
        world.applied(f"t{number}")
    trees = reverse("api:trees")
    assert "count" not in api.get(trees).json()
    exact = api.get(f"{trees}?count=exact&limit=1").json()
    assert (exact["count"], exact["count_is"]) == (3, "exact")
    assert api.get(f"{trees}?count=estimate").json()["count_is"] == "estimate"


# -- versions -----------------------------------------------------------------------------------------------------------


def test_a_read_that_is_current_is_304(api: Client) -> None:
    world.world()
    for name, args in (("tree", ["shop"]), ("node", [world.NODE]), ("child", ["shop/web"])):
        url = reverse(f"api:{name}", args=args)
        tag = api.get(url)["ETag"]
        again = api.get(url, HTTP_IF_NONE_MATCH=f'"other", W/{tag}')
        assert (again.status_code, again.content, again["ETag"]) == (304, b"", tag)
        assert api.get(url, HTTP_IF_NONE_MATCH='"other"').status_code == 200


def test_changes_name_the_version_they_are_based_on(api: Client) -> None:
    world.applied("shop")
    url = reverse("api:tree", args=["shop"])
    change = world.document("shop", "a")

    def put(name: str = "", value: str = "") -> Any:
        headers = {name: value} if name else {}
        return api.put(url, change, content_type="application/json", headers=headers)

    problem(put(), 428, "version-required")
    for tag in ('"0"', '"7"', '"x"', '"1", "2"', 'W/"1"'):
        stale = put("If-Match", tag)
        assert problem(stale, 412, "stale-version")["current"]["version"] == 1, tag
        assert stale["ETag"] == '"1"'
    problem(put("If-Match", "1"), 400, "bad-request")
    problem(put("If-None-Match", "*"), 412, "stale-version")
    accepted = put("If-Match", '"1"')
    assert (accepted.status_code, accepted["ETag"]) == (200, '"2"')
    same = put("If-Match", '"2"')
    assert (same.json()["changed"], same["ETag"]) == (False, '"2"')
    assert put("If-Match", "*").status_code == 200
    assert TreeRevision.objects.count() == 2


def test_deleting_needs_the_version_and_then_there_is_none(api: Client) -> None:
    world.applied("shop")
    url = reverse("api:tree", args=["shop"])
    problem(api.delete(url), 428, "version-required")
    problem(api.delete(url, HTTP_IF_MATCH='"9"'), 412, "stale-version")
    assert api.delete(url, HTTP_IF_MATCH='"1"').status_code == 202
    problem(api.get(url), 404, "not-found")
    problem(api.delete(url, HTTP_IF_MATCH="*"), 404, "not-found")
    made = api.put(url, world.document("shop"), content_type="application/json", HTTP_IF_NONE_MATCH="*")
    assert (made.status_code, made.json()["revision"]) == (201, 2)


# -- limits -------------------------------------------------------------------------------------------------------------


@override_settings(API_LIMITS={"read": 3, "write": 1})
def test_who_asks_too_often_is_told_when_to_come_back(api: Client) -> None:
    me = reverse("api:me")
    left = [api.get(me)["RateLimit"] for _ in range(3)]
    assert [text.split(";")[1] for text in left] == ["r=2", "r=1", "r=0"]
    refused = api.get(me)
    problem(refused, 429, "too-many-requests")
    assert refused["RateLimit-Policy"] == '"read";q=3;w=60'
    assert 1 <= int(refused["Retry-After"]) <= 20
    document = world.document("x")
    assert api.post(reverse("api:validate"), document, content_type="application/json").status_code == 200
    other = people.bearer(people.token(people.user("bob", (Role.VIEWER, "")), Scope.READ))
    assert other.get(me).status_code == 200


def test_without_redis_requests_pass_uncounted(api: Client, settings: Any) -> None:
    from dataclasses import replace

    from controlplane.api import limits

    settings.CONNECTIONS = replace(settings.CONNECTIONS, given_redis_url="unix:///nonexistent/redis.sock")
    limits.forget()
    answer = api.get(reverse("api:me"))
    assert answer.status_code == 200
    assert "RateLimit" not in answer


# -- browsers -----------------------------------------------------------------------------------------------------------


def test_a_session_needs_the_csrf_token_and_a_bearer_token_does_not() -> None:
    ada = people.admin()
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(ada)
    users, body = reverse("api:users"), {"name": "bob"}
    problem(browser.post(users, body, content_type="application/json"), 403, "cross-site")
    browser.get("/login", headers={"accept": "text/html"})
    browser.logout()
    browser.get("/login")
    token = browser.cookies["overstory_csrf"].value
    browser.force_login(ada)
    made = browser.post(users, body, content_type="application/json", HTTP_X_CSRFTOKEN=token)
    assert made.status_code == 201
    strict = Client(
        enforce_csrf_checks=True, headers={"authorization": f"Bearer {people.token(ada, Scope.ADMIN)}"}
    )
    assert strict.post(users, {"name": "eve"}, content_type="application/json").status_code == 201


# -- secrets ------------------------------------------------------------------------------------------------------------


def test_what_is_kept_of_a_request_cannot_be_guessed_at(rf: RequestFactory, settings: Any) -> None:
    """A body may hold a password: only who has the secret key can try passwords against the row."""
    request = Request(rf.post("/x", {"password": "a"}, content_type="application/json"))
    first = idempotency.fingerprint(request)
    assert first == idempotency.fingerprint(request)
    settings.SECRET_KEY = "another"
    assert first != idempotency.fingerprint(request)


def test_secrets_are_in_one_answer_and_nowhere_else(api: Client) -> None:
    from controlplane.api.models import IdempotencyKey

    expires = (timezone.now() + timedelta(hours=1)).isoformat()
    body = {"name": "ci", "scopes": ["read"], "expires_at": expires}
    tokens = reverse("api:tokens")

    def make() -> Any:
        return api.post(tokens, body, content_type="application/json", HTTP_IDEMPOTENCY_KEY="k1")

    first, again = make(), make()
    text = first.json()["token"]
    assert text.startswith("ovs_")
    assert (again.json()["token"], again["Idempotent-Replayed"]) == (None, "true")
    bob = people.user("bob")
    url = api.post(reverse("api:user-login-link", args=[bob.pk])).json()["url"]
    secret = url.rsplit("/", 1)[1]
    password = {"password": "a new long passphrase"}
    api.patch(
        reverse("api:user", args=[bob.pk]), password, content_type="application/json", HTTP_IF_MATCH="*"
    )
    kept = json.dumps([*AuditEntry.objects.values(), *IdempotencyKey.objects.values()], default=str)
    shown = api.get(tokens).content.decode() + api.get(reverse("api:audit")).content.decode()
    for hidden in (text, secret, password["password"]):
        assert hidden not in kept + shown
