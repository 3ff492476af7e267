"""A secret that an agent gets by reference, and everywhere that it must not be found."""

import json
import os
from pathlib import Path

import psycopg

from supervision.runtime.paths import Paths
from tests.support.browser import Site, Watched
from tests.support.waiting import wait_for

NAME = "PLANTED"
VALUE = "k9-planted-7f3a1c"
KEY = "vault/keeper"
MODULE = """
import hashlib, os
from overstory.agent import Agent

class Keeper(Agent):
    def init(self, arguments):
        self.status(hashlib.sha256(os.environ["TOKEN"].encode()).hexdigest()[:16])
        print("has it", flush=True)

    def run(self):
        self.wait_stopping(9999)
"""
CONFIG = """entry_point: keeping:Keeper
environment: {PYTHONPATH: %s, TOKEN: {secret: PLANTED}}
"""
TREE = "version: 1\ntree: vault\nsupervisor: {children: [{id: keeper, agent: {config: vault/keeper}}]}\n"
PAGES = (
    "/agents", f"/agents/{KEY}", "/configs/vault/keeper", "/configs/vault/keeper/history", "/trees/vault",
    "/trees/vault/history", f"/process/{KEY}", f"/process/{KEY}?tab=config", f"/process/{KEY}?tab=logs", "/audit",
)  # fmt: skip


def keep(visit: Watched, site: Site, directory: Path) -> list[str]:
    """An agent runs that has it; everything that the commands printed meanwhile."""
    directory.mkdir(exist_ok=True)
    (directory / "keeping.py").write_text(MODULE)
    (directory / "config.yaml").write_text(CONFIG % directory)
    ref, config = "vault/keeper", str(directory / "config.yaml")
    said = [
        site.manage("agent_config", "plan", ref, config),
        site.manage("agent_config", "apply", ref, config),
    ]
    page = visit.open("/trees/new")
    page.fill("#document", TREE)
    page.click("button[value=plan]")
    page.wait_for_selector(".plan-step")
    said.append(page.content())
    page.click("button[value=apply]")
    page.wait_for_selector(".notice:has-text('applied')")
    wait_for(lambda: site.pid_of(KEY), timeout=60, what="it runs")
    (directory / "config.yaml").write_text((CONFIG % directory) + "arguments: {n: 2}\n")
    said += [site.manage("agent_config", verb, ref, config) for verb in ("plan", "apply")]
    said += [site.manage("agent_config", "diff", ref), site.manage("agent_config", "show", ref, "--json")]
    said += [site.manage(command, KEY, *more) for command, more in (("explain", ()), ("logs", ("-n", "99")))]
    said += [site.manage("events", "--json", "--limit", "0"), site.manage("tree", "--json")]
    return said


def shown(visit: Watched) -> list[str]:
    """The source of every page about it."""
    found = []
    for path in PAGES:
        answer = visit.page.request.get(visit.origin + path)
        assert answer.ok, path
        found.append(answer.text())
    return found


def files_with(directory: Path, text: str) -> list[str]:
    """Files of the instance that hold the text, the stores' own, the journal, the log and the output among them."""
    found = []
    for folder, _, names in os.walk(directory):
        for name in names:
            path = Path(folder, name)
            try:
                if path.is_file() and text.encode() in path.read_bytes():
                    found.append(str(path))
            except OSError:
                continue
    return found


def rows_with(site: Site, text: str) -> list[str]:
    """Tables with a row that holds the text."""
    runtime = json.loads(Paths(site.data_dir).runtime_json.read_text())["runtime_dir"]
    with psycopg.connect(host=runtime, dbname="overstory", user="overstory") as connection:
        tables = connection.execute(
            "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname = 'public' ORDER BY 1"
        ).fetchall()
        assert ("public.agents_agentconfigrevision",) in tables
        return [
            name
            for (name,) in tables
            if connection.execute(
                f"SELECT 1 FROM {name} AS r WHERE strpos(r::text, %s) > 0 LIMIT 1".encode(),
                [text],
            ).fetchone()
        ]
