"""Agents out of templates, with real processes: kill -9 of agent, template, node and guardian; virtual environments; other
users; modules that cannot be forked. One instance for the whole file."""

import contextlib
import os
import pwd
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from supervision.runtime import agentdoc
from supervision.runtime.processes import all_pids, read_mark
from tests.support.engine import Engine, alive, tree
from tests.support.waiting import wait_for

SHOP = """
import asyncio, os, sys, time
from overstory.agent import Agent

class Buyer(Agent):
    async def run(self):
        print("runs", os.environ["OVERSTORY_INCARNATION"], flush=True)
        await asyncio.Event().wait()

class Ends(Agent):
    def run(self):
        os._exit(self.context.arguments["status"])

class Stuck(Agent):
    async def run(self):
        time.sleep(3600)  # the loop is blocked: no sign of life comes

class Where(Agent):
    def run(self):
        import overstory
        print(sys.prefix, overstory.__file__, os.getuid(), os.getgid(), flush=True)
        while not self.wait_stopping(60):
            pass
"""
THREADED = """
import threading
threading.Thread(target=threading.Event().wait, name="beat", daemon=True).start()
from shop import Buyer
"""
SPARES = 3


def agent(agent_id: str, entry_point: str, directory: Path, **fields: Any) -> dict[str, Any]:
    more: dict[str, Any] = {
        name: fields.pop(name) for name in ("instances", "restart", "shutdown") if name in fields
    }
    return {"id": agent_id, **more, "agent": {"entry_point": entry_point, "cwd": str(directory), **fields}}


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    made = Path(tmp_path_factory.mktemp("agents"))
    (made / "shop.py").write_text(SHOP)
    (made / "threaded.py").write_text(THREADED)
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture(scope="module")
def engine(directory: Path) -> Iterator[Engine]:
    with Engine() as made:
        made.apply(
            tree(
                "t",
                agent("web", "shop:Buyer", directory, instances=6, spares=SPARES),
                agent("alone", "shop:Buyer", directory, start="exec"),
                agent("threaded", "threaded:Buyer", directory),
                intensity=1_000_000,
            )
        )
        for key in (*WEB, "t/alone", "t/threaded"):
            made.wait_state(key, "running")
        yield made


WEB = [f"t/web@{number}" for number in range(1, 7)]


def templates(engine: Engine) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = engine.call("status")["templates"]
    return found


def pool(engine: Engine) -> dict[str, Any]:
    """The template of `web`."""
    return next(one for one in templates(engine) if one["modules"] == ["shop"] and one["user"] is None)


def wait_spares(engine: Engine) -> None:
    wait_for(lambda: pool(engine)["spares"] == SPARES, timeout=30, what=f"spares: {pool(engine)}")


def pids(engine: Engine) -> dict[str, int]:
    return {key: view["pid"] for key, view in engine.views().items() if key in WEB}


def all_ready(engine: Engine) -> bool:
    views = engine.views()
    return all(views[key]["state"] == "running" for key in WEB)


def living(engine: Engine) -> dict[str, list[int]]:
    """key -> pids of processes that carry the marker of an agent of `web`, whatever they are children of."""
    found: dict[str, list[int]] = {}
    prefix = engine.node_id()[:8] + ":"
    for pid in all_pids():
        mark = read_mark(pid, prefix)
        if mark is not None and alive(pid):
            key = mark.removeprefix(prefix).partition(":")[0]
            if key in WEB:
                found.setdefault(key, []).append(pid)
    return found


def kill(pid: int, number: int = signal.SIGKILL) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def settle(engine: Engine) -> None:
    """Every agent runs, once, under the pid the node says."""

    def probe() -> bool:
        return all_ready(engine) and living(engine) == {key: [pid] for key, pid in pids(engine).items()}

    wait_for(probe, timeout=30, what=f"one process each; {living(engine)} {engine.log()[-2000:]}")


def test_agents_come_out_of_one_template_and_those_that_cannot_are_exec_d_by_name(engine: Engine) -> None:
    views = engine.views()
    assert {views[key]["started_by"] for key in WEB} <= {"template", "spare"}
    assert (views["t/alone"]["started_by"], views["t/alone"]["why_exec"]) == ("exec", "")
    assert views["t/threaded"]["started_by"] == "exec"
    why = "its modules cannot be forked: importing threaded starts the thread beat"
    assert views["t/threaded"]["why_exec"] == why
    assert pool(engine)["children"] == len(WEB)
    template = pool(engine)["pid"]
    assert {
        int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        for pid in pids(engine).values()
    } == {template}


def test_preflight_says_what_is_known_not_to_fork(engine: Engine, directory: Path) -> None:
    plan = engine.call("plan", spec=tree("other", agent("x", "threaded:Buyer", directory)))
    (found,) = plan["findings"]
    assert (found["severity"], found["pointer"]) == ("warning", "/supervisor/children/0/agent")
    assert "importing threaded starts the thread beat" in found["message"]


def test_a_killed_agent_is_replaced_by_a_spare_and_a_burst_uses_no_more_than_there_are(
    engine: Engine,
) -> None:
    wait_spares(engine)
    before = engine.views()
    for key in WEB:
        kill(before[key]["pid"])
    for key in WEB:
        view = engine.wait_incarnation(key, before[key]["incarnation"])
        assert view["last_exit"]["reason"] == "signal(9)"
    sources = [engine.child(key)["started_by"] for key in WEB]
    assert sources.count("spare") == SPARES
    assert sources.count("template") == len(WEB) - SPARES
    wait_spares(engine)
    settle(engine)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGABRT])
def test_agents_of_a_dead_template_live_on_and_how_they_end_is_known(engine: Engine, number: int) -> None:
    before = engine.views()
    old = pool(engine)["pid"]
    kill(old)
    kill(before[WEB[0]]["pid"], number)  # before the node can have looked
    view = engine.wait_incarnation(WEB[0], before[WEB[0]]["incarnation"])
    assert view["last_exit"]["reason"] == f"signal({number})"
    wait_for(lambda: pool(engine)["pid"] not in (None, old), timeout=30)
    kill(before[WEB[1]]["pid"], number)
    view = engine.wait_incarnation(WEB[1], before[WEB[1]]["incarnation"])
    assert view["last_exit"]["reason"] == f"signal({number})"
    after = engine.views()
    for key in WEB[2:]:
        assert (after[key]["pid"], after[key]["incarnation"]) == (
            before[key]["pid"],
            before[key]["incarnation"],
        )
    settle(engine)
    wait_spares(engine)


def test_agents_outlive_the_node_and_how_they_ended_meanwhile_is_known(engine: Engine) -> None:
    before = engine.views()
    old = engine.node_pid()
    kill(old)
    kill(before[WEB[0]]["pid"], signal.SIGABRT)
    wait_for(lambda: engine.wait_answer()["pid"] != old, timeout=30)
    view = engine.wait_incarnation(WEB[0], before[WEB[0]]["incarnation"])
    assert view["last_exit"]["reason"] == "signal(6)"
    after = engine.views()
    for key in (*WEB[1:], "t/alone", "t/threaded"):
        assert (after[key]["pid"], after[key]["incarnation"]) == (
            before[key]["pid"],
            before[key]["incarnation"],
        )
    settle(engine)
    wait_spares(engine)  # made anew, before anybody needs them
    kill(after[WEB[1]]["pid"])
    view = engine.wait_incarnation(WEB[1], after[WEB[1]]["incarnation"])
    assert (view["last_exit"]["reason"], view["started_by"]) == ("signal(9)", "spare")


def test_a_node_killed_in_the_middle_of_forks_leaves_no_agent_twice(engine: Engine) -> None:
    moments = random.Random(4)
    for _ in range(8):
        node = engine.node_pid()
        for pid in pids(engine).values():
            kill(pid)
        time.sleep(moments.uniform(0, 0.012))  # the fork, the takeover, or the record
        kill(node)
        wait_for(lambda node=node: engine.wait_answer()["pid"] != node, timeout=30)  # type: ignore[misc]
        settle(engine)


def test_a_guardian_killed_with_kill_9_changes_nothing_for_agents(engine: Engine) -> None:
    wait_spares(engine)
    before, guardian = engine.views(), engine.guardian_pid()
    assert guardian is not None
    kill(guardian)
    wait_for(lambda: engine.guardian_pid() not in (None, guardian) and engine.wait_answer(), timeout=30)
    after = engine.views()
    for key in WEB:
        assert (after[key]["pid"], after[key]["incarnation"]) == (
            before[key]["pid"],
            before[key]["incarnation"],
        )
    wait_spares(engine)
    kill(after[WEB[0]]["pid"])
    assert engine.wait_incarnation(WEB[0], after[WEB[0]]["incarnation"])["started_by"] == "spare"
    settle(engine)


def test_an_upgrade_keeps_the_agents(engine: Engine) -> None:
    before, node = engine.views(), engine.wait_answer()
    engine.call("reexec")
    wait_for(lambda: engine.wait_answer()["started"] != node["started"], timeout=30)
    after = engine.views()
    for key in WEB:
        assert (after[key]["pid"], after[key]["incarnation"]) == (
            before[key]["pid"],
            before[key]["incarnation"],
        )
    wait_spares(engine)
    settle(engine)


def test_exit_codes_and_missed_heartbeats_are_reasons(engine: Engine, directory: Path) -> None:
    ends = agent("ends", "shop:Ends", directory, arguments={"status": 5}, restart="temporary")
    stuck = agent("stuck", "shop:Stuck", directory, heartbeat="300ms", restart="temporary")
    engine.apply(tree("ends", ends, stuck))
    assert engine.wait_state("ends/ends", "failed")["last_exit"]["reason"] == "exit(5)"
    assert engine.wait_state("ends/stuck", "failed")["last_exit"]["reason"] == "unhealthy"
    engine.call("delete", tree="ends")


def said(engine: Engine, key: str) -> list[str]:
    """What the first life printed on one line."""
    path = engine.paths.logs_dir / key / "1.out"

    def probe() -> list[str]:
        text = path.read_text() if path.exists() else ""
        return text.split() if text.endswith("\n") else []

    return wait_for(probe, timeout=30)


def test_an_agent_of_a_virtual_environment_runs_in_it_without_our_sdk_installed(
    engine: Engine, directory: Path
) -> None:
    venv = directory / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True)
    site = next(venv.glob("lib/python*/site-packages"))
    (site / "only_here.py").write_text("from shop import Where\n")
    where = agent("where", "only_here:Where", directory, python=str(venv / "bin/python"), spares=1)
    engine.apply(tree("venv", where))
    view = engine.wait_state("venv/where", "running")
    assert view["started_by"] == "template"
    prefix, sdk = said(engine, "venv/where")[:2]
    assert prefix == str(venv)
    assert sdk.startswith(str(agentdoc.SDK))
    own = site / "overstory"
    shutil.copytree(agentdoc.SDK / "overstory", own)  # now it has one, and that one is taken
    engine.call("delete", tree="venv")
    wait_for(lambda: all("only_here" not in one["modules"] for one in templates(engine)), timeout=30)
    engine.apply(tree("venv2", where))
    engine.wait_state("venv2/where", "running")
    assert said(engine, "venv2/where")[1].startswith(str(own))
    engine.call("delete", tree="venv2")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_another_users_agents_have_a_template_of_that_user(engine: Engine) -> None:
    nobody = pwd.getpwnam("nobody")
    public = Path("/tmp") / f"overstory-agents-{os.getpid()}"
    public.mkdir(mode=0o755)
    try:
        (public / "shop.py").write_text(SHOP)
        python = shutil.which("python3", path="/usr/bin") or sys.executable
        where = agent("where", "shop:Where", public, python=python, user="nobody", spares=1)
        engine.apply(tree("user", where))
        view = engine.wait_state("user/where", "running")
        assert view["started_by"] == "template", view
        assert said(engine, "user/where")[2:] == [str(nobody.pw_uid), str(nobody.pw_gid)]
        wait_for(
            lambda: [one for one in templates(engine) if one["user"] == "nobody" and one["spares"]],
            timeout=30,
        )
        kill(view["pid"])
        assert engine.wait_incarnation("user/where", 1)["started_by"] == "spare"
        engine.call("delete", tree="user")
    finally:
        shutil.rmtree(public)


def test_agents_that_are_deleted_leave_no_process_and_no_file(engine: Engine, directory: Path) -> None:
    before = {one["pid"] for one in templates(engine)}
    many = agent("many", "shop:Buyer", directory, instances=50, environment={"OWN": "template"}, spares=2)
    engine.apply(tree("many", many))
    for number in range(1, 51):
        engine.wait_state(f"many/many@{number}", "running")
    gone = [view["pid"] for key, view in engine.views().items() if key.startswith("many/many@")]
    (made,) = {one["pid"] for one in templates(engine)} - before
    engine.call("delete", tree="many")
    wait_for(lambda: not any(alive(pid) for pid in (*gone, made)), timeout=30)
    wait_for(lambda: {one["pid"] for one in templates(engine)} == before, timeout=30)
    files = list((engine.data_dir / "templates").iterdir())
    assert len(files) == len(templates(engine))
