"""The interface over HTTP: who may call it, what each may see and do, what is recorded."""

import base64
import xmlrpc.client
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client

from controlplane.access.policy import Role, Scope
from controlplane.xmlrpc import rows
from controlplane.xmlrpc.signing_in import Remembered, credentials
from supervision.auditlog.models import AuditEntry
from supervision.trees.models import Command, CommandState
from tests.controlplane.api import world
from tests.support import people

pytestmark = pytest.mark.django_db


def basic(name: str, secret: str) -> str:
    return "Basic " + base64.b64encode(f"{name}:{secret}".encode()).decode()


def post(authorization: str | None, method: str, *params: Any) -> HttpResponse:
    headers = {} if authorization is None else {"Authorization": authorization}
    body = xmlrpc.client.dumps(params, method)
    answer = Client(enforce_csrf_checks=True).post("/RPC2", body, content_type="text/xml", headers=headers)
    assert isinstance(answer, HttpResponse)
    return answer


def call(authorization: str, method: str, *params: Any) -> Any:
    answer = post(authorization, method, *params)
    assert answer.status_code == 200
    results, _ = xmlrpc.client.loads(answer.content)
    return results[0]


def by_token(name: str, *grants: tuple[Role, str], scope: Scope = Scope.ADMIN) -> str:
    return basic(name, people.token(people.user(name, *grants), scope))


@pytest.fixture(autouse=True)
def shop() -> None:
    world.world()
    people.admin("root")


@pytest.fixture
def acknowledged(monkeypatch: pytest.MonkeyPatch) -> None:
    """A node that acknowledges every command at once."""

    def at_once(self: rows.RowsBackend, command: Command) -> None:
        Command.objects.filter(pk=command.pk).update(state=CommandState.CLAIMED)

    monkeypatch.setattr(rows.RowsBackend, "_await", at_once)


def test_nobody_and_wrong_credentials_are_asked_who_they_are() -> None:
    owner = people.token(people.user("ann", (Role.ADMIN, "")), Scope.ADMIN)
    people.user("bob", (Role.ADMIN, ""))
    for wrong in (
        None,
        "Bearer x",
        "Basic !",
        basic("ann", "ovs_nonsense"),
        basic("bob", owner),
        basic("ann", "x"),
    ):
        answer = post(wrong, "supervisor.getVersion")
        assert answer.status_code == 401
        assert answer["WWW-Authenticate"].startswith("Basic")
    assert Client().get("/logtail/shop:web/stdout").status_code == 401
    assert Client().get("/mainlogtail").status_code == 401
    assert Client().get("/RPC2").status_code == 405


def test_a_session_of_a_browser_is_not_looked_at() -> None:
    """So that no page can make a browser call it."""
    answer = people.browser(people.user("eve", (Role.ADMIN, ""))).post("/RPC2", b"", content_type="text/xml")
    assert answer.status_code == 401


def test_a_token_and_a_password_both_work() -> None:
    assert call(by_token("ann", (Role.VIEWER, "")), "supervisor.getVersion") == "3.0"
    people.user("carl", (Role.VIEWER, ""), password=people.PASSWORD)
    for _ in range(12):
        assert call(basic("carl", people.PASSWORD), "supervisor.getVersion") == "3.0", (
            "not counted as guesses"
        )


def test_guessing_a_password_is_slowed_down_and_recorded() -> None:
    people.user("carl", (Role.VIEWER, ""), password=people.PASSWORD)
    for number in range(10):
        assert post(basic("carl", f"wrong {number}"), "supervisor.getVersion").status_code == 401
    refused = AuditEntry.objects.filter(action="login", outcome="refused", target="carl").count()
    assert 0 < refused < 10, "past the allowance the password is not even looked at"
    assert post(basic("carl", people.PASSWORD), "supervisor.getVersion").status_code == 401


def test_one_sees_the_trees_one_may_see() -> None:
    everything = call(by_token("ann", (Role.VIEWER, "")), "supervisor.getAllProcessInfo")
    assert [(each["group"], each["name"], each["statename"]) for each in everything] == [
        ("bank", "web", "RUNNING"),
        ("shop", "web", "RUNNING"),
    ]
    some = by_token("bob", (Role.OPERATOR, "shop"))
    assert [each["group"] for each in call(some, "supervisor.getAllProcessInfo")] == ["shop"]
    with pytest.raises(xmlrpc.client.Fault, match="BAD_NAME"):
        call(some, "supervisor.getProcessInfo", "bank:web")


def test_a_viewer_may_not_act_and_an_operator_may_and_it_is_recorded(acknowledged: None) -> None:
    with pytest.raises(xmlrpc.client.Fault, match="permission operate") as fault:
        call(by_token("ann", (Role.VIEWER, "")), "supervisor.stopProcess", "shop:web", False)
    assert fault.value.faultCode == 30
    narrow = by_token("cal", (Role.OPERATOR, ""), scope=Scope.READ)
    with pytest.raises(xmlrpc.client.Fault, match="permission operate"):
        call(narrow, "supervisor.stopProcess", "shop:web", False)
    assert Command.objects.count() == 0
    assert call(by_token("bob", (Role.OPERATOR, "shop")), "supervisor.stopProcess", "shop:web", False) is True
    command = Command.objects.get()
    assert (command.verb, command.key, command.reason) == ("stop", "shop/web", "supervisorctl")
    entry = AuditEntry.objects.filter(action="child.stop").get()
    assert (entry.actor_kind, entry.tree) == ("token", "shop")


@pytest.mark.parametrize("method", ["shutdown", "restart"])
def test_stopping_everything_is_an_admins_right(method: str) -> None:
    with pytest.raises(xmlrpc.client.Fault, match="permission admin"):
        call(by_token("bob", (Role.OPERATOR, "")), f"supervisor.{method}")
    with pytest.raises(xmlrpc.client.Fault, match="node of this host"):
        call(by_token("ann", (Role.ADMIN, "")), f"supervisor.{method}")


def test_a_request_that_is_too_large_is_refused() -> None:
    answer = post(by_token("ann", (Role.VIEWER, "")), "x", "y" * 1_100_000)
    assert answer.status_code in (200, 413)


def test_the_number_of_queries_does_not_grow(django_assert_max_num_queries: Any) -> None:
    ann = by_token("ann", (Role.VIEWER, ""))
    with django_assert_max_num_queries(8):
        call(ann, "supervisor.getAllProcessInfo")


@pytest.mark.parametrize(
    "header", ["", "Basic", "Basic ", "Basic Og==", "Basic YTo=", "Basic OmE=", "Bearer YTpi", "Basic /w=="]
)
def test_a_header_that_holds_no_name_and_password_is_none(header: str) -> None:
    assert credentials(header) is None


def test_what_is_remembered_ends() -> None:
    remembered = Remembered()
    remembered.add("ann", "x", 1, now=100.0)
    assert remembered.user_id("ann", "x", now=110.0) == 1
    assert remembered.user_id("ann", "y", now=110.0) is None
    assert remembered.user_id("ann", "x", now=131.0) is None
