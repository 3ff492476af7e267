"""Who held a key before is told who holds it now, under which epoch, and changes nothing."""

from typing import Any

import pytest

from agents.registry.models import Registration
from agents.registry.services import Owner, register
from controlplane.access.policy import Scope
from supervision.fleet.models import Node
from supervision.fleet.services import database_now
from supervision.journal.models import Incarnation
from supervision.programs import questions
from tests.controlplane.api import world
from tests.support import people

pytestmark = pytest.mark.django_db
URL = "/api/v1/registrations"
WEB = "shop/web"


@pytest.fixture
def api() -> Any:
    """A client with every right. The children of the node live."""
    world.world()
    Node.objects.filter(pk=world.NODE).update(lease_until=database_now().replace(year=2100))
    return people.bearer(people.token(people.admin(), Scope.ADMIN))


def hold(api: Any, holder: str, key: str) -> Any:
    body = {"key": "leader", "holder": holder, "lease_s": 600}
    headers = {"Idempotency-Key": key}
    return api.post(URL, body, content_type="application/json", headers=headers)


def lose(child: str = WEB, incarnation: int = 1) -> Registration:
    """The lease of whoever holds it is over, and a child has the key now."""
    Registration.objects.update(lease_until=database_now().replace(year=2000))
    return register(namespace="default", key="leader", owner=Owner(world.NODE, child, incarnation))


@pytest.mark.parametrize("method", ["patch", "delete"])
def test_a_lease_of_before_renews_and_ends_nothing_and_is_told_the_epoch(api: Any, method: str) -> None:
    first = hold(api, "cron", "k1").json()
    now = lose()
    assert now.epoch > first["epoch"]
    headers = {"If-Match": f'"{first["epoch"]}"'}
    asked = {"content_type": "application/json", "headers": headers}
    told = getattr(api, method)(f"{URL}/default/leader", {}, **asked)
    assert told.status_code == 412
    assert (told.json()["current"]["epoch"], told.json()["current"]["child"]) == (now.epoch, WEB)
    row = Registration.objects.get()
    assert (row.epoch, row.child) == (now.epoch, WEB)


def test_who_registers_again_under_an_epoch_that_is_over_is_told_the_holders(api: Any) -> None:
    hold(api, "cron", "k1")
    now = lose()
    told = hold(api, "cron", "k2")
    assert told.status_code == 409
    assert (told.json()["epoch"], told.json()["holder"]["child"]) == (now.epoch, WEB)
    assert f"with epoch {now.epoch}" in told.json()["detail"]


def test_an_incarnation_of_before_registers_nothing_and_is_told_the_newest(api: Any) -> None:
    Incarnation.objects.create(node_id=world.NODE, tree="shop", key=WEB, number=2, seq=2)
    told = ask(1)
    assert (told["error"]["code"], told["error"]["newest"]) == ("ended", 2)
    assert not Registration.objects.exists()
    assert ask(2)["result"]["incarnation"] == 2


def ask(incarnation: int) -> dict[str, Any]:
    """What the incarnation is told when it registers."""
    return questions.answer(
        node_id=world.NODE,
        epoch=Node.objects.get().epoch,
        key=WEB,
        incarnation=incarnation,
        pid=1,
        kind="registry.register",
        body={"key": "leader"},
        timeout_s=5.0,
    )
