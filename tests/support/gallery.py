"""The gallery: every page of an instance with a fleet in it, in both themes and two widths, and the page that shows them."""

import base64
import contextlib
import os
import signal
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.sync_api import Error as PlaywrightError
from playwright.sync_api import Page

from tests.support.browser import NARROW, WIDE, Site, Watched
from tests.support.chromium import browser
from tests.support.foreground import RUNNING, up
from tests.support.gallery_fleet import Fleet

THEMES = ("light", "dark")
SIZES = {"wide": WIDE, "narrow": NARROW}
QUALITY = 60
"""Of WebP. Text stays crisp; a page takes 10 to 50 kB."""
SETTLE_MS = 400
FILLED_S = 100
"""What the fleet gets to do something worth a picture: samples, restarts, alerts, tasks, what leaks."""


@dataclass(frozen=True, slots=True)
class Shot:
    """A page. follow: the link on it that leads to the one that is meant; press: what is opened there first; wait: what has
    to be there; keys: what is typed then; is_stale: while the server is silent; broken: what PostgreSQL has."""

    name: str
    title: str
    path: str
    follow: str = ""
    press: str = ""
    wait: str = ""
    is_stale: bool = False
    broken: str = ""
    keys: str = ""


ROW = "main a[data-row-link]"
FULL = (
    Shot("overview", "Overview", "/"),
    Shot("tree", "Tree", "/tree"),
    Shot("processes", "Processes", "/processes?sort=-restarts"),
    Shot(
        "process", "A process that keeps failing: what happened", "/process/shop/ledger", wait=".timeline pre"
    ),
    Shot("process-gave-up", "A supervisor that gave up", "/process/legacy", wait=".timeline li"),
    Shot("process-running", "A process", "/process/shop/back-office/invoices", wait=".timeline li"),
    Shot("process-live", "A process: live", "/process/trouble/leaker?tab=live"),
    Shot("process-logs", "A process: logs", "/process/shop/api?tab=logs"),
    Shot("process-errors", "A process: errors", "/process/shop/api?tab=errors"),
    Shot("process-config", "A process: config", "/process/shop/api?tab=config"),
    Shot("process-what-if", "A process: what if", "/process/shop/api?tab=what-if"),
    Shot("process-audit", "A process: audit", "/process/shop/api?tab=audit"),
    Shot("act", "Before something happens", "/act/stop/shop/back-office"),
    Shot("logs", "Logs", "/logs?q=tree:shop", wait=".log-many li"),
    Shot("tree-past", "Tree, earlier", "/tree?at=-30s"),
    Shot("past", "Earlier", "/past?at=-30s&until="),
    Shot("agents", "Agents", "/agents"),
    Shot("agent", "An agent", "/agents/crawl/books"),
    Shot("kind", "A kind of agents", "/kinds/crawler"),
    Shot("config", "A config", "/configs/crawl/books"),
    Shot("config-history", "A config's history", "/configs/crawl/books/history"),
    Shot("config-new", "New config", "/configs/new"),
    Shot("trees", "Trees", "/trees"),
    Shot("tree-editor", "A tree", "/trees/shop"),
    Shot("tree-history", "A tree's history", "/trees/shop/history"),
    Shot("tree-new", "New tree", "/trees/new"),
    Shot("health", "Health", "/health"),
    Shot("workers", "Workers and tasks", "/workers"),
    Shot("task", "A task", "/workers?state=", "main a[href*='/workers/task/']"),
    Shot("leaks", "Leaks", "/leaks"),
    Shot("leak", "A leak", "/leaks", ROW),
    Shot("errors", "Errors", "/errors"),
    Shot("error-issue", "An error", "/errors", ROW),
    Shot("error-grouping", "Grouping of errors", "/errors/grouping"),
    Shot("error-owners", "Owners of errors", "/errors/owners"),
    Shot("releases", "Releases", "/errors/releases"),
    Shot("transactions", "Transactions", "/errors/transactions", wait="main tbody tr"),
    Shot("keys", "Keys, each of which may be another", "/processes", keys="?"),
    Shot("alerts", "Alerts", "/alerts"),
    Shot("issue-rules", "Rules on errors", "/rules/issues"),
    Shot("issue-rule-new", "New rule on errors", "/rules/issues/new"),
    Shot("rules", "Rules and objectives", "/rules"),
    Shot("rule-new", "New rule", "/rules/new"),
    Shot("rule", "A rule", "/rules", "main a[href*='/rules/']:not([href$='new'], [href*='issues'])"),
    Shot("objective", "An objective", "/rules", "main a[href*='/objectives/']:not([href$='new'])"),
    Shot("objective-new", "New objective", "/objectives/new"),
    Shot("monitors", "Monitors", "/monitors"),
    Shot("findings", "Findings", "/findings"),
    Shot("finding", "A finding", "/findings", "[aria-label=Findings] a[data-row-link]"),
    Shot("audit-project", "An audited project", "/findings/project/shop"),
    Shot("remediation", "Remediation", "/remediation"),
    Shot("remediation-plan", "A plan of remediation", "/remediation", ROW),
    Shot("nodes", "Nodes", "/nodes"),
    Shot("audit", "Audit", "/audit"),
    Shot("settings", "Settings", "/settings"),
    Shot("views", "Views", "/views"),
    Shot("runbook", "A runbook", "/runbooks/supervisor-gave-up"),
    Shot("palette", "Search and commands", "/processes", press="[data-palette-open]"),
    Shot("overview-stale", "Overview, while the server is silent", "/", is_stale=True),
    Shot("processes-stale", "Processes, while the server is silent", "/processes", is_stale=True),
    Shot("not-found", "No such page", "/no/such/page"),
)
HOSTS = (
    Shot("overview-hosts", "Overview of two hosts", "/", wait=".heat-node:nth-of-type(2)"),
    Shot("nodes-hosts", "Nodes: two hosts", "/nodes"),
    Shot("processes-hosts", "Processes of two hosts", "/processes?q=tree:metrics,backups"),
)
EMPTY = tuple(
    Shot(f"{name}-empty", f"{title}, empty", path)
    for name, title, path in (
        ("welcome", "The first page", "/welcome"),
        ("errors", "Errors", "/errors"),
        ("alerts", "Alerts", "/alerts"),
        ("rules", "Rules and objectives", "/rules"),
        ("monitors", "Monitors", "/monitors"),
        ("workers", "Workers and tasks", "/workers"),
        ("agents", "Agents", "/agents"),
        ("leaks", "Leaks", "/leaks"),
        ("health", "Health", "/health"),
        ("findings", "Findings", "/findings"),
        ("remediation", "Remediation", "/remediation"),
    )
)
LOGIN = Shot("login", "Logging in", "/login")
FORBIDDEN = Shot("forbidden", "Not allowed", "/audit")
BROKEN = (
    Shot("failed", "Something went wrong", "/remediation", broken="a table is away"),
    Shot("unavailable", "PostgreSQL is away", "/errors", broken="it is stopped"),
)
EVERY = (*FULL, *HOSTS, LOGIN, FORBIDDEN, *BROKEN, *EMPTY)


class Gallery:
    """Draws into a directory. As PNG, whole pages, for a look; else WebP of what is seen without scrolling."""

    def __init__(self, directory: Path, *, for_a_look: bool = False, only: str = "") -> None:
        self.directory = directory
        self.for_a_look = for_a_look
        self.only = only.split(",") if only else []
        self.missing: list[str] = []
        directory.mkdir(parents=True, exist_ok=True)

    def wants(self, shots: tuple[Shot, ...]) -> bool:
        return not self.only or any(shot.name in self.only for shot in shots)

    def draw(self, site: Site, shots: tuple[Shot, ...], *, session: Any = "ours") -> None:
        """Each in two sizes, and there in two themes. Any: Playwright's own type of a session."""
        wanted = [shot for shot in shots if not self.only or shot.name in self.only]
        for name, size in SIZES.items() if wanted else ():
            context = site.browser.new_context(
                viewport={"width": size[0], "height": size[1]},
                storage_state=site.session if session == "ours" else session,
                reduced_motion="reduce",
                has_touch=name == "narrow",
            )
            context.set_default_timeout(30_000)
            watched = Watched(context.new_page(), site.origin)
            for shot in wanted:
                try:
                    found = self._arrive(watched, shot)
                except PlaywrightError as error:
                    raise AssertionError(f"{shot.name}, {name}: {error}") from error
                if not found:
                    self.missing.append(f"{shot.name}, {name}")
                    continue
                with silent(site) if shot.is_stale else contextlib.nullcontext():
                    if shot.is_stale:
                        watched.page.wait_for_selector("[data-stale-banner]:not([hidden])")
                    for theme in THEMES:
                        watched.turn(theme)
                        self._take(watched.page, f"{shot.name}-{name}-{theme}")
                if shot.is_stale:
                    watched.page.wait_for_selector("[data-live-pill][data-live=live]")
            context.close()

    def draw_broken(self, site: Site, shots: tuple[Shot, ...]) -> None:
        """Pages that are errors: the answer is what is shown, whatever it is."""
        for shot in shots:
            if self.only and shot.name not in self.only:
                continue
            with BREAKS[shot.broken](site):
                for name, size in SIZES.items():
                    viewport = {"width": size[0], "height": size[1]}
                    context = site.browser.new_context(viewport=viewport, storage_state=site.session)  # type: ignore[arg-type]  # Playwright's own dictionary
                    watched = Watched(context.new_page(), site.origin)
                    answer = watched.page.goto(site.origin + shot.path, timeout=60_000)
                    assert answer is not None
                    assert answer.status >= 500, (shot.name, answer.status)
                    for theme in THEMES:
                        watched.turn(theme)
                        self._take(watched.page, f"{shot.name}-{name}-{theme}")
                    context.close()

    def _arrive(self, watched: Watched, shot: Shot) -> bool:
        page = watched.open(shot.path)
        if shot.follow:
            link = page.locator(shot.follow).first
            if link.count() == 0:
                return False
            watched.open(str(link.get_attribute("href")))
        if shot.wait:
            page.wait_for_selector(shot.wait)
        page.wait_for_timeout(SETTLE_MS)
        if shot.press:
            page.locator(shot.press).first.click()
            page.wait_for_timeout(SETTLE_MS)
        if shot.keys:
            page.keyboard.press(shot.keys)
            page.wait_for_timeout(SETTLE_MS)
        return True

    def _take(self, page: Page, name: str) -> None:
        if self.for_a_look:
            page.screenshot(path=str(self.directory / f"{name}.png"), full_page=True)
            return
        session = page.context.new_cdp_session(page)
        taken = session.send("Page.captureScreenshot", {"format": "webp", "quality": QUALITY})
        session.detach()
        (self.directory / f"{name}.webp").write_bytes(base64.b64decode(taken["data"]))


@contextlib.contextmanager
def silent(site: Site) -> Iterator[None]:
    """Its web servers stand still, for less time than makes their supervisor lose patience."""
    pids = [pid for name in ("web@1", "web@2") if (pid := site.pid_of(f"system/{name}"))]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


@contextlib.contextmanager
def without_postgres(site: Site) -> Iterator[None]:
    """Stopped, as an operator stops it; what runs does not notice."""
    site.manage("stop", "system/postgres")
    try:
        yield
    finally:
        site.manage("start", "system/postgres")
        with site.visit() as visit:
            visit.open("/")


@contextlib.contextmanager
def without_a_table(site: Site) -> Iterator[None]:
    """A fault that no page expects."""
    rename = "from django.db import connection; connection.cursor().execute('ALTER TABLE {} RENAME TO {}')"
    table, away = "supervision_remediationplan", "supervision_remediationplan_away"
    site.manage("shell", "--no-imports", "-c", rename.format(table, away))
    try:
        yield
    finally:
        site.manage("shell", "--no-imports", "-c", rename.format(away, table))


BREAKS = {"a table is away": without_a_table, "it is stopped": without_postgres}


@contextlib.contextmanager
def instance() -> Iterator[tuple[Site, Path]]:
    """A real one, empty, and a directory beside its data."""
    with tempfile.TemporaryDirectory(prefix="overstory-") as name:
        data_dir = Path(name) / "d"
        with up(data_dir, "--no-examples", HOME=name) as started, browser() as chromium:
            said = started.until("livez")
            started.until(RUNNING)
            origin = next(word for word in said.split() if word.startswith("http://")).split("/livez")[0]
            yield Site(chromium, started, origin), Path(name)


def draw_all(gallery: Gallery, site: Site, directory: Path) -> None:
    """Empty, then with a fleet, then as somebody who may not, and as nobody. Not BROKEN: behind those
    nothing is whole."""
    gallery.draw(site, EMPTY)
    fleet = Fleet(site, directory)
    fleet.make()
    with site.visit() as visit:
        visit.open("/").wait_for_timeout(FILLED_S * 1000)
    gallery.draw(site, FULL)
    if gallery.wants(HOSTS):
        with fleet.second_host():
            gallery.draw(site, HOSTS)
    gallery.draw(site, (FORBIDDEN,), session=fleet.session_of("grace"))
    gallery.draw(site, (LOGIN,), session=None)


def page_of_all(directory: Path) -> str:
    """docs/gallery.md: what was drawn into the directory."""
    lines = [
        "# Gallery",
        "",
        "Pages of the dashboard, light and dark, 1440 and 360 pixels wide, of a real instance with real processes.",
        "`make screenshots` draws it anew.",
        "",
    ]
    for shot in (shot for shot in EVERY if (directory / f"{shot.name}-wide-light.webp").exists()):
        lines += [f"## {shot.title}", "", "| | light | dark |", "|---|---|---|"]
        for name, (width, _) in SIZES.items():
            if not (directory / f"{shot.name}-{name}-light.webp").exists():
                continue
            cells = [
                f'<img src="images/gallery/{shot.name}-{name}-{theme}.webp" width="{420 if name == "wide" else 180}" '
                f'alt="{shot.title}, {theme}, {width} pixels wide">'
                for theme in THEMES
            ]
            lines.append(f"| {width} | {' | '.join(cells)} |")
        lines.append("")
    return "\n".join(lines)
