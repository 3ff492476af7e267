"""Draw pictures: the README's, from an instance that runs, and the gallery of every page, from one of its own.

Usage, after `make setup-test`, with Chromium on the system:
    .venv/bin/python docs/screenshot.py terminal                                     while `make run` runs, with the same
    .venv/bin/python docs/screenshot.py dashboard [--url http://127.0.0.1:8400]      OVERSTORY_DATA_DIR
    .venv/bin/python docs/screenshot.py gallery [--only errors,audit] [--look DIRECTORY]
"""

import argparse
import json
import os
import re
import subprocess
import sys
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from playwright.sync_api import Browser

ROOT = Path(__file__).resolve().parents[1]
IMAGES = ROOT / "docs" / "images"
COLUMNS = 80
CHAR_W, LINE_H, PAD = 8.4, 19, 18
COLOURS = {
    31: "#e5534b",
    32: "#57ab5a",
    33: "#c69026",
    34: "#539bf5",
    35: "#b083f0",
    36: "#39c5cf",
    90: "#768390",
}
FOREGROUND, BACKGROUND = "#adbac7", "#1c2128"
_SGR = re.compile(r"\x1b\[([0-9;]*)m")
PAGES = {
    "overview": ("/", "dark", (1280, 800), "[data-attention] li"),
    "processes": ("/processes?sort=-restarts", "light", (1440, 800), ".grid-row[data-id]"),
}
"""Picture: page, theme, size, and what has to be there: the overview waits until something needs attention."""
SETTLE_MS = 20_000
"""Until sparklines have something to show."""


def manage(*arguments: str, **environment: str) -> str:
    """What a command of the running instance printed."""
    command = [sys.executable, str(ROOT / "manage.py"), *arguments]
    full = {**os.environ, **environment}
    full.pop("NO_COLOR", None)
    return subprocess.run(command, env=full, capture_output=True, text=True, check=True, timeout=300).stdout


def spans(line: str) -> list[tuple[str, str, bool]]:
    """(text, colour, bold) pieces of one line."""
    pieces, colour, bold, at = [], FOREGROUND, False, 0
    for match in _SGR.finditer(line):
        if match.start() > at:
            pieces.append((line[at : match.start()], colour, bold))
        at = match.end()
        for code in [int(part or 0) for part in match[1].split(";")]:
            if code == 0:
                colour, bold = FOREGROUND, False
            elif code == 1:
                bold = True
            elif code == 2:
                colour = COLOURS[90]
            elif code in COLOURS:
                colour = COLOURS[code]
    if at < len(line):
        pieces.append((line[at:], colour, bold))
    return pieces


def svg(text: str) -> str:
    """A terminal window with the text in it."""
    lines = text.rstrip("\n").split("\n")
    width, height = COLUMNS * CHAR_W + 2 * PAD, len(lines) * LINE_H + 2 * PAD
    rows = []
    for number, line in enumerate(lines):
        column, row = 0, []
        for piece, colour, bold in spans(line):
            weight = ' font-weight="bold"' if bold else ""
            x = PAD + column * CHAR_W
            row.append(
                f'<tspan x="{x:.1f}" fill="{colour}"{weight} textLength="{len(piece) * CHAR_W:.1f}">{escape(piece)}</tspan>'
            )
            column += len(piece)
        y = PAD + (number + 0.75) * LINE_H
        rows.append(f'<text y="{y:.1f}" xml:space="preserve">{"".join(row)}</text>')
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height}" width="{width:.0f}" height="{height}" '
        'font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, monospace" font-size="14">\n'
        f'<title>manage.py tree</title>\n<rect width="100%" height="100%" rx="8" fill="{BACKGROUND}"/>\n'
        + "\n".join(rows)
        + "\n</svg>\n"
    )


def draw_terminal() -> list[Path]:
    """What `manage.py tree` shows."""
    target = IMAGES / "tree.svg"
    target.write_text(svg(manage("tree", "--force-color", COLUMNS=str(COLUMNS))))
    return [target]


def draw_dashboard(url: str, chromium: "Browser") -> list[Path]:
    """The pages of PAGES, as somebody sees them who is logged in."""
    link = urlsplit(json.loads(manage("login_link", "--json"))["url"]).path
    drawn = []
    first = chromium.new_context()
    page = first.new_page()
    page.goto(url + link)
    page.click("button[type=submit]")
    page.wait_for_selector("nav.rail")
    session = first.storage_state()
    first.close()
    for name, (path, theme, (width, height), wanted) in PAGES.items():
        context = chromium.new_context(
            viewport={"width": width, "height": height},
            color_scheme="dark" if theme == "dark" else "light",
            storage_state=session,
        )
        page = context.new_page()
        page.goto(url + path)
        page.wait_for_selector("[data-live-pill][data-live=live]")
        page.wait_for_timeout(SETTLE_MS)
        page.wait_for_selector(wanted, timeout=120_000)
        target = IMAGES / f"{name}.png"
        page.screenshot(path=str(target))
        drawn.append(target)
        context.close()
    return drawn


def draw_gallery(only: str, look: Path | None) -> list[Path]:
    """Every page in both themes and two sizes, the page of the gallery, and the README's pictures; all from one instance.

    look: draw whole pages as PNG there instead, and nothing else.
    """
    from tests.support import gallery

    pictures = gallery.Gallery(look or IMAGES / "gallery", for_a_look=look is not None, only=only)
    with gallery.instance() as (site, directory):
        gallery.draw_all(pictures, site, directory)
        drawn = []
        if look is None and not only:
            os.environ["OVERSTORY_DATA_DIR"] = str(site.data_dir)
            drawn = draw_terminal() + draw_dashboard(site.origin, site.browser)
        pictures.draw_broken(site, gallery.BROKEN)
    if look is None:
        page = ROOT / "docs" / "gallery.md"
        page.write_text(gallery.page_of_all(pictures.directory))
        drawn.append(page)
    if pictures.missing:
        sys.stderr.write(f"there was no row to show yet: {', '.join(pictures.missing)}\n")
    return drawn


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["terminal", "dashboard", "gallery"])
    parser.add_argument("--url", default="http://127.0.0.1:8400", help="where the instance answers")
    parser.add_argument("--only", default="", help="gallery: these pictures, by name, with commas")
    parser.add_argument("--look", type=Path, help="gallery: whole pages as PNG into this directory")
    arguments = parser.parse_args()
    IMAGES.mkdir(exist_ok=True)
    sys.path.insert(0, str(ROOT))
    match arguments.what:
        case "terminal":
            drawn = draw_terminal()
        case "dashboard":
            from tests.support.chromium import browser

            with browser() as chromium:
                drawn = draw_dashboard(arguments.url.rstrip("/"), chromium)
        case _:
            drawn = draw_gallery(arguments.only, arguments.look)
    for target in drawn:
        sys.stdout.write(f"{target.relative_to(ROOT)}\n")


if __name__ == "__main__":
    main()
