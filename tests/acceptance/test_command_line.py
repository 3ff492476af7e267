"""A tour with a real node: what an operator does in a first hour, and what is said to it."""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from supervision.runtime.observed import Child, Observed
from tests.support.command_line import Ran, manage, on_terminal, spawn
from tests.support.engine import Engine
from tests.support.waiting import wait_for

DEADLINE = 60.0

SHOP = """\
version: 1
tree: shop
supervisor:
  children:
  - id: db
    process: {command: [/bin/sh, -c, "echo db is up; exec sleep 3600"]}
  - id: mail
    backoff: {initial: 600s, cap: 600s, jitter: 0}
    process: {command: [/bin/sh, -c, "echo 'ValueError: boom' >&2; sleep 0.2; exit 3"]}
  - id: web
    supervisor:
      strategy: rest_for_one
      children:
      - {id: api, instances: 2, process: {command: [sleep, "3600"]}}
  - id: pool
    supervisor:
      strategy: simple_one_for_one
      children: [{id: worker, process: {command: [sleep, "3600"]}}]
  - id: slow
    process:
      command: [sleep, "3600"]
      readiness: {notify: true, deadline: 1h}
  - id: late
    depends_on: [slow]
    process: {command: [sleep, "3600"]}
"""


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """A node that runs the shop; each test leaves it as it was."""
    path = tmp_path_factory.mktemp("shop") / "shop.yaml"
    path.write_text(SHOP)
    with Engine() as running, pytest.MonkeyPatch.context() as patch:
        patch.setenv("OVERSTORY_DATA_DIR", str(running.data_dir))
        assert manage("apply", str(path), "--yes", "--no-wait").code == 0
        running.wait_state("shop/db", "running")
        running.wait_state("shop/mail", "backoff")
        yield running


@pytest.fixture(autouse=True)
def here(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands talk to the node that the test uses."""
    if "engine" in request.fixturenames:
        monkeypatch.setenv("OVERSTORY_DATA_DIR", str(request.getfixturevalue("engine").data_dir))


@pytest.fixture
def empty(monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    """A node of the test's own."""
    with Engine() as running:
        monkeypatch.setenv("OVERSTORY_DATA_DIR", str(running.data_dir))
        yield running


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "shop.yaml"
    path.write_text(SHOP)
    return path


def member(key: str) -> Child:
    found = Observed.from_json(manage("tree", "--json").json).find(key)
    assert isinstance(found, Child), key
    return found


def ok(*argv: str) -> Ran:
    ran = manage(*argv)
    assert ran.code == 0, ran
    return ran


def test_a_tour(file: Path, empty: Engine) -> None:
    plan = ok("plan", str(file), "--json").json
    assert plan["from_revision"] is None
    assert manage("plan", str(file), "--detailed-exitcode").code == 2

    ran = manage("apply", str(file), "--yes", "--message", "first", "--timeout", "2s", "--json")
    assert ran.code == 5, "mail crashes, slow is never ready"
    assert {line.split(":")[0] for line in ran.json["in_the_way"]} == {"shop/mail", "shop/slow", "shop/late"}

    tree = ok("tree").out
    assert "rest_for_one 0/3 in 5s" in tree
    assert max(map(len, tree.splitlines())) <= 80
    mail = ok("explain", "shop/mail").out
    assert "ended with exit code 3, and its restart waits" in mail
    assert "| ValueError: boom" in mail
    late = ok("explain", "shop/late").out
    assert "waits for shop/slow" in late
    assert "is not ready yet" in late
    assert ok("logs", "shop/db").out == "db is up\n"
    assert "ended: exit(3); next try in 10m00s" in ok("events", "--key", "shop/mail").out

    changed = file.with_name("changed.yaml")
    changed.write_text(
        SHOP.replace("exec sleep 3600", "exec sleep 3601").replace("instances: 2", "instances: 1")
    )
    steps = [
        (step["do"], step["key"])
        for step in ok("plan", str(changed), "--json").json["steps"]
        if step["do"] != "keep"
    ]
    assert steps == [("stop", "shop/web/api@2"), ("restart", "shop/db")]
    assert manage("apply", str(changed), "--yes", "--timeout", "2s").code == 5
    assert "revision 2 of shop was applied by" in ok("explain", "shop/db").out
    assert manage("plan", str(changed), "--detailed-exitcode").code == 0


def test_acting_on_children(engine: Engine) -> None:
    pid = member("shop/db").pid
    assert f"restarted (pid {pid} -> " in ok("restart", "shop/db").out
    assert "stopped (pid " in ok("stop", "shop/db").out
    assert "was stopped already" in ok("stop", "shop/db").out
    assert "is stopped by " in ok("explain", "shop/db").out
    ok("start", "shop/db")
    ok("hold", "shop/db", "--for", "10m")
    pid = member("shop/db").pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: member("shop/db").state == "held", timeout=DEADLINE)
    explained = ok("explain", "shop/db").out
    assert "was killed by SIGKILL; who sent it is not known" in " ".join(explained.split())
    assert "is held by" in explained
    ok("release", "shop/db")
    wait_for(lambda: member("shop/db").state == "running", timeout=DEADLINE)
    assert ok("stop", "shop/web").out == "shop/web  stopped with 2 children\n"
    refused = manage("start", "shop/web/api@1")
    assert (refused.code, "its supervisor shop/web is stopped" in refused.out) == (1, True)
    ok("start", "shop/web")


def test_dynamic_children_signals_and_strays(engine: Engine) -> None:
    assert ok("start_child", "shop/pool", "--instance", "blue").out == "shop/pool/blue  added\n"
    wait_for(lambda: member("shop/pool/blue").state == "running", timeout=DEADLINE)
    assert manage("start_child", "shop/pool", "--instance", "blue").code == 1
    ok("signal", "shop/pool/blue", "USR1")
    wait_for(lambda: member("shop/pool/blue").restarts == 1, timeout=DEADLINE)
    assert "had sent to it" in " ".join(ok("explain", "shop/pool/blue").out.split())
    ok("delete_child", "shop/pool/blue", "--yes")
    assert "shop/pool/blue" not in ok("tree", "--json").out
    assert ok("strays", "--json").json["strays"] == []
    assert manage("reload", "shop/db").code == 1


def test_a_sibling_under_rest_for_one_is_told(engine: Engine) -> None:
    wait_for(lambda: member("shop/web/api@2").state == "running", timeout=DEADLINE)
    first, second = member("shop/web/api@1"), member("shop/web/api@2")
    assert first.pid is not None
    os.kill(first.pid, signal.SIGKILL)
    wait_for(lambda: member("shop/web/api@2").incarnation > second.incarnation, timeout=DEADLINE)
    told = " ".join(ok("explain", "shop/web/api@2").out.split())
    assert "shop/web/api@1 was killed by SIGKILL" in told
    assert "shop/web restarts api@1 and with it, by rest_for_one, api@2 (restart 1 of 3 in 5s)" in told


def test_the_watch_goes_on_with_the_next_node(engine: Engine) -> None:
    with spawn("tree", "--watch", "--json") as running:
        before = json.loads(running.line())["tree"]["node"]["pid"]
        engine.kill_node()
        while True:
            now = json.loads(running.line())
            assert now["tree"]["trees"], "never zero"
            if not now["stale"] and now["tree"]["node"]["pid"] != before:
                break


def test_a_stop_goes_on_through_the_death_of_the_node(engine: Engine, tmp_path: Path) -> None:
    path = tmp_path / "slow.yaml"
    path.write_text(
        "version: 1\ntree: deaf\nsupervisor:\n  children:\n  - id: a\n    shutdown: 2s\n"
        "    process: {command: [/bin/sh, -c, \"trap '' TERM; while :; do sleep 0.1; done\"]}\n"
    )
    ok("apply", str(path), "--yes")
    wait_for(lambda: member("deaf/a").state == "running", timeout=DEADLINE)
    with spawn("stop", "deaf/a") as running:
        wait_for(lambda: member("deaf/a").state == "stopping", timeout=DEADLINE)
        engine.kill_node()
        ran = running.end(timeout=DEADLINE)
    assert ran.code == 0, ran
    assert "stopped" in ran.out
    assert "killed" in ok("explain", "deaf/a").out
    assert ok("delete", "deaf", "--yes").out == "deaf  deleted\n"


def test_on_a_terminal_the_tree_is_live(engine: Engine) -> None:
    with on_terminal("tree", "shop/db", "--watch") as running:
        running.until("live, data")
        running.until("db")
        ok("stop", "shop/db")
        running.until("○")
        ok("start", "shop/db")
        running.until("●")
        running.type("q")
        assert running.wait() == 0


def test_doctor_finds_nothing_that_fails_about_the_node(engine: Engine) -> None:
    checks = {check["check"]: check["verdict"] for check in manage("doctor", "--json").json["checks"]}
    assert checks["life.guardian"] == checks["life.node"] == checks["life.journal"] == "ok"


def test_with_everything_dead_the_past_is_still_told(file: Path, empty: Engine) -> None:
    ok("apply", str(file), "--yes", "--no-wait")
    empty.wait_state("shop/mail", "backoff")
    wait_for(lambda: manage("logs", "shop/db").out, timeout=DEADLINE)
    empty.stop()
    assert manage("tree").code == 4
    assert "ended: exit(3)" in ok("events", "--limit", "0").out
    assert ok("logs", "shop/db").out == "db is up\n"
    explained = manage("explain", "shop/mail")
    assert explained.code == 0
    assert "this is what the journal says" in explained.err
    empty.start()
