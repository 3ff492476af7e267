"""The five minutes of docs/agents.md: its program, files, commands, tree and edit, read from the text itself."""

import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

from playwright.sync_api import Page

from tests.support.browser import ROOT, Site, Watched
from tests.support.waiting import wait_for

TEXT = ROOT / "docs/agents.md"
SLOW_S = 60.0
KEY = "tour/counter"


def section() -> str:
    """The tour, without the rest."""
    found = re.search(r"^## Five minutes[^\n]*\n(.*?)^## ", TEXT.read_text(), re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[1]


def blocks(language: str = "") -> list[str]:
    """What it has one type or paste, in order."""
    found = re.findall(rf"^ *```{language}\n(.*?)^ *```$", section(), re.MULTILINE | re.DOTALL)
    return [textwrap.dedent(text) for text in found]


def typed(site: Site, directory: Path, script: str) -> str:
    """Run what stands in a block in a shell, in the project's folder; its files go below `directory`."""
    assert "/tmp/tour" in script
    here = script.replace("/tmp/tour", str(directory)).replace(".venv/bin/python", sys.executable)
    environment = {**os.environ, "OVERSTORY_DATA_DIR": str(site.data_dir)}
    environment.pop("DJANGO_SETTINGS_MODULE", None)
    done = subprocess.run(
        ["/bin/sh", "-e", "-c", here], env=environment, cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def walk(visit: Watched, site: Site, directory: Path) -> None:
    """Every step, with the words of the document for what one clicks."""
    start, program, config = blocks()
    assert "make run" in start
    typed(site, directory, program)
    assert "tour/counter  revision 1" in typed(site, directory, config)
    page = visit.open("/agents")
    assert "registered only, no process" in page.inner_text("main")
    _name_it_in_a_tree(visit, page)
    wait_for(lambda: site.pid_of(KEY), timeout=SLOW_S, what="it runs")
    page = visit.open(f"/agents/{KEY}")
    for words in ("default/counter", "step: 1"):
        page.wait_for_selector(f"main :text('{words}')")
    first = site.pid_of(KEY)
    page.wait_for_selector("section[aria-labelledby=checkpoints-heading] td", timeout=SLOW_S * 1000)
    _kill_it(page)
    second = wait_for(lambda: site.pid_of(KEY) not in (None, first) and site.pid_of(KEY), timeout=SLOW_S)
    page.wait_for_selector("#lives-heading >> xpath=../.. >> text=signal(9)", timeout=SLOW_S * 1000)
    _edit_it(visit, page)
    wait_for(lambda: "step: 10" in visit.open(f"/agents/{KEY}").inner_text("main"), timeout=SLOW_S)
    assert site.pid_of(KEY) == second, "what is delivered needs no new life"
    assert _counted(site) > 0
    page = visit.open("/configs/tour/counter")
    page.click("a:has-text('History')")
    page.wait_for_selector("a:has-text('Roll back')")


def leave(visit: Watched, site: Site) -> None:
    """What it made is gone."""
    site.manage("delete", "--yes", "tour")
    wait_for(lambda: "No agent runs" in visit.open("/agents").inner_text("main"), timeout=SLOW_S)


def _name_it_in_a_tree(visit: Watched, page: Page) -> None:
    [tree] = blocks("yaml")
    visit.open("/trees")
    page.click("main a:has-text('New tree')")
    page.fill("#document", tree)
    page.click("button:has-text('Plan')")
    page.wait_for_selector(".plan-step")
    page.click("button:has-text('Apply')")
    page.wait_for_selector(".notice:has-text('applied')")


def _kill_it(page: Page) -> None:
    page.click(".page-actions a:has-text('Signal')")
    page.wait_for_selector("dialog select[name=signal]")
    page.select_option("dialog select[name=signal]", "KILL")
    page.click("dialog button[type=submit]")


def _edit_it(visit: Watched, page: Page) -> None:
    visit.open("/configs/tour/counter")
    page.fill("#document", page.input_value("#document").replace("step: 1", "step: 10"))
    page.wait_for_selector("#plan .plan-step :text('update')")
    assert "restart" not in page.inner_text("#plan .plan")
    page.click("button:has-text('Apply')")
    page.wait_for_selector(".notice:has-text('is applied')")


def _counted(site: Site) -> int:
    """How far it had counted, by its newest checkpoint in the store."""
    numbers = re.findall(r"^(\d+)", site.manage("checkpoint", "list", "--key", KEY), re.MULTILINE)
    return int(site.manage("checkpoint", "state", numbers[0]).strip())
