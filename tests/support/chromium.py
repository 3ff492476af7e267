"""The system's Chromium, driven by Playwright: the browser that people on this kind of machine have.

Chromium is no Python package: where it is missing and we may, it is installed; else the failure says how.
"""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator

from playwright.sync_api import Browser, Page, expect, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")
INSTALL = (("apt-get", "update"), ("apt-get", "install", "-y", "--no-install-recommends", "chromium"))
TIMEOUT_MS = 30_000


def chromium() -> str:
    """Path of the browser. Installs it when it is missing and we are root; AssertionError with the command otherwise."""
    found = _found()
    if found is None and os.getuid() == 0 and shutil.which("apt-get"):
        for argv in INSTALL:
            subprocess.run(
                argv, check=False, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, timeout=600
            )
        found = _found()
    assert found is not None, "the browser's tests need Chromium: apt-get install chromium"
    return found


def _found() -> str | None:
    return next((path for name in NAMES if (path := shutil.which(name))), None)


@contextlib.contextmanager
def browser() -> Iterator[Browser]:
    """A browser of its own, closed at the end."""
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=chromium(), args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        try:
            yield started
        finally:
            started.close()


def log_in(page: Page, link: str) -> None:
    """By the one-time link: its page has one button."""
    page.goto(link)
    page.locator("form button").first.click()
    page.wait_for_url(lambda url: "/login" not in url)


WATCH_PID = """
([id, old]) => new Promise((resolve) => {
  const look = () => {
    const cell = document.querySelector(`[data-id="${CSS.escape(id)}"] .cell-pid`);
    const text = cell?.textContent.trim() ?? "";
    if (!/^[0-9]+$/.test(text) || text === old) return false;
    requestAnimationFrame(() => resolve({ pid: text, at: Date.now() }));
    return true;
  };
  if (look()) return;
  const watch = new MutationObserver(() => look() && watch.disconnect());
  watch.observe(document.body, { subtree: true, childList: true, characterData: true });
})
"""
"""Resolves with the next pid that the row shows, and when it was about to be painted (Unix milliseconds)."""


def pid_shown(page: Page, row_id: str) -> int:
    """The pid that the processes' list shows for the row; waits until there is one."""
    cell = page.locator(f'[data-id="{row_id}"] .cell-pid')
    expect(cell).to_have_text(re.compile(r"^\s*[0-9]+\s*$"), timeout=TIMEOUT_MS)
    return int(cell.inner_text())


def is_live(page: Page) -> None:
    """Wait until the page says that it is kept current."""
    expect(page.locator("html")).to_have_attribute("data-live-state", "live", timeout=2 * TIMEOUT_MS)


def kill_to_pixel(page: Page, row_id: str) -> float:
    """Milliseconds from kill -9 of what the row shows to the frame that shows the replacement's pid."""
    old = pid_shown(page, row_id)
    page.evaluate("(args) => { window.overstoryWatch = (" + WATCH_PID + ")(args); }", [row_id, str(old)])
    began = time.time()
    os.kill(old, signal.SIGKILL)
    found = page.evaluate("() => window.overstoryWatch")
    return float(found["at"]) - began * 1000
