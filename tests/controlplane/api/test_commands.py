"""Commands: what they would reach, what they refuse, and how one waits for their end."""

import threading
from typing import Any

import pytest
from django.db import connections
from django.test import Client
from django.urls import reverse

from controlplane.access.policy import Scope
from supervision.trees import commands
from supervision.trees.models import Command
from tests.controlplane.api import world
from tests.support import people
from tests.support.stored_tree import store, told_tree

pytestmark = pytest.mark.django_db


@pytest.fixture
def api() -> Client:
    world.world()
    return people.bearer(people.token(people.admin(), Scope.ADMIN))


def ask(api: Client, verb: str, key: str = "shop/web", *, idempotent: bool = True, **body: Any) -> Any:
    headers = {"Idempotency-Key": f"{verb}{key}{body}".replace(" ", "")} if idempotent else {}
    sent = {"verb": verb, "key": key, **body}
    return api.post(reverse("api:commands"), sent, content_type="application/json", headers=headers)


def test_a_dry_run_says_what_goes_down_and_does_nothing(api: Client) -> None:
    host = world.node("m" * 32, name="second", journal_seq=0)
    told = told_tree(
        {
            "version": 1,
            "tree": "shop",
            "supervisor": {
                "strategy": "rest_for_one",
                "children": [{"id": name, "process": {"command": ["/bin/true"]}} for name in ("web", "mail")],
            },
        }
    )
    store(host, told)

    def down(verb: str, **body: Any) -> list[tuple[str, str]]:
        reach = ask(api, verb, dry_run=True, node=host.id, **body).json()["reach"]
        return [(one["key"], one["why"]) for one in reach["takes_down"]]

    assert down("stop") == [("shop/web", "stops")]
    assert down("signal", args={"signal": "KILL"}) == [("shop/web", "restarts"), ("shop/mail", "restarts")]
    assert down("hold") == []
    assert not Command.objects.exists()


@pytest.mark.parametrize(
    ("verb", "body", "pointer"),
    [
        ("dance", {}, "/verb"),
        ("stop", {"key": ""}, "/key"),
        ("stop", {"args": {"force": True}}, "/args/force"),
        ("hold", {"args": {"seconds": -1}}, "/args/seconds"),
        ("hold", {"args": {"seconds": True}}, "/args/seconds"),
        ("signal", {"args": {"signal": "SIGNOPE"}}, "/args/signal"),
        ("signal", {}, "/args/signal"),
        ("end_stray", {"args": {"pid": 0}}, "/args/pid"),
        ("start_child", {"key": "shop", "args": {}}, "/args"),
        ("start_child", {"key": "shop", "args": {"instance": "a/b"}}, "/args/instance"),
        ("stop", {"deadline_s": 0}, "/deadline_s"),
        ("stop", {"node": 7, "colour": "red"}, "/colour"),
        ("stop", {"args": []}, "/args"),
    ],
)
def test_what_cannot_be_meant_is_named(api: Client, verb: str, body: dict[str, Any], pointer: str) -> None:
    answer = ask(api, verb, **{"key": "shop/web", **body})
    assert answer.status_code == 400, answer.content
    assert pointer in [error["pointer"] for error in answer.json()["errors"]]
    assert not Command.objects.exists()


def test_what_is_not_possible_as_things_are(api: Client) -> None:
    assert ask(api, "stop", "shop/none").status_code == 404
    assert ask(api, "signal", "shop", args={"signal": "HUP"}).status_code == 409
    assert ask(api, "start_child", "shop/web", args={"instance": "a"}).status_code == 409
    assert ask(api, "end_stray", "", args={"pid": 1}).status_code == 404
    assert ask(api, "end_stray", "", args={"pid": 4711}).status_code == 202
    child = {"id": "x", "process": {"comand": ["/bin/true"]}}
    bad = ask(api, "start_child", "shop", args={"child": child})
    assert bad.json()["errors"][0]["pointer"].startswith("/args/child/process")


@pytest.mark.parametrize("verb", ["restart", "recycle", "signal", "reload", "terminate", "start_child"])
def test_what_is_not_the_same_twice_needs_a_key(api: Client, verb: str) -> None:
    args = {"signal": {"signal": "HUP"}, "start_child": {"instance": "a"}}.get(verb, {})
    answer = ask(api, verb, "shop" if verb == "start_child" else "shop/web", args=args, idempotent=False)
    assert answer.json()["errors"][0]["pointer"] == "Idempotency-Key"


def test_an_operation_that_a_node_took_is_not_taken_back(api: Client) -> None:
    location = ask(api, "stop").headers["Location"]
    commands.claim_commands(node_id=world.NODE, claimer="c")
    assert api.delete(location, headers={"If-Match": "*"}).status_code == 409
    tag = api.get(location)["ETag"]
    assert api.delete(location, headers={"If-Match": '"other"'}).json()["current"]["state"] == "claimed"
    assert api.get(location, headers={"If-None-Match": tag}).status_code == 304


@pytest.mark.django_db(transaction=True)
def test_waiting_ends_with_the_operation() -> None:
    world.world()
    api = people.bearer(people.token(people.admin(), Scope.ADMIN))
    location = ask(api, "stop").headers["Location"]
    assert api.get(f"{location}?wait=0").json()["state"] == "pending"

    def finish() -> None:
        commands.finish_command(command_id=Command.objects.get().pk, result={"key": "shop/web"})
        connections.close_all()

    timer = threading.Timer(0.5, finish)
    timer.start()
    body = api.get(f"{location}?wait=30").json()
    timer.join()
    assert (body["state"], body["result"]) == ("done", {"key": "shop/web"})
