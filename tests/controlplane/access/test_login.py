"""Logging in: by password, by link; how often one may try; what is written down."""

from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from controlplane.access import allowance, services
from controlplane.access.models import Grant, LoginLink
from controlplane.access.policy import Role
from supervision.auditlog.models import AuditEntry
from tests.support import people

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _quick_hashes(settings: Any) -> None:
    """The same hasher with one round: what is tested here is not its cost."""
    settings.PASSWORD_HASHERS = ["tests.support.people.QuickHasher"]


def log_in(client: Client, password: str = people.PASSWORD, name: str = "ada", **extra: Any) -> Any:
    return client.post("/login", {"username": name, "password": password, **extra})


def last_entry() -> AuditEntry:
    entry = AuditEntry.objects.order_by("-seq").first()
    assert entry is not None
    return entry


def test_a_password_opens_a_session_and_is_written_down(client: Client) -> None:
    ada = people.user("ada", (Role.VIEWER, ""), password=people.PASSWORD)
    answer = log_in(client, next="/x?y=1")
    assert (answer.status_code, answer["Location"]) == (302, "/x?y=1")
    assert client.session["_auth_user_id"] == str(ada.pk)
    entry = last_entry()
    assert (entry.action, entry.outcome, entry.actor_kind, entry.actor_name, entry.ip) == (
        "login",
        "ok",
        "user",
        "ada",
        "127.0.0.1",
    )
    cookie = answer.cookies["overstory_session"]
    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"
    assert not cookie["secure"]


def test_behind_tls_cookies_are_secure() -> None:
    people.user("ada", password=people.PASSWORD)
    answer = Client().post("/login", {"username": "ada", "password": people.PASSWORD}, secure=True)
    assert answer.cookies["overstory_session"]["secure"]


@pytest.mark.parametrize(
    "target", ["https://evil.example/", "//evil.example", "javascript:alert(1)", "http:evil", ""]
)
def test_next_never_leads_to_another_host(client: Client, target: str) -> None:
    people.user("ada", password=people.PASSWORD)
    assert log_in(client, next=target)["Location"] == "/"


def test_a_wrong_password_and_an_unknown_name_look_the_same(client: Client) -> None:
    people.user("ada", password=people.PASSWORD)
    wrong, unknown = log_in(client, "nonsense"), log_in(client, "nonsense", "eve")
    assert wrong.status_code == unknown.status_code == 403
    assert (
        wrong.content.replace(b'"ada"', b'"eve"').split(b"csrfmiddlewaretoken")[0]
        == unknown.content.split(b"csrfmiddlewaretoken")[0]
    )
    entries = list(AuditEntry.objects.filter(action="login").order_by("seq"))
    assert [(entry.target, entry.outcome) for entry in entries] == [
        ("ada", "refused"),
        ("(unknown name)", "refused"),
    ]


def test_an_unknown_name_costs_a_hash_like_a_known_one(
    client: Client, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    hashed: list[str] = []
    from django.contrib.auth import hashers

    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.PBKDF2PasswordHasher"]
    real = hashers.PBKDF2PasswordHasher.encode

    def counted(self: Any, password: str, salt: str, iterations: int | None = None) -> str:
        hashed.append(password)
        return real(self, password, salt, iterations)

    people.user("ada", password=people.PASSWORD)
    people.user("locked")  # without a usable password
    monkeypatch.setattr(hashers.PBKDF2PasswordHasher, "encode", counted)
    for name in ("ada", "eve", "locked"):
        hashed.clear()
        log_in(client, "nonsense", name)
        assert len(hashed) == 1, name


def test_what_was_typed_is_never_written_down(client: Client) -> None:
    log_in(client, "hunter2hunter2", "my password by mistake")
    assert "hunter2" not in str(last_entry().__dict__)
    assert "mistake" not in str(last_entry().__dict__)


def test_a_deactivated_user_stays_out(client: Client) -> None:
    ada = people.user("ada", password=people.PASSWORD)
    people.admin("root")
    client.force_login(ada)
    services.set_active(user=ada, active=False, actor=people.SOMEBODY)
    assert log_in(Client()).status_code == 403
    assert client.post("/logout").status_code == 401


def test_an_account_allows_a_burst_then_says_when(client: Client) -> None:
    people.user("ada", password=people.PASSWORD)
    answers = [log_in(client, "nonsense").status_code for _ in range(allowance.ACCOUNT.burst + 1)]
    assert answers == [403] * allowance.ACCOUNT.burst + [429]
    refused = log_in(client)
    assert refused.status_code == 429
    assert 1 <= int(refused["Retry-After"]) <= 32
    assert log_in(client, name="eve").status_code == 403  # others may still try


def test_a_login_that_succeeds_gives_the_attempts_back(client: Client) -> None:
    people.user("ada", password=people.PASSWORD)
    for _ in range(3):
        for _ in range(allowance.ACCOUNT.burst - 1):
            assert log_in(client, "nonsense").status_code == 403
        assert log_in(client).status_code == 302


def test_an_address_is_limited_over_all_names(client: Client) -> None:
    answers = {log_in(client, "x", f"name{number}").status_code for number in range(allowance.ADDRESS.burst)}
    assert answers == {403}
    assert log_in(client, "x", "another").status_code == 429
    assert (
        Client(REMOTE_ADDR="10.1.2.3").post("/login", {"username": "x", "password": "x"}).status_code == 403
    )


def test_ipv6_hosts_count_by_their_network() -> None:
    keys = {allowance.address_key(f"2001:db8:1:2::{number}") for number in range(5)}
    assert keys == {"address:2001:db8:1:2::/64"}
    assert allowance.address_key("unix:") == allowance.address_key(None)


def test_attempts_come_back_with_time() -> None:
    bucket = allowance.Bucket(burst=2, every=timedelta(milliseconds=1))
    taken = [allowance.take("k", bucket) for _ in range(2)]
    assert taken[0] is None  # one millisecond refills: the third statement is later than that


def test_the_csrf_token_is_needed() -> None:
    people.user("ada", password=people.PASSWORD)
    strict = Client(enforce_csrf_checks=True)
    assert log_in(strict).status_code == 403
    page = strict.get("/login").content.decode()
    token = page.split('name="csrfmiddlewaretoken" value="')[1].split('"')[0]
    assert log_in(strict, csrfmiddlewaretoken=token).status_code == 302


def test_logging_out_ends_the_session(client: Client) -> None:
    client.force_login(people.user("ada", (Role.VIEWER, "")))
    assert client.get("/logout").status_code == 405
    assert client.post("/logout")["Location"] == "/login"
    assert "_auth_user_id" not in client.session
    assert last_entry().action == "logout"


def test_a_password_change_ends_the_other_sessions(client: Client) -> None:
    ada = people.user("ada", (Role.VIEWER, ""), password=people.PASSWORD)
    client.force_login(ada)
    services.set_password(user=ada, password="another long passphrase", actor=people.SOMEBODY)
    assert client.post("/logout").status_code == 401


# -- the one-time link --------------------------------------------------------------------------------------------------


def link(*arguments: str) -> str:
    out = StringIO()
    call_command("login_link", *arguments, stdout=out, stderr=StringIO())
    url = out.getvalue().strip()
    assert url.startswith("http://127.0.0.1:8400/login/link/")
    return url.removeprefix("http://127.0.0.1:8400")


def test_the_first_link_makes_the_first_admin_without_a_password(client: Client) -> None:
    path = link()
    user = User.objects.get()
    assert (user.username, user.has_usable_password(), user.is_staff, user.is_superuser) == (
        "admin",
        False,
        True,
        False,
    )
    assert [(grant.role, grant.tree) for grant in Grant.objects.all()] == [("admin", "")]
    assert client.get(path).status_code == 200
    assert client.post(path)["Location"] == "/"
    assert client.session["_auth_user_id"] == str(user.pk)
    assert last_entry().details == {"how": "link"}


def test_a_link_works_once_however_often_it_is_looked_at(client: Client) -> None:
    path = link()
    for _ in range(3):
        assert client.get(path).status_code == 200
    assert Client().post(path).status_code == 302
    assert Client().post(path).status_code == 403
    assert Client().get(path).status_code == 404


def test_a_link_is_valid_for_ten_minutes(client: Client) -> None:
    path = link()
    LoginLink.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert client.get(path).status_code == 404
    assert client.post(path).status_code == 403
    assert "_auth_user_id" not in client.session


def test_a_link_is_kept_as_a_hash_and_its_page_tells_no_referrer(client: Client) -> None:
    path = link()
    assert path.rsplit("/", 1)[1] not in str(LoginLink.objects.values())
    assert client.get(path)["Referrer-Policy"] == "strict-origin"


def test_a_link_for_a_user_and_a_second_one_for_the_same_admin() -> None:
    people.user("eve", (Role.VIEWER, ""))
    link()
    link()
    assert User.objects.filter(username="admin").count() == 1
    client = Client()
    client.post(link("--user", "eve"))
    assert client.session["_auth_user_id"] == str(User.objects.get(username="eve").pk)


def test_a_link_for_nobody_is_refused() -> None:
    from django.core.management.base import CommandError

    with pytest.raises(CommandError, match="no active user mallory"):
        call_command("login_link", "--user", "mallory")
