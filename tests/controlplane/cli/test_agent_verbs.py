"""`manage.py agent_kind`, `registration`, `service` and `checkpoint`: on the control plane's host and elsewhere."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from agents.checkpoints.models import Checkpoint
from agents.configs.models import AgentKind
from agents.registry.models import Registration, Service
from agents.registry.services import Facts, Owner, register
from controlplane.access.policy import EVERY_TREE, Role, Scope
from controlplane.api import limits
from controlplane.cli.exits import ExitCode
from supervision.auditlog.models import AuditEntry
from supervision.fleet.models import Node
from tests.agents import config_rows
from tests.controlplane.api import world
from tests.support import people

pytestmark = pytest.mark.django_db(transaction=True)

Run = Callable[..., str]


@pytest.fixture(params=["here", "from elsewhere"])
def run(
    request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Run:
    """Runs a command; what it printed, on either stream."""
    world.world()
    if request.param == "from elsewhere":
        limits.forget()
        monkeypatch.setenv("OVERSTORY_URL", request.getfixturevalue("live_server").url)
        monkeypatch.setenv("OVERSTORY_TOKEN", people.token(people.admin(), Scope.ADMIN))

    def run(command: str, *words: str, code: int = ExitCode.DONE) -> str:
        ended = ExitCode.DONE
        try:
            call_command(command, *words)
        except SystemExit as end:
            ended = ExitCode(int(end.code or 0))
        said = capsys.readouterr()
        assert ended == code, said
        assert all(len(line) <= 80 for line in said.out.splitlines() if "--json" not in words), said.out
        return said.out + said.err

    return run


@pytest.fixture
def write(tmp_path: Path) -> Callable[[Any], str]:
    def write(value: Any) -> str:
        path = tmp_path / "value.json"
        path.write_text(json.dumps(value))
        return str(path)

    return write


def test_a_kind_says_which_configs_would_become_invalid(run: Run, write: Callable[[Any], str]) -> None:
    anything = {"type": "object"}
    assert "crawler  version 1" in run(
        "agent_kind", "put", "crawler", write(anything), "--description", "reads"
    )
    config_rows.put("deep", kind="crawler", arguments={"depth": 9})
    config_rows.put("flat", kind="crawler", arguments={"depth": 1})
    bounded = {"type": "object", "properties": {"depth": {"maximum": 3}}}
    planned = run("agent_kind", "plan", "crawler", write(bounded))
    assert "shop/deep  /arguments/depth: 9 is greater than the maximum of 3" in planned
    assert "shop/flat  fits" in planned
    refused = run("agent_kind", "put", "crawler", write(bounded), code=ExitCode.FAILED)
    assert "shop/deep: /arguments/depth" in refused
    assert "flat" not in refused
    assert AgentKind.objects.get().schema == anything
    run("agent_kind", "put", "crawler", write({**anything, "title": "x"}))
    kind = AgentKind.objects.get()
    assert (kind.version, kind.description) == (2, "reads")
    assert "title: x" in run("agent_kind", "show", "crawler")
    listed = json.loads(run("agent_kind", "list", "--json"))
    assert [(one["name"], one["version"]) for one in listed["kinds"]] == [("crawler", 2)]
    assert "of kind crawler" in run("agent_kind", "delete", "crawler", "-y", code=ExitCode.FAILED)
    run("agent_kind", "show", "none", code=ExitCode.NOT_FOUND)
    assert "/schema" in run("agent_kind", "put", "bad", write({"type": "thing"}), code=ExitCode.FAILED)


def test_registrations_by_capability_health_node_and_label(run: Run) -> None:
    config_rows.registrations(world.NODE)
    Node.objects.filter(pk=world.NODE).update(labels={"zone": "north"})
    facts = Facts(capabilities=["scrape"], labels={"team": "a"}, ready=False)
    register(namespace="ours", key="pages/1", owner=Owner(world.NODE, "shop/web", 1), facts=facts)

    def keys(*words: str) -> list[str]:
        found = json.loads(run("registration", "list", "--json", *words))
        return [f"{one['namespace']}/{one['key']}" for one in found["registrations"]]

    everything = ["default/bank", "default/cron", "default/web", "ours/pages/1"]
    assert keys() == everything
    assert keys("--capability", "scrape") == ["ours/pages/1"]
    assert keys("--healthy") == ["default/bank", "default/cron", "default/web"]
    assert keys("--unhealthy") == ["ours/pages/1"]
    assert keys("--on", "host") == ["default/bank", "default/web", "ours/pages/1"]
    assert keys("--on", "elsewhere") == []
    assert keys("--label", "zone=north") == ["default/bank", "default/web", "ours/pages/1"]
    assert keys("--label", "team=a", "--namespace", "ours") == ["ours/pages/1"]
    assert keys("--child", "shop/web") == ["default/web", "ours/pages/1"]
    run("registration", "list", "--label", "zone", code=ExitCode.USAGE)
    shown = run("registration", "list")
    assert "shop/web #1" in shown
    assert "capabilities: scrape" in run("registration", "show", "ours/pages/1")
    run("registration", "show", "ours/none", code=ExitCode.NOT_FOUND)
    run("registration", "release", "ours/pages/1", code=ExitCode.FAILED)
    assert keys() == everything
    run("registration", "release", "ours/pages/1", "-y")
    run("registration", "release", "web", "-y")
    assert set(Registration.objects.values_list("key", flat=True)) == {"bank", "cron"}
    assert AuditEntry.objects.filter(action="registration.remove").count() == 2


def test_a_service_is_declared_waited_for_and_forgotten(run: Run, write: Callable[[Any], str]) -> None:
    run("service", "put", "ours/prices", write({"description": "what things cost"}))
    run("service", "put", "ours/shop", write({"depends_on": ["prices"]}))
    cycle = run("service", "put", "ours/prices", write({"depends_on": ["shop"]}), code=ExitCode.FAILED)
    assert "a cycle: prices needs shop needs prices" in cycle
    assert "min_ready" in run("service", "put", "ours/x", write({"min_ready": 0}), code=ExitCode.FAILED)
    shown = run("service", "show", "ours/shop")
    assert "not ready: 0 of 1 providers of shop, 0 of 1 providers of prices" in shown
    late = run("service", "wait", "ours/prices", "--timeout", "1", code=ExitCode.TIMEOUT)
    assert "0 of 1 providers of prices" in late
    held = Owner(holder="test", lease_s=60.0)
    register(namespace="ours", key="p", owner=held, facts=Facts(service="prices"))
    assert "ready, 1 ready provider" in run("service", "wait", "ours/prices")
    assert "depend on prices" in run("service", "delete", "ours/prices", "-y", code=ExitCode.FAILED)
    run("service", "delete", "ours/shop", "-y")
    assert [service.name for service in Service.objects.all()] == ["prices"]
    assert "what things cost" in run("service", "list")
    run("service", "show", "ours/shop", code=ExitCode.NOT_FOUND)


def test_checkpoints_are_listed_shown_read_and_forgotten(run: Run, tmp_path: Path) -> None:
    old = config_rows.checkpoint("shop/web", world.NODE, version=1, data=b'{"count": 1}')
    new = config_rows.checkpoint("shop/web", world.NODE, version=2, data=b"\x80\xff\0", content="bytes")
    config_rows.checkpoint("bank/web", world.NODE)
    listed = json.loads(run("checkpoint", "list", "--key", "shop/web", "--json"))
    assert [(one["id"], one["version"]) for one in listed["checkpoints"]] == [(new.pk, 2), (old.pk, 1)]
    assert "bank/web" not in run("checkpoint", "list", "--tree", "shop")
    assert "version: 2" in run("checkpoint", "show", str(new.pk))
    assert '{"count": 1}' in run("checkpoint", "state", str(old.pk))
    assert "--output" in run("checkpoint", "state", str(new.pk), code=ExitCode.FAILED)
    file = tmp_path / "state"
    assert "3 bytes" in run("checkpoint", "state", str(new.pk), "--output", str(file))
    assert file.read_bytes() == b"\x80\xff\0"
    run("checkpoint", "delete", str(new.pk), "-y")
    assert not Checkpoint.objects.filter(pk=new.pk).exists()
    run("checkpoint", "show", str(new.pk), code=ExitCode.NOT_FOUND)
    run("checkpoint", "show", "first", code=ExitCode.USAGE)


@pytest.mark.parametrize("run", ["from elsewhere"], indirect=True)
def test_who_may_only_look_changes_nothing(
    run: Run, write: Callable[[Any], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    looker = people.user("vic", (Role.VIEWER, EVERY_TREE))
    monkeypatch.setenv("OVERSTORY_TOKEN", people.token(looker, Scope.READ))
    assert "No kind" in run("agent_kind", "list")
    run("agent_kind", "put", "crawler", write({}), code=ExitCode.FAILED)
    run("service", "put", "ours/prices", write({}), code=ExitCode.FAILED)
    assert not AgentKind.objects.exists()
    assert not Service.objects.exists()
