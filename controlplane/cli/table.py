"""Rows as a table that fits the terminal: columns as wide as what they hold, the last one takes what is left."""

from collections.abc import Sequence

from controlplane.cli.terminal import Terminal, Tone
from controlplane.cli.text import cut_middle, pad, printable, width

GAP = "  "
LEAST = 8
"""Columns that a cell keeps before anything else is cut further."""


def table(
    heads: Sequence[str], rows: Sequence[Sequence[str]], terminal: Terminal, *, empty: str
) -> list[str]:
    """Lines of at most `terminal.columns`; the widest column gives way. `empty`: said without rows."""
    if not rows:
        return [empty]
    clean = [[printable(cell) or "-" for cell in row] for row in rows]
    widths = [max(width(row[at]) for row in [list(heads), *clean]) for at in range(len(heads))]
    while sum(widths) + len(GAP) * (len(widths) - 1) > terminal.columns and max(widths) > LEAST:
        widths[widths.index(max(widths))] -= 1
    lines = [_line(row, widths, terminal) for row in [heads, *clean]]
    return [terminal.paint(lines[0], Tone.IDLE), *lines[1:]]


def _line(cells: Sequence[str], widths: Sequence[int], terminal: Terminal) -> str:
    shown = [
        pad(cut_middle(cell, columns, mark=terminal.ellipsis), columns)
        for cell, columns in zip(cells, widths, strict=True)
    ]
    return GAP.join(shown).rstrip()
