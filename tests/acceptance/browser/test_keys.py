"""Keys of one's own, and rows outside the view, in Chromium, with more children than a screen has rows."""

import os
import signal
from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.support.browser import NARROW, WIDE, Site
from tests.support.waiting import wait_for

pytestmark = pytest.mark.timeout(600)
MANY = 60
TREE = f"""version: 1
tree: many
supervisor:
  intensity: 100
  children:
  - {{id: many, instances: {MANY}, process: {{command: [/bin/sleep, "100000"]}}}}
"""
OUTSIDE = """
() => {
  const end = document.querySelector("[data-grid-body]").getBoundingClientRect().bottom;
  return [...document.querySelectorAll(".grid-row[data-id]")]
    .filter((row) => row.getBoundingClientRect().top > end).map((row) => row.dataset.id);
}
"""
"""Rows that are kept ready below what is in view."""


@pytest.fixture(scope="module", autouse=True)
def _many(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    file = tmp_path_factory.mktemp("many") / "many.yaml"
    file.write_text(TREE)
    site.manage("apply", "--yes", str(file))
    wait_for(lambda: site.pid_of(f"many/many@{MANY}"), timeout=60)
    yield
    site.manage("delete", "many", "--yes")


def change(page: Page, action: str, *keys: str) -> None:
    """In the open sheet: give an action other keys."""
    page.get_by_role("button", name=f"Change the key of {action}").click()
    for key in keys:
        page.keyboard.press(key)
    if len(keys) == 1 and keys[0] not in ("Backspace", "Escape"):
        page.keyboard.press("Enter")


def sheet(page: Page) -> None:
    page.keyboard.press("?")
    page.wait_for_selector("dialog[open] .keys")


def shown(page: Page, action: str) -> str:
    """The keys that the sheet shows for an action."""
    return page.locator(f'dialog [data-action="{action}"]').inner_text()


def test_whoever_likes_other_keys_has_them_on_every_page_until_they_take_them_back(site: Site) -> None:
    with site.visit() as visit:
        page = visit.open("/")
        sheet(page)
        change(page, "Processes", "h")
        assert shown(page, "go p") == "h"
        change(page, "next row", "n")
        page.keyboard.press("Escape")
        page.keyboard.press("h")
        page.wait_for_url("**/processes")
        page.wait_for_selector(".grid-row[data-id]")
        page.keyboard.press("n")
        page.keyboard.press("n")
        assert page.evaluate("document.activeElement.getAttribute('aria-rowindex')") == "3"
        assert page.get_attribute('.rail-link[data-key="p"]', "title") == "Processes (h)"
        page.keyboard.press("g")
        page.keyboard.press("p")
        page.keyboard.press("j")
        assert page.evaluate("document.activeElement.getAttribute('aria-rowindex')") == "3"
        visit.open("/tree")
        sheet(page)
        assert (shown(page, "go p"), shown(page, "next")) == ("h", "n")
        page.get_by_role("button", name="Everybody's keys again").click()
        assert (shown(page, "go p"), shown(page, "next")) == ("g p", "j")
        page.keyboard.press("Escape")
        page.keyboard.press("g")
        page.keyboard.press("p")
        page.wait_for_url("**/processes")
        assert not visit.faults


def test_keys_that_are_taken_are_refused_in_words_and_two_can_change_places(site: Site) -> None:
    with site.visit() as visit:
        page = visit.open("/")
        sheet(page)
        change(page, "next row", "k")
        expect(page.locator(".keys-foot .error")).to_have_text("k: that is previous row.")
        assert shown(page, "next") == "j"
        change(page, "previous row", "Backspace")
        assert shown(page, "previous") == "none"
        change(page, "next row", "k")
        change(page, "previous row", "j")
        assert (shown(page, "next"), shown(page, "previous")) == ("k", "j")
        change(page, "pause or resume", "g")
        expect(page.locator(".keys-foot .error")).to_contain_text("begins with it")
        change(page, "pause or resume", "Escape")
        assert shown(page, "pause") == "space"
        assert page.locator("dialog[open]").count() == 1
        page.reload()
        page.wait_for_selector("html[data-js]")
        sheet(page)
        assert (shown(page, "next"), shown(page, "previous")) == ("k", "j")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_sheet_has_no_fault_and_fits_a_phone(site: Site, theme: str) -> None:
    with site.visit(theme=theme, bypass_csp=True) as visit:
        page = visit.open("/")
        for size in (WIDE, NARROW):
            visit.resize(size)
            sheet(page)
            change(page, "next row", "k")
            violations = Axe().run(page, context="dialog").response["violations"]
            assert [one["id"] for one in violations] == []
            assert visit.overflow_px() <= 0
            page.keyboard.press("Escape")


def test_a_row_that_changed_outside_the_view_is_right_when_it_comes_into_it(site: Site) -> None:
    with site.visit() as visit:
        page = visit.open("/processes?q=tree:many")
        ready = page.locator(".grid-row[data-id]")
        expect(ready.nth(0)).to_be_visible()
        outside: list[str] = page.evaluate(OUTSIDE)
        assert outside, "some rows are kept ready below the view"
        row_id = outside[0]
        key = row_id.partition(":")[2]
        before = site.pid_of(key)
        assert before is not None
        os.kill(before, signal.SIGKILL)
        after = wait_for(lambda: (pid := site.pid_of(key)) != before and pid, timeout=30)
        seen = page.locator(f'.grid-row[data-id="{row_id}"]')
        page.wait_for_timeout(1000)
        seen.scroll_into_view_if_needed()
        expect(seen.locator(".cell-pid")).to_have_text(str(after))
        expect(seen.locator(".cell-uptime")).to_have_attribute("aria-label", "under a minute")
