"""The five minutes of the README: its document and its commands, read from the text itself."""

import re
import textwrap
from pathlib import Path

from tests.support.browser import Site, Watched
from tests.support.waiting import wait_for

README = Path(__file__).resolve().parents[2] / "README.md"


def tour() -> str:
    """The section, without the rest."""
    found = re.search(r"^## Five minutes\n(.*?)^## ", README.read_text(), re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[1]


def document(name: str) -> str:
    """The tree file that it has one write, as a tree of that name."""
    [text] = re.findall(r"^ *```yaml\n(.*?)^ *```", tour(), re.MULTILINE | re.DOTALL)
    written = textwrap.dedent(text)
    assert "\ntree: shop\n" in written
    return written.replace("\ntree: shop\n", f"\ntree: {name}\n")


def commands() -> list[str]:
    """What it has one type after `m`, in order, without what it says of it."""
    blocks = re.findall(r"^ *```sh\n(.*?)^ *```", tour(), re.MULTILINE | re.DOTALL)
    lines = [line.split("#")[0].strip() for block in blocks for line in block.splitlines()]
    named = re.findall(r"`m ([a-z]+ [a-z/]+)`", tour())
    return [line.removeprefix("m ") for line in lines if line.startswith("m ")] + named


def write_change_and_delete(visit: Watched, site: Site, directory: Path, name: str = "tour") -> None:
    """Steps four and five, with the README's words for the buttons and its commands, on a tree of that name."""
    typed = commands()
    page = visit.open("/trees")
    page.click("main a:has-text('New tree')")
    page.fill("#document", document(name))
    page.click("button[value=plan]")
    page.wait_for_selector(".plan-step")
    page.click("button[value=apply]")
    page.wait_for_selector(".notice:has-text('applied')")
    wait_for(lambda: site.pid_of(f"{name}/ticker"), timeout=60, what="it runs")
    file = directory / "shop.yaml"
    file.write_text(document(name))
    for command in ("validate shop.yaml", "plan shop.yaml", "apply shop.yaml"):
        assert command in typed
        verb = command.split()[0]
        site.manage(verb, *(["--yes"] if verb == "apply" else []), str(file))
    visit.open(f"/trees/{name}")
    page.fill("#document", page.input_value("#document").replace("sleep 1", "sleep 2"))
    page.click("button[value=apply]")
    page.wait_for_selector(".notice:has-text('applied')")
    page.click("a:has-text('History')")
    page.wait_for_selector("a:has-text('Roll back')")
    assert "sleep 2" in page.inner_text("main"), "both revisions, and what differs"
    page.click("nav.rail a:has-text('Audit')")
    page.wait_for_selector("main :text('tree.apply')")
    assert "delete shop" in typed
    site.manage("delete", "--yes", name)
    wait_for(lambda: name not in visit.open("/trees").inner_text("main"), timeout=60)
