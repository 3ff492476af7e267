"""The system's Chromium, driven by Playwright: the browser that people on this kind of machine have.

Chromium is no Python package: where it is missing and we may, it is installed; else the failure says how.
"""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator

from playwright.sync_api import Browser, Page, sync_playwright

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
