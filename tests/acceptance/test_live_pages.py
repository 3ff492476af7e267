"""The whole of it in Chromium: engine, courier, stores, web and page are real."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.controlplane.dashboard.live.server import free_port
from tests.support.chromium import browser, is_live, kill_to_pixel, log_in, pid_shown
from tests.support.foreground import ROOT, Up
from tests.support.waiting import wait_for

GENEROUS_MS = 60_000
TREE = """\
version: 1
tree: shop
supervisor:
  strategy: one_for_one
  intensity: 100
  children:
  - id: web
    process: {command: [/bin/sleep, "100000"]}
  - id: jobs
    supervisor:
      strategy: one_for_all
      children:
      - id: a
        process: {command: [/bin/sleep, "100000"]}
      - id: b
        process: {command: [/bin/sleep, "100000"]}
"""


@dataclass
class Instance:
    """A running `manage.py up` with the tree `shop`, and a browser that is logged in as its admin."""

    up: Up
    port: int
    browser: Browser
    state: Path
    node: str

    def page(self, path: str) -> Page:
        context = self.browser.new_context(storage_state=self.state, viewport={"width": 1440, "height": 900})
        page = context.new_page()
        page.goto(self.url(path))
        return page

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def row(self, key: str) -> str:
        return f"{self.node}:{key}"

    def manage(self, *arguments: str) -> str:
        environment = os.environ | {
            "OVERSTORY_DATA_DIR": str(self.up.data_dir),
            "OVERSTORY_PORT": str(self.port),
            "DJANGO_SETTINGS_MODULE": "controlplane.settings",
        }
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments], cwd=ROOT, env=environment, capture_output=True, text=True,
            check=False, timeout=120,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def pid_of(self, key: str) -> int | None:
        member = self.up.observed().find(key)
        return getattr(member, "pid", None)


@pytest.fixture(scope="module")
def instance() -> Iterator[Instance]:
    with tempfile.TemporaryDirectory(prefix="ovb-") as name:
        data_dir, port = Path(name) / "data", free_port()
        started = Up(data_dir, "--no-examples", OVERSTORY_PORT=str(port))
        try:
            started.until("Ctrl-C stops everything")
            with browser() as chromium:
                one = Instance(started, port, chromium, Path(name) / "state.json", "")
                (Path(name) / "shop.yaml").write_text(TREE)
                one.manage("apply", str(Path(name) / "shop.yaml"), "--yes")
                one.node = started.observed().node.node_id
                link = re.search(r"http\S+/login/link/\S+", one.manage("login_link"))
                assert link is not None
                context = chromium.new_context()
                log_in(context.new_page(), link.group())
                context.storage_state(path=one.state)
                context.close()
                yield one
        finally:
            started.close()


def test_a_killed_process_comes_back_on_the_page_with_another_pid(instance: Instance) -> None:
    page = instance.page("/processes?q=tree:shop")
    is_live(page)
    took_ms = kill_to_pixel(page, instance.row("shop/web"))
    assert pid_shown(page, instance.row("shop/web")) == instance.pid_of("shop/web")
    assert took_ms < 10_000
    page.goto(instance.url("/process/shop/web"))
    expect(page.locator("body")).to_contain_text("signal(9)", timeout=GENEROUS_MS)


WATCH = """
() => {
  const seen = window.overstorySeen = { states: [], zeros: 0, rows: [] };
  const look = () => {
    const root = document.documentElement;
    const state = root.dataset.liveState;
    if (seen.states.at(-1) !== state) seen.states.push(state);
    const count = document.querySelectorAll("[data-grid-body] [data-id]:not([data-gone])").length;
    if (seen.rows.at(-1) !== count) seen.rows.push(count);
    for (const cell of document.querySelectorAll("[data-id]:not([hidden]) .cell-rss")) {
      if (/^0(\\s|$)/.test(cell.textContent)) seen.zeros += 1;
    }
  };
  look();
  new MutationObserver(look).observe(document, { subtree: true, childList: true, characterData: true, attributes: true });
  window.overstoryToken = "the same page";
}
"""


def test_the_server_is_killed_and_the_page_is_right_again_without_a_reload(instance: Instance) -> None:
    page = instance.page("/processes?q=tree:shop")
    is_live(page)
    shown = pid_shown(page, instance.row("shop/jobs/a"))
    page.evaluate(WATCH)
    webs = [instance.pid_of("system/web@1"), instance.pid_of("system/web@2")]
    for pid in webs:
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
    wait_for(
        lambda: "stale" in page.evaluate("window.overstorySeen.states"),
        timeout=60,
        what="the page is marked stale",
    )
    os.kill(shown, signal.SIGKILL)
    is_live(page)
    new = _new_pid(instance, "shop/jobs/a", shown)
    cell = page.locator(f'[data-id="{instance.row("shop/jobs/a")}"] .cell-pid')
    expect(cell).to_have_text(str(new), timeout=GENEROUS_MS)
    seen = page.evaluate("window.overstorySeen")
    assert page.evaluate("window.overstoryToken") == "the same page"
    assert seen["zeros"] == 0
    assert min(seen["rows"]) == 3, "rows that were shown stayed"


def _new_pid(instance: Instance, key: str, old: int) -> int:
    def replaced() -> int | None:
        pid = instance.pid_of(key)
        return pid if pid not in (None, old) else None

    return wait_for(replaced, timeout=60, what=f"{key} runs again")


def test_a_stop_is_confirmed_with_what_it_takes_down_and_then_done(instance: Instance) -> None:
    page = instance.page("/process/shop/jobs")
    is_live(page)
    page.get_by_role("link", name="Stop").first.click()
    dialog = page.locator("form[data-action=stop]")
    expect(dialog).to_contain_text("shop/jobs/a")
    expect(dialog).to_contain_text("shop/jobs/b")
    assert instance.pid_of("shop/jobs/a") is not None
    dialog.locator("[name=reason]").fill("tested in a browser")
    dialog.get_by_role("button", name="Stop").click()
    wait_for(lambda: instance.pid_of("shop/jobs/a") is None, timeout=60, what="shop/jobs stops")
    expect(page.locator(".hero-state")).to_contain_text("stopped", timeout=GENEROUS_MS)
    page.goto(instance.url("/audit?q=action:child.stop"))
    expect(page.locator("table")).to_contain_text("tested in a browser")
    instance.manage("start", "shop/jobs")


@pytest.mark.parametrize("origin", ["https://evil.example", "http://127.0.0.1:1"])
def test_a_socket_from_another_origin_is_refused(instance: Instance, origin: str) -> None:
    cookies = json.loads(instance.state.read_text())["cookies"]
    cookie = "; ".join(f"{one['name']}={one['value']}" for one in cookies)
    lines = [
        "GET /ws/live HTTP/1.1",
        f"Host: 127.0.0.1:{instance.port}",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        f"Origin: {origin}",
        f"Cookie: {cookie}",
    ]
    with socket.create_connection(("127.0.0.1", instance.port), timeout=30) as connection:
        connection.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        assert connection.recv(4096).split(b" ")[1] == b"403"


def test_a_page_works_without_script(instance: Instance) -> None:
    context = instance.browser.new_context(storage_state=instance.state, java_script_enabled=False)
    page = context.new_page()
    page.goto(instance.url("/processes?q=tree:shop"))
    expect(page.locator("[data-grid-body]")).to_contain_text("web")
    page.goto(instance.url("/process/shop/web"))
    page.get_by_role("link", name="Hold").click()
    page.locator("form[data-action=hold] button[type=submit]").click()
    page.wait_for_url("**/process/shop/web*")
    wait_for(lambda: getattr(instance.up.observed().find("shop/web"), "held", False), timeout=60, what="held")
    context.close()
    instance.manage("release", "shop/web")
