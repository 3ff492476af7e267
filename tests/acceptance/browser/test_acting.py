"""What an operator does on the pages of a running instance, in Chromium, and what comes of it."""

import secrets
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.acceptance.browser.instance import GENEROUS_MS
from tests.support import tour
from tests.support.browser import Site
from tests.support.waiting import wait_for

pytestmark = pytest.mark.timeout(600)


def test_an_operator_stops_and_starts_a_process_from_a_dialog(site: Site) -> None:
    with site.visit() as visit:
        page = visit.open("/process/shop/worker@3")
        page.click("a:has-text('Stop')")
        page.fill("dialog input[name=reason]", "maintenance of the disk")
        page.click("dialog button[type=submit]")
        page.wait_for_selector("[data-now=state] .state[data-state=stopped]:not([data-pending])")
        page.reload()
        page.click("a:has-text('Start')")
        page.click("dialog button[type=submit]")
        page.wait_for_selector("[data-now=state] .state[data-state=running]:not([data-pending])")
        page.goto(site.origin + "/audit")
        assert "maintenance of the disk" in page.inner_text("main")


def test_an_admin_plans_applies_and_rolls_back_a_tree(site: Site) -> None:
    with site.visit() as visit:
        page = visit.open("/trees/shop")
        text = page.input_value("#document")
        page.fill("#document", text.replace("instances: 3", "instances: 4"))
        page.click("button[value=plan]")
        page.wait_for_selector(".plan-step")
        assert "shop/worker@4" in page.inner_text("#plan")
        page.fill("#message", "one more worker")
        page.click("button[value=apply]")
        page.wait_for_selector(".notice:has-text('applied')")
        visit.open("/processes?q=key:shop/worker@4")
        page.wait_for_selector(".grid-row[data-id] .state[data-state=running]")
        page.goto(site.origin + "/trees/shop/history")
        assert "one more worker" in page.inner_text("main")
        page.click("a:has-text('Roll back') >> nth=0")
        page.click("button:has-text('Roll back')")
        page.wait_for_selector(".notice:has-text('back at revision')")
        visit.open("/processes?q=key:shop/worker@4")
        visit.until("document.querySelectorAll('.grid-row[data-id]').length === 0")


def test_the_readmes_own_program_is_written_changed_and_taken_away(site: Site, tmp_path: Path) -> None:
    with site.visit() as visit:
        tour.write_change_and_delete(visit, site, tmp_path)


def test_keys_move_and_find(site: Site) -> None:
    with site.visit() as visit:
        page = visit.open("/")
        page.keyboard.press("g")
        page.keyboard.press("p")
        page.wait_for_url("**/processes")
        page.wait_for_selector(".grid-row[data-id]")
        page.keyboard.press("j")
        page.keyboard.press("j")
        assert page.evaluate("document.activeElement.getAttribute('aria-rowindex')") == "3"
        page.keyboard.press("Control+k")
        page.keyboard.type("jobsmail")
        page.wait_for_selector(".palette-item")
        page.keyboard.press("Enter")
        page.wait_for_url("**/process/shop/jobs/mail**")
        page.keyboard.press("?")
        assert "Overview" in page.inner_text("dialog")


def test_single_keys_can_be_switched_off(site: Site) -> None:
    with site.visit() as visit:
        page = visit.open("/settings")
        page.select_option("#keys", "off")
        page.click("form:has(#keys) button:has-text('Save')")
        page.wait_for_selector("html[data-keys=off]")
        for key in ("g", "p", "?"):
            page.keyboard.press(key)
        page.keyboard.press("Control+k")
        page.wait_for_selector("dialog[open] .palette-item, dialog[open] input")
        assert page.url.endswith("/settings")
        assert "Single keys can be switched off" not in page.inner_text("body")


def test_who_may_only_look_finds_no_button_that_does_something(site: Site) -> None:
    with site.visit() as visit:
        page = visit.open("/settings")
        page.fill("form:has-text('show a login link') [name=name]", "vera")
        page.click("button:has-text('show a login link')")
        link = page.inner_text("#login-link")
    with site.visit(anonymous=True) as visit:
        page = visit.page
        page.goto(link)
        page.click("button[type=submit]")
        page.wait_for_selector("nav.rail")
        visit.open("/process/lab/web")
        assert page.locator(".page-actions a").count() == 0
        visit.open("/processes?q=tree:lab")
        page.wait_for_selector(".grid-row[data-id]")
        assert page.locator("[data-bulk], .grid-row input[type=checkbox]").count() == 0
        assert page.locator("nav.rail a[data-title=Audit]").count() == 0
        refused = page.goto(site.origin + "/act/stop/lab/web")
        assert refused is not None
        assert refused.status == 403
        expect(page.locator("main")).to_contain_text("Your role does not allow this")


def test_what_a_button_does_is_shown_as_a_request_that_works_in_a_terminal(site: Site) -> None:
    with site.visit() as visit:
        page = visit.open("/act/hold/lab/web")
        page.click("summary:has-text('As a request')")
        expect(page.locator("form[data-action=hold]")).to_contain_text("curl")
        visit.open("/processes")
        page.click("summary:has-text('Show as curl')")
        expect(page.locator(".requests code").first).to_contain_text("/api/v1/")


def test_a_name_in_the_tree_opens_beside_it(site: Site) -> None:
    with site.visit() as visit:
        page = visit.open("/tree")
        page.click(".outline-row[data-row] a.label-name:has-text('mail')")
        page.wait_for_selector("dialog.drawer h1:has-text('mail')")
        assert page.url.endswith("/tree")
        page.keyboard.press("Escape")
        page.wait_for_selector("dialog.drawer", state="detached")


def test_a_filter_is_understood_as_it_is_typed_and_kept_in_the_address(site: Site) -> None:
    with site.visit() as visit:
        page = visit.open("/processes")
        page.wait_for_selector(".grid-row[data-id]")
        page.fill("[data-filter-input]", "tree:shop name:~worker")
        visit.until("document.querySelectorAll('.grid-row[data-id]').length === 3")
        expect(page).to_have_url(f"{site.origin}/processes?q=tree%3Ashop+name%3A%7Eworker")
        page.fill("[data-filter-input]", "state:broken")
        assert "at character 7" in page.inner_text("[data-filter-error]")


def test_a_filter_is_kept_under_a_name_and_found_again(site: Site) -> None:
    name = f"Lab {secrets.token_hex(4)}"
    with site.visit() as visit:
        page = visit.open("/processes")
        page.fill("[data-filter-input]", "tree:lab state:running")
        page.click("[data-sort=restarts] a")
        page.click("details[data-columns] > summary")
        page.uncheck("details[data-columns] input[value=pid]")
        page.wait_for_selector(".grid-head .cell-pid", state="hidden")
        page.click("details[data-views] > summary")
        page.fill("details[data-views] input[name=name]", name)
        page.click("details[data-views] button:has-text('Save view')")
        page.wait_for_selector(f".notice:has-text('{name} is saved')")
        visit.open("/tree")
        page.keyboard.press("Control+k")
        page.keyboard.type(name)
        page.wait_for_selector(f".palette-item:has-text('{name}')")
        page.keyboard.press("Enter")
        page.wait_for_url("**/processes?q=tree%3Alab+state%3Arunning&sort=*restarts&hide=pid")
        expect(page.locator("[data-views-name]")).to_have_text(name)
        page.fill("[data-filter-input]", "tree:shop")
        expect(page.locator("[data-views-name]")).to_have_text("Views")
        row = visit.open("/views").locator(f"li:has-text('{name}')")
        row.locator("summary").click()
        row.get_by_role("button", name="Delete").click()
        page.wait_for_selector(f".notice:has-text('{name} is deleted')")
        assert not visit.faults


def test_what_a_filter_accepts_is_held_in_stages_after_it_was_counted(site: Site) -> None:
    keys = [f"shop/worker@{number}" for number in (1, 2, 3)]
    with site.visit() as visit:
        page = visit.open("/processes?q=tree:shop%20name:~worker")
        page.wait_for_selector('.grid-row[data-id]:has(a[title="shop/worker@3"])')
        page.check(".grid-head input[type=checkbox]")
        expect(page.locator("[data-bulk-count]")).to_have_text("3")
        page.click("[data-bulk] button[value=hold]")
        dialog = page.locator("dialog[open]")
        expect(dialog.locator("h2")).to_have_text("Hold 3 processes?")
        expect(dialog).to_contain_text("Nothing beside them is touched")
        dialog.locator("select").select_option("1")
        dialog.locator("#bulk-reason").fill("held in a browser")
        dialog.get_by_role("button", name="Hold").click()
        expect(dialog).to_have_count(0, timeout=GENEROUS_MS)
        observed = site.instance.observed()
        assert all(getattr(observed.find(key), "held", False) for key in keys)
    for key in keys:
        site.manage("release", key)


def test_a_stop_is_confirmed_with_what_it_takes_down_and_then_done(site: Site) -> None:
    with site.visit() as visit:
        page = visit.open("/process/lab/jobs")
        page.get_by_role("link", name="Stop").first.click()
        dialog = page.locator("form[data-action=stop]")
        expect(dialog).to_contain_text("lab/jobs/a")
        expect(dialog).to_contain_text("lab/jobs/b")
        assert site.pid_of("lab/jobs/a") is not None
        dialog.locator("[name=reason]").fill("tested in a browser")
        dialog.get_by_role("button", name="Stop").click()
        wait_for(lambda: site.pid_of("lab/jobs/a") is None, timeout=60, what="lab/jobs stops")
        expect(page.locator(".hero-state")).to_contain_text("stopped", timeout=GENEROUS_MS)
        page.goto(site.origin + "/audit?q=action:child.stop")
        expect(page.locator("table")).to_contain_text("tested in a browser")
    site.manage("start", "lab/jobs")


def test_an_action_works_without_script(site: Site) -> None:
    with site.visit(script=False) as visit:
        page = visit.page
        page.goto(site.origin + "/processes?q=tree:lab")
        expect(page.locator("[data-grid-body]")).to_contain_text("web")
        page.goto(site.origin + "/process/lab/web")
        page.get_by_role("link", name="Hold").click()
        page.locator("form[data-action=hold] button[type=submit]").click()
        page.wait_for_url("**/process/lab/web*")
        held = lambda: getattr(site.instance.observed().find("lab/web"), "held", False)  # noqa: E731
        wait_for(held, timeout=60, what="held")
    site.manage("release", "lab/web")
