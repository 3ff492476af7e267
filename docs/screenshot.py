"""Draw what `manage.py tree` shows of a running instance as docs/images/tree.svg.

Usage, while `make run` runs (with the same OVERSTORY_DATA_DIR): .venv/bin/python docs/screenshot.py
"""

import os
import re
import subprocess
import sys
from html import escape
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "docs" / "images" / "tree.svg"
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


def tree_text() -> str:
    """The command's output with its colours."""
    command = [sys.executable, str(ROOT / "manage.py"), "tree", "--force-color"]
    environment = {**os.environ, "COLUMNS": str(COLUMNS)}
    environment.pop("NO_COLOR", None)
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout


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


if __name__ == "__main__":
    TARGET.parent.mkdir(exist_ok=True)
    TARGET.write_text(svg(tree_text()))
    sys.stdout.write(f"{TARGET.relative_to(ROOT)}\n")
