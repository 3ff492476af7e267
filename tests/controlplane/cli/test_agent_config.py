"""`manage.py agent_config`, on the control plane's own host and from another machine."""

import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from agents.configs.models import AgentConfig, AgentConfigRevision
from controlplane.cli.agentconfigs import parts
from controlplane.cli.exits import CliError, ExitCode
from supervision.trees.placing import Placing
from tests.agents import config_rows
from tests.supervision.trees.fleet_rows import leader, node

pytestmark = pytest.mark.django_db


def run(capsys: pytest.CaptureFixture[str], *words: str, code: int = ExitCode.DONE) -> str:
    """What the command printed, on either stream."""
    ended = ExitCode.DONE
    try:
        call_command("agent_config", *words)
    except SystemExit as end:
        ended = ExitCode(int(end.code or 0))
    said = capsys.readouterr()
    assert ended == code, said
    return said.out + said.err


@pytest.fixture
def file(tmp_path: Path) -> Any:
    def write(depth: int) -> str:
        path = tmp_path / "crawler.yaml"
        path.write_text(f"entry_point: shop.agents:Crawler\narguments: {{depth: {depth}}}\n")
        return str(path)

    return write


def test_a_config_from_its_first_revision_to_its_end(capsys: pytest.CaptureFixture[str], file: Any) -> None:
    assert "shop/crawler  revision 1" in run(capsys, "apply", "shop/crawler", file(1), "-m", "first")
    config_rows.apply()
    planned = run(capsys, "plan", "shop/crawler", file(2))
    assert "+  depth: 2" in planned
    assert "start  shop/crawler  changed: /agent/arguments/depth" in planned
    assert AgentConfigRevision.objects.count() == 1
    assert "tree shop  revision 2" in run(capsys, "apply", "shop/crawler", file(2), "-m", "deeper")
    assert "says so already" in run(capsys, "apply", "shop/crawler", file(2))
    assert "-  depth: 1" in run(capsys, "diff", "shop/crawler")
    assert "shop/crawler  revision 3" in run(capsys, "rollback", "shop/crawler", "--to", "1")
    assert "depth: 1" in run(capsys, "show", "shop/crawler")
    assert "tree shop" in run(capsys, "delete", "shop/crawler", "-y", code=ExitCode.FAILED)
    listed = json.loads(run(capsys, "list", "--json"))
    assert [(one["name"], one["revision"]) for one in listed["configs"]] == [("crawler", 3)]
    config_rows.put("idle")
    run(capsys, "delete", "shop/idle", "-y")
    assert not AgentConfig.objects.filter(name="idle").exists()


def test_what_is_wrong_changes_nothing_and_is_named(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "x.yaml"
    path.write_text("entry_point: a:B\nheartbeat: soon\n")
    assert "/heartbeat" in run(capsys, "apply", "shop/crawler", str(path), code=ExitCode.FAILED)
    run(capsys, "apply", "shop/crawler", code=ExitCode.USAGE)
    run(capsys, "show", code=ExitCode.USAGE)
    assert not AgentConfig.objects.exists()


def test_a_name_alone_is_of_the_default_namespace() -> None:
    assert parts("crawler") == ("default", "crawler")
    assert parts("shop/crawler") == ("shop", "crawler")
    for wrong in ("a/b/c", "/a", "a/"):
        with pytest.raises(CliError):
            parts(wrong)


def test_one_agent_tries_it_and_the_command_waits_for_the_verdict(
    capsys: pytest.CaptureFixture[str], file: Any
) -> None:
    run(capsys, "apply", "shop/crawler", file(1))
    config_rows.apply()
    node("a")
    Placing().tick(leader())
    words = ("apply", "shop/crawler", file(2), "--canary", "--observe", "90")
    tried = json.loads(run(capsys, *words, "--no-wait", "--json"))
    assert tried["canary"]["key"] == "shop/crawler"
    assert (tried["canary"]["state"], tried["canary"]["observe_s"], tried["canary"]["node"]) == (
        "running",
        90.0,
        "a",
    )
    late = run(
        capsys, "apply", "shop/crawler", file(3), "--canary", "--timeout", "100ms", code=ExitCode.TIMEOUT
    )
    assert "shop/crawler on a tries it: running" in late
    run(capsys, "stop", "shop/crawler", "-m", "no time")
    shown = json.loads(run(capsys, "show", "shop/crawler", "--json"))
    assert (shown["revision"], shown["canary"]["state"], shown["canary"]["reason"]) == (1, "ended", "no time")
    run(capsys, "stop", "shop/crawler", code=ExitCode.NOT_FOUND)
    run(capsys, "apply", "shop/crawler", file(2), "--observe", "90", code=ExitCode.USAGE)
