"""Somebody who looks at the pages of a running instance, and notes what they do that they should not."""

import contextlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request

from tests.support.foreground import Up
from tests.support.waiting import wait_for

ROOT = Path(__file__).resolve().parents[2]
WIDE, NARROW = (1440, 900), (360, 740)

TRANSITIONS_END = """
() => new Promise(requestAnimationFrame)
  .then(() => Promise.allSettled(
    document.getAnimations().filter((one) => one instanceof CSSTransition).map((one) => one.finished)))
  .then(() => true)
"""


@dataclass
class Watched:
    """A page, and everything it did that it should not."""

    page: Page
    origin: str
    faults: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("pageerror", lambda error: self.faults.append(f"error: {error}"))
        self.page.on("console", self._said)
        self.page.on("request", self._request)

    def _said(self, said: ConsoleMessage) -> None:
        if said.type == "error":
            self.faults.append(said.text)

    def _request(self, request: Request) -> None:
        if not request.url.startswith((self.origin, self.origin.replace("http", "ws"), "data:", "blob:")):
            self.faults.append(f"foreign: {request.url}")

    def open(self, path: str) -> Page:
        """The page at `path`, with its script attached and its first live data there."""
        self.page.goto(self.origin + path, wait_until="load")
        self.page.wait_for_selector("html[data-js]")
        if self.page.query_selector("[data-live-pill]"):
            self.page.wait_for_selector("[data-live-pill][data-live=live]")
        return self.page

    def until(self, expression: str, *, timeout_s: float = 30) -> Any:
        """The value of an expression once it is true. Asked from here: the pages' policy lets no string become a program."""
        return wait_for(lambda: self.page.evaluate(expression), timeout=timeout_s, what=expression)

    def turn(self, theme: str) -> None:
        """Have the page in the theme, with every colour at its end."""
        self.page.emulate_media(color_scheme="dark" if theme == "dark" else "light")
        self.page.evaluate(TRANSITIONS_END)

    def resize(self, size: tuple[int, int]) -> None:
        """The window, in CSS pixels: width, height."""
        self.page.set_viewport_size({"width": size[0], "height": size[1]})

    def overflow_px(self) -> int:
        """How far the page can be scrolled sideways."""
        return int(
            self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        )


class Site:
    """A running instance, and one person who is logged in to it."""

    def __init__(self, browser: Browser, instance: Up, origin: str) -> None:
        self.browser = browser
        self.instance = instance
        self.data_dir = instance.data_dir
        self.origin = origin
        self.node = instance.observed().node.node_id
        context = browser.new_context()
        page = context.new_page()
        page.goto(self._login_link())
        assert page.locator("button[type=submit]").count() == 1, page.inner_text("body")
        page.click("button[type=submit]")
        page.wait_for_selector("nav.rail")
        self.session: Any = context.storage_state()  # Playwright's own type, passed back as it is
        context.close()

    def manage(self, *arguments: str) -> str:
        """What a command printed."""
        environment = {**os.environ, "OVERSTORY_DATA_DIR": str(self.data_dir)}
        environment.pop("DJANGO_SETTINGS_MODULE", None)
        command = [sys.executable, str(ROOT / "manage.py"), *arguments]
        done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def row(self, key: str) -> str:
        """The id of a member's row on the pages."""
        return f"{self.node}:{key}"

    def pid_of(self, key: str) -> int | None:
        """As the node itself says."""
        member = self.instance.observed().find(key)
        return getattr(member, "pid", None)

    def _login_link(self) -> str:
        """As a second terminal gets it, which was not told of the port."""
        found = re.search(rf"{re.escape(self.origin)}/login/link/\S+", self.manage("login_link"))
        assert found is not None
        return found.group()

    @contextlib.contextmanager
    def visit(
        self,
        *,
        size: tuple[int, int] = WIDE,
        theme: str = "light",
        script: bool = True,
        anonymous: bool = False,
        bypass_csp: bool = False,
    ) -> Iterator[Watched]:
        """A page of its own in a fresh context."""
        context: BrowserContext = self.browser.new_context(
            viewport={"width": size[0], "height": size[1]},
            color_scheme="dark" if theme == "dark" else "light",
            java_script_enabled=script,
            storage_state=None if anonymous else self.session,
            bypass_csp=bypass_csp,
        )
        context.set_default_timeout(30_000)
        try:
            yield Watched(context.new_page(), self.origin)
        finally:
            context.close()
