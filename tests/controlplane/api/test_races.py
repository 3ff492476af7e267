"""Many at once, over HTTP, on committed rows: writers of one tree, and requests that are sent twice."""

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connections
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from controlplane.access.policy import Scope
from controlplane.api import idempotency
from controlplane.api.models import IdempotencyKey
from controlplane.api.retention import purge_keys
from supervision.auditlog.models import AuditEntry
from supervision.auditlog.services import verify_chain
from supervision.trees.models import Command, Tree, TreeRevision
from tests.controlplane.api import world
from tests.support import people

pytestmark = pytest.mark.django_db(transaction=True)

WRITERS = 20


def at_once(number: int, act: Callable[[int], Any]) -> list[Any]:
    """`act` in so many threads, started together; each closes the connection it opened."""
    gate = threading.Barrier(number)

    def run(index: int) -> Any:
        try:
            gate.wait(30)
            return act(index)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(number) as pool:
        return list(pool.map(run, range(number)))


@pytest.fixture
def token() -> str:
    return people.token(people.admin(), Scope.ADMIN)


def test_twenty_writers_of_one_tree_each_win_once_or_are_told(token: str) -> None:
    world.applied("shop")
    url = reverse("api:tree", args=["shop"])

    def write(index: int) -> list[int]:
        client, seen = people.bearer(token), []
        for _ in range(40):
            tag = client.get(url)["ETag"]
            document = world.document("shop", f"w{index}")
            answer = client.put(url, document, content_type="application/json", HTTP_IF_MATCH=tag)
            seen.append(answer.status_code)
            if answer.status_code == 200:
                return seen
            assert answer.json()["current"]["version"] > int(tag.strip('"'))
        return seen

    outcomes = at_once(WRITERS, write)
    assert all(seen[-1] == 200 and set(seen[:-1]) <= {412} for seen in outcomes), outcomes
    tree = Tree.objects.get(name="shop")
    numbers = list(TreeRevision.objects.filter(tree=tree).order_by("number").values_list("number", flat=True))
    assert numbers == list(range(1, WRITERS + 2))
    assert tree.version == WRITERS + 1
    assert AuditEntry.objects.filter(action="tree.apply", actor_kind="token").count() == WRITERS
    assert verify_chain().holds


def test_a_request_that_is_sent_many_times_is_carried_out_once(token: str) -> None:
    world.world()

    def send(_index: int) -> tuple[int, str | None, Any]:
        answer = people.bearer(token).post(
            reverse("api:commands"),
            {"verb": "restart", "key": "shop/web"},
            content_type="application/json",
            HTTP_IDEMPOTENCY_KEY="same",
        )
        body = answer.json()
        ids = [one["id"] for one in body.get("operations", ())]
        return answer.status_code, answer.headers.get("Idempotent-Replayed"), tuple(ids)

    outcomes = at_once(10, send)
    kinds = Counter((status, replayed) for status, replayed, _ids in outcomes)
    assert kinds[202, None] == 1, kinds
    assert set(kinds) <= {(202, None), (202, "true"), (409, None)}, kinds
    assert len({ids for status, _replayed, ids in outcomes if status == 202}) == 1
    assert Command.objects.count() == 1


def test_a_key_belongs_to_the_token_that_sent_it() -> None:
    world.world()
    admin = people.admin()
    one, other = people.token(admin, Scope.ADMIN), people.token(admin, Scope.ADMIN)
    assert _sender(one)(0).headers.get("Idempotent-Replayed") is None
    assert _sender(other)(0).headers.get("Idempotent-Replayed") is None
    assert _sender(one)(0).headers["Idempotent-Replayed"] == "true"


def test_a_request_that_failed_leaves_its_key_free(token: str) -> None:
    client, url = people.bearer(token), reverse("api:commands")

    def send(key: str) -> Any:
        return client.post(
            url, {"verb": "restart", "key": key}, content_type="application/json", HTTP_IDEMPOTENCY_KEY="k"
        )

    assert send("shop/web").status_code == 404
    assert not IdempotencyKey.objects.exists()
    world.world()
    assert send("shop/web").status_code == 202
    assert send("bank/web").status_code == 422


def test_a_claim_whose_server_died_is_taken_over_by_one(token: str) -> None:
    world.world()
    send = _sender(token)
    send(0)
    IdempotencyKey.objects.update(status=None, body="null", claimed_at=timezone.now())
    Command.objects.all().delete()
    assert send(0).status_code == 409
    IdempotencyKey.objects.update(claimed_at=timezone.now() - 2 * idempotency.GONE_AFTER)
    statuses = Counter(answer.status_code for answer in at_once(6, send))
    assert statuses[202] >= 1
    assert Command.objects.count() == 1


def _sender(token: str) -> Callable[[int], Any]:
    def send(_index: int) -> Any:
        client: Client = people.bearer(token)
        return client.post(
            reverse("api:commands"),
            {"verb": "stop", "key": "shop/web"},
            content_type="application/json",
            HTTP_IDEMPOTENCY_KEY="k",
        )

    return send


def test_keys_are_forgotten_after_a_day(token: str) -> None:
    world.world()
    send = _sender(token)
    send(0)
    IdempotencyKey.objects.update(claimed_at=timezone.now() - timedelta(hours=25))
    assert purge_keys(timezone.now()) == 1
    assert send(0).headers.get("Idempotent-Replayed") is None


def test_a_login_link_is_spent_by_one_of_many() -> None:
    from controlplane.access import services

    people.admin("root")
    _user, text = services.make_login_link(name="root", now=timezone.now(), actor=people.SOMEBODY)
    won = at_once(8, lambda _index: services.spend_login_link(text=text, now=timezone.now()))
    assert sum(user is not None for user in won) == 1


def test_attempts_that_come_together_do_not_pass_together() -> None:
    from controlplane.access import allowance

    taken = at_once(20, lambda _index: allowance.take("account:x", allowance.Bucket(5, timedelta(minutes=1))))
    assert sum(wait is None for wait in taken) == 5


def test_two_admins_cannot_remove_each_other() -> None:
    from controlplane.access import services
    from controlplane.access.exceptions import AccessConflictError
    from controlplane.access.models import Grant

    admins = [people.admin("a"), people.admin("b")]

    def remove(index: int) -> bool:
        try:
            services.set_grants(user=admins[index], grants=[], actor=people.SOMEBODY)
        except AccessConflictError:
            return False
        return True

    assert sorted(at_once(2, remove)) == [False, True]
    assert Grant.objects.filter(role="admin", tree="").count() == 1
