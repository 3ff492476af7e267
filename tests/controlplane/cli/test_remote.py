"""The command line from another machine: a real server over HTTP, whose nodes are rows that a thread moves."""

import http.server
import json
import ssl
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import redis
from django.db import connection, connections
from django.utils import timezone

from controlplane.access.models import Token
from controlplane.access.policy import Role, Scope
from controlplane.api import limits
from controlplane.cli.exits import CliError
from controlplane.cli.remote.address import address_of
from supervision.fleet.models import Node
from supervision.journal.models import ObservedChild, ObservedTree
from supervision.trees import commands
from supervision.trees.models import Command, Placement, Tree
from tests.controlplane.api import world
from tests.support import people
from tests.support.command_line import Ran, manage, spawn
from tests.support.database import TestStores
from tests.support.waiting import wait_for

pytestmark = pytest.mark.django_db(transaction=True)

STATE_AFTER = {
    "stop": "stopped",
    "start": "running",
    "restart": "running",
    "hold": "running",
    "release": "running",
}


class Courier(threading.Thread):
    """Carries commands out on the rows, answers questions about logs: what a node and its courier would do."""

    def __init__(self, redis_url: str) -> None:
        super().__init__(daemon=True)
        self.done = threading.Event()
        self.redis_url = redis_url
        self.refuse: dict[str, Any] | None = None

    def run(self) -> None:
        with redis.Redis.from_url(self.redis_url) as client:
            while not self.done.wait(0.02):
                for command in commands.claim_commands(node_id=world.NODE, claimer="test"):
                    self._carry_out(command)
                question: Any = client.lpop(f"overstory:ask:{world.NODE}")
                if question is not None:
                    asked = json.loads(question)
                    client.rpush(asked["reply"], json.dumps({"result": self._answer(asked)}))
                for name in Tree.objects.filter(deleted_at__isnull=False).values_list("name", flat=True):
                    ObservedTree.objects.filter(name=name).delete()
                    ObservedChild.objects.filter(tree=name).delete()
        connections.close_all()

    def _carry_out(self, command: Command) -> None:
        if self.refuse is not None:
            commands.finish_command(command_id=command.pk, error=self.refuse)
            return
        children = ObservedChild.objects.filter(key=command.key)
        for child in children:
            child.state = STATE_AFTER.get(command.verb, child.state)
            child.held = command.verb == "hold" or (child.held and command.verb != "release")
            child.wanted = "down" if command.verb == "stop" else "up"
            if command.verb == "restart":
                child.incarnation, child.pid = child.incarnation + 1, (child.pid or 0) + 1000
            child.save()
        commands.finish_command(
            command_id=command.pk, result={"key": command.key, "pid": 101, "signal": "SIGHUP"}
        )

    def _answer(self, asked: dict[str, Any]) -> Any:
        line = {"time": 1.0, "stream": "out", "incarnation": 1, "key": "shop/web"}
        if asked["op"] == "follow":
            place = (asked["args"]["cursor"] or {}).get("1:out")
            lines = [{**line, "time": 3.0, "text": "fresh"}] if place == 0 else []
            return {"lines": lines, "cursor": {"1:out": 0 if place is None else 6}}
        if asked["op"] == "logs":
            return {"lines": [{**line, "text": f"line {n}"} for n in range(3)], "truncated": False}
        return {"from_revision": 1, "steps": [], "findings": [], "changes": 0}


@pytest.fixture
def courier(stores: TestStores, settings: Any, live_server: Any) -> Iterator[Courier]:
    settings.CONNECTIONS = replace(settings.CONNECTIONS, given_redis_url=stores.redis_url)
    limits.forget()
    with redis.Redis.from_url(stores.redis_url) as client:
        client.flushdb()
    with connection.cursor() as cursor:  # Django does not empty a table that it does not manage
        cursor.execute("TRUNCATE supervision_journalrecord")
    world.world()
    thread = Courier(stores.redis_url)
    thread.start()
    yield thread
    thread.done.set()
    thread.join(10)
    limits.forget()


@pytest.fixture
def remote(courier: Courier, live_server: Any, monkeypatch: pytest.MonkeyPatch) -> str:
    """The environment that a person on another machine has; the token's text."""
    text = people.token(people.admin(), Scope.ADMIN)
    monkeypatch.setenv("OVERSTORY_URL", live_server.url)
    monkeypatch.setenv("OVERSTORY_TOKEN", text)
    return text


def test_it_looks(remote: str) -> None:
    tree = manage("tree")
    assert tree.code == 0, tree
    assert "shop" in tree.out
    assert "bank" in tree.out
    assert manage("tree", "shop/web", "--json").json["trees"][0]["root"]["children"][0]["pid"] == 101
    assert manage("tree", "nothing").code == 3
    status = manage("status")
    assert (status.code, "http://" in status.out) == (0, True)
    assert manage("status", "--json").json["node_id"] == world.NODE
    explained = manage("explain", "shop/web")
    assert explained.code == 0
    assert "runs" in explained.out
    assert manage("explain", "shop/none").code == 3
    listed = manage("strays").out
    assert "4711" in listed
    assert "Coverage " in listed


def test_it_reads_the_journal_and_what_was_written(remote: str) -> None:
    events = manage("events", "--json")
    assert [record["seq"] for record in events.records] == [1, 2, 3]
    assert [record["seq"] for record in manage("events", "--json", "--limit", "1").records] == [3]
    assert [record["k"] for record in manage("events", "--json", "--kind", "node").records] == ["node"]
    logs = manage("logs", "shop/web", "-n", "2")
    assert (logs.code, logs.out.splitlines()) == (0, ["line 1", "line 2"])
    assert manage("logs", "shop/none").code == 3


def test_it_acts_and_waits_until_it_is_so(remote: str) -> None:
    stopped = manage("stop", "shop/web", "--json")
    assert stopped.code == 0, stopped
    assert stopped.json["targets"][0]["after"]["state"] == "stopped"
    assert manage("start", "shop/web").code == 0
    restarted = manage("restart", "shop/web", "--json")
    assert (restarted.code, restarted.json["targets"][0]["after"]["incarnation"]) == (0, 2)
    assert manage("hold", "shop/web", "--for", "10m").code == 0
    assert manage("release", "shop/web").code == 0
    assert manage("signal", "shop/web", "HUP", "--json").json["signal"] == "SIGHUP"
    assert manage("reload", "shop/web").code == 0
    done = list(Command.objects.order_by("created_at").values_list("verb", "state", "actor_name"))
    assert [verb for verb, _state, _name in done] == [
        "stop",
        "start",
        "restart",
        "hold",
        "release",
        "signal",
        "reload",
    ]
    assert {state for _verb, state, _name in done} == {"done"}
    assert {name for _verb, _state, name in done} == {"ada (token test)"}
    assert manage("stop", "shop/none").code == 3


def test_a_refusal_of_the_node_is_one_here(remote: str, courier: Courier) -> None:
    courier.refuse = {"code": "conflict", "message": "shop/web has no process"}
    refused = manage("signal", "shop/web", "HUP", "--json")
    assert (refused.code, refused.json["error"]["code"]) == (1, "conflict")
    assert "has no process" in refused.json["error"]["message"]


def test_it_declares(remote: str, tmp_path: Path) -> None:
    file = tmp_path / "shop.json"
    file.write_text(json.dumps(world.document("shop", "web", "mail")))
    Placement.objects.all().delete()
    planned = manage("plan", str(file), "--detailed-exitcode", "--json")
    assert planned.code == 2, planned
    assert {"do": "start", "key": "shop/mail", "why": "added"} in planned.json["steps"]
    applied = manage("apply", str(file), "--yes", "--no-wait", "-m", "more", "--json")
    assert (applied.code, applied.json["revision"]) == (0, 2)
    head = Tree.objects.get(name="shop").head
    assert head is not None
    assert head.message == "more"
    file.write_text("version: 1\ntree: shop\nsupervisor: {children: [{id: 5 5}]}\n")
    assert manage("apply", str(file), "--yes").code == 1
    new = tmp_path / "new.json"
    new.write_text(json.dumps(world.document("new")))
    assert manage("apply", str(new), "--yes", "--no-wait").code == 0
    deleted = manage("delete", "shop", "--yes", "--json")
    assert (deleted.code, deleted.json["gone"]) == (0, True)
    assert manage("delete", "shop", "--yes").code == 3


def test_a_document_that_only_the_server_refuses_is_named_with_its_line(remote: str, tmp_path: Path) -> None:
    file = tmp_path / "system.yaml"
    file.write_text("version: 1\n\ntree: system\nsupervisor: {children: []}\n")
    refused = manage("plan", str(file), "--json")
    assert refused.code == 1
    assert refused.json["error"]["problems"][0]["line"] == 3


def test_apply_waits_for_a_node_to_take_it(remote: str, tmp_path: Path) -> None:
    file = tmp_path / "new.json"
    file.write_text(json.dumps(world.document("new")))
    late = manage("apply", str(file), "--yes", "--timeout", "1", "--json")
    assert (late.code, late.json["revision"], late.json["ok"]) == (5, 1, False)
    world.observed(Node.objects.get(pk=world.NODE), "new")
    ObservedTree.objects.filter(name="new").update(digest=late.json["digest"])
    assert manage("apply", str(file), "--yes").code == 0


def test_events_of_a_key_are_found_by_what_they_are_about(remote: str) -> None:
    host = Node.objects.get(pk=world.NODE)
    started: dict[str, Any] = {"event": ["started", "shop/web", 1], "actions": [], "ref": "x"}
    world.event(host, 20, tree="shop", key="shop/web", kind="step", **started)
    assert [record["seq"] for record in manage("events", "--json", "--key", "shop/web").records] == [20]


def test_the_watch_goes_on_while_things_change(remote: str) -> None:
    with spawn("tree", "--watch", "--json", "shop/web") as running:
        first = json.loads(running.line())
        assert first["tree"]["trees"][0]["root"]["children"][0]["state"] == "running"
        ObservedChild.objects.filter(key="shop/web").update(state="stopped")
        wait_for(
            lambda: (
                json.loads(running.line())["tree"]["trees"][0]["root"]["children"][0]["state"] == "stopped"
            ),
            timeout=20,
        )


def test_following_shows_what_comes(remote: str) -> None:
    with spawn("logs", "-f", "shop/web", "-n", "1") as running:
        assert running.line().strip() == "line 2"
        running.until("fresh")
    host = Node.objects.get(pk=world.NODE)
    with spawn("events", "-f", "--json", "--limit", "1") as running:
        assert json.loads(running.line())["seq"] == 3
        world.event(host, 9, tree="shop", key="shop/web")
        assert json.loads(running.line())["seq"] == 9


# -- who, and where -----------------------------------------------------------------------------------------------------


def test_a_token_that_is_not_good_or_not_enough(remote: str, monkeypatch: pytest.MonkeyPatch) -> None:
    Token.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    refused = manage("tree", "--json")
    assert (refused.code, refused.json["error"]["code"]) == (1, "refused")
    assert remote not in refused.out + refused.err
    viewer = people.token(people.user("vic", (Role.VIEWER, "shop")), Scope.READ)
    monkeypatch.setenv("OVERSTORY_TOKEN", viewer)
    shown = manage("tree", "--json").json
    assert [tree["name"] for tree in shown["trees"]] == ["shop"]
    assert manage("stop", "shop/web").code == 1
    assert manage("stop", "bank/web").code == 3


def test_the_token_is_never_printed(remote: str) -> None:
    for command in (
        ("tree",),
        ("tree", "--help"),
        ("status", "--json"),
        ("tree", "--token", remote, "--json"),
    ):
        ran = manage(*command)
        assert remote not in ran.out + ran.err


def test_a_node_can_be_named(remote: str) -> None:
    other = world.node("m" * 32, name="second")
    world.observed(other, "depot")
    assert {tree["name"] for tree in manage("tree", "--json").json["trees"]} == {"shop", "bank", "depot"}
    assert [tree["name"] for tree in manage("tree", "--json", "--node", "second").json["trees"]] == ["depot"]
    assert "2 nodes" in manage("tree").out
    assert manage("tree", "--node", "third").code == 3


def test_no_server_is_exit_code_4(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OVERSTORY_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("OVERSTORY_TOKEN", "ovs_x")
    gone = manage("tree", "--json")
    assert (gone.code, gone.json["error"]["code"]) == (4, "unreachable")


def ran_usage(*argv: str) -> Ran:
    ran = manage(*argv)
    assert ran.code == 2, ran
    return ran


@pytest.mark.parametrize(
    "url", ["ops.example.com", "ftp://x", "http://", "http://x:99999", "http://u:p@127.0.0.1"]
)
def test_an_address_that_is_none(url: str) -> None:
    assert "address" in ran_usage("tree", "--url", url, "--token", "t").err


def test_a_token_is_not_sent_in_the_open() -> None:
    assert "https" in ran_usage("tree", "--url", "http://ops.example.com", "--token", "t").err
    assert "token" in ran_usage("tree", "--url", "http://127.0.0.1:1").err


def test_this_host_is_meant_unless_something_else_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    assert address_of({}, {}) is None
    environ = {"OVERSTORY_URL": "https://ops.example.com/over/", "OVERSTORY_TOKEN": "t"}
    found = address_of({}, environ)
    assert found is not None
    assert (found.url, found.prefix) == ("https://ops.example.com:443/over", "/over")
    assert address_of({"data_dir": "/x"}, environ) is None
    with pytest.raises(CliError):
        address_of({"token": "a b", "url": "https://x"}, {})


def test_a_certificate_that_nobody_vouches_for_is_refused(tmp_path: Path) -> None:
    certificate = tmp_path / "c.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost",
         "-keyout", str(certificate), "-out", str(tmp_path / "crt.pem")],
        check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "crt.pem", certificate)
    server = http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        port = server.server_address[1]
        refused = manage("tree", "--url", f"https://localhost:{port}", "--token", "ovs_secret", "--json")
    finally:
        server.shutdown()
        server.server_close()
    assert refused.code == 4
    assert "certificate" in refused.json["error"]["message"]


@pytest.mark.parametrize("name", ["doctor", "reexec", "validate", "schema"])
def test_what_is_about_this_host_takes_no_address(name: str) -> None:
    assert manage(name, "--url", "https://x").code == 2
