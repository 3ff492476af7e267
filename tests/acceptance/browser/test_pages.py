"""Every page of a running instance in Chromium: no fault, nothing too wide, nobody else asked, and who may see it."""

import socket

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.acceptance.browser.instance import LONG_KEY, LONG_TREE
from tests.support.browser import NARROW, WIDE, Site, Watched

pytestmark = pytest.mark.timeout(600)
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
COLOURS = ["color-contrast", "link-in-text-block"]
PAGES = [
    "/",
    "/tree",
    "/processes",
    "/tree?if=crash&key=shop/web",
    "/process/shop/web?tab=what-if",
    "/logs?q=tree:shop",
    "/process/shop/web",
    "/process/lab/jobs",
    f"/process/{LONG_KEY}",
    f"/logs?q=tree:{LONG_TREE}",
    "/process/shop/web?tab=live",
    "/process/shop/web?tab=logs",
    "/process/shop/web?tab=config",
    "/process/shop/web?tab=audit",
    "/act/stop/shop/web",
    "/tree?at=-5s",
    "/processes?at=-5s&q=tree:shop",
    "/?at=-5s",
    "/agents",
    "/workers",
    "/health",
    "/leaks",
    "/errors",
    "/monitors",
    "/trees",
    "/trees/shop",
    "/trees/new",
    "/trees/shop/history",
    "/nodes",
    "/alerts",
    "/rules",
    "/runbooks/README",
    "/past?at=-5s&until=",
    "/configs/new",
    "/rules/new",
    "/errors/releases",
    "/errors/transactions",
    "/rules/issues",
    "/rules/issues/new",
    "/errors/owners",
    "/errors/grouping",
    "/objectives/new",
    "/findings",
    "/remediation",
    "/audit",
    "/settings",
    "/views",
    "/welcome",
    "/problems/",
]


def test_no_page_has_a_fault_that_axe_finds_overflows_asks_somebody_else_or_breaks_the_policy(
    site: Site,
) -> None:
    """Every other page light and wide, the others dark and narrow; that none is too wide at 360 px, of all."""
    found: list[str] = []
    for paths, size, theme in ((PAGES[::2], WIDE, "light"), (PAGES[1::2], NARROW, "dark")):
        with site.visit(size=size, theme=theme) as visit:
            for path in paths:
                found += faults(visit.open(path), path, {"type": "tag", "values": RULES})
                visit.resize(NARROW)
                found += overflow(visit, path)
                visit.resize(size)
            found += visit.faults
    assert not found, "\n".join(found)


@pytest.mark.soak
@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
def test_every_page_in_both_themes_and_widths(site: Site, size: tuple[int, int]) -> None:
    """Every rule in one theme; in the other the one that colours decide."""
    themes = ("light", "dark") if size == WIDE else ("dark", "light")
    found: list[str] = []
    with site.visit(size=size, theme=themes[0]) as visit:
        for path in PAGES:
            page = visit.open(path)
            visit.turn(themes[0])
            found += faults(page, path, {"type": "tag", "values": RULES})
            visit.turn(themes[1])
            found += faults(page, path, {"type": "rule", "values": COLOURS})
            found += overflow(visit, path)
    assert not found, "\n".join(found)


def overflow(visit: Watched, path: str) -> list[str]:
    """What is wider than the window."""
    pixels = visit.overflow_px()
    return [f"{path}: {pixels} px too wide"] if pixels > 0 else []


def faults(page: Page, path: str, rules: dict[str, object]) -> list[str]:
    result = Axe().run(page, options={"resultTypes": ["violations"], "runOnly": rules})
    violations = result.response["violations"]
    nodes = {fault["id"]: [node["html"][:200] for node in fault["nodes"][:2]] for fault in violations}
    return [f"{path}: {fault} {where}" for fault, where in nodes.items()]


def test_pages_are_whole_without_script(site: Site) -> None:
    with site.visit(script=False) as visit:
        for path, words in {
            "/": "processes",
            "/tree": "worker@1",
            "/processes": "shop/jobs/mail",
            "/process/shop/web": "Incarnation 1",
            "/process/shop/web?tab=logs": "serving",
            "/process/shop/web?tab=config": "command",
            "/trees/shop": "rest_for_one",
            "/nodes": "Hosts",
            "/audit": "tree.apply",
        }.items():
            visit.page.goto(site.origin + path)
            assert words in visit.page.content(), path


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
def test_names_are_told_apart_however_long_their_paths_are(site: Site, size: tuple[int, int]) -> None:
    with site.visit(size=size) as visit:
        page = visit.open(f"/processes?q=tree:{LONG_TREE}")
        names = page.locator(".grid-row[data-id] .cell-name .name")
        expect(names).to_have_count(2)
        for name in names.all():
            box = name.bounding_box()
            assert box is not None
            assert box["width"] > 120


def test_the_theme_that_was_chosen_stays(site: Site) -> None:
    with site.visit(theme="light") as visit:
        page = visit.open("/")
        page.click("summary[aria-label=Theme]")
        page.click("button[name=theme][value=dark]")
        page.reload()
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(11, 13, 16)"


def test_who_is_not_logged_in_sees_the_login_page_alone(site: Site) -> None:
    with site.visit(anonymous=True) as visit:
        visit.page.goto(site.origin + "/processes?q=x")
        assert "/login?next=" in visit.page.url
        assert "shop" not in visit.page.content()
        visit.page.fill("#username", "nobody")
        visit.page.fill("#password", "wrong")
        visit.page.click("button[type=submit]")
        assert visit.page.locator("[role=alert]").count() == 1


@pytest.mark.parametrize("origin", ["https://evil.example", "http://127.0.0.1:1"])
def test_a_socket_from_another_origin_is_refused(site: Site, origin: str) -> None:
    cookie = "; ".join(f"{one['name']}={one['value']}" for one in site.session["cookies"])
    host = site.origin.removeprefix("http://")
    lines = [
        "GET /ws/live HTTP/1.1",
        f"Host: {host}",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        f"Origin: {origin}",
        f"Cookie: {cookie}",
    ]
    with socket.create_connection(("127.0.0.1", int(host.partition(":")[2])), timeout=30) as connection:
        connection.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        assert connection.recv(4096).split(b" ")[1] == b"403"
