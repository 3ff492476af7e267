"""The last minute of a row as a small picture, for lists that are made on the server. Pure; nothing is read for it: the live
reader holds these points of every child in memory anyway."""

from collections.abc import Mapping, Sequence
from typing import Any

WIDTH, HEIGHT = 72.0, 20.0
EDGE = 2.0


def row_spark(series: Mapping[str, Sequence[float | None]]) -> dict[str, Any]:
    """`cpu` and `rss` as lists of points of SVG lines, one for each stretch without a gap; `any`: whether there is one."""
    cpu, rss = _lines(series["cpu"], from_zero=True), _lines(series["rss"], from_zero=False)
    return {"cpu": cpu, "rss": rss, "any": bool(cpu or rss)}


def _lines(values: Sequence[float | None], *, from_zero: bool) -> list[str]:
    """A flat line stands in the middle, one that begins at zero at the bottom."""
    known = [value for value in values if value is not None]
    if len(known) < 2:
        return []
    low, high = (0.0 if from_zero else min(known)), max(known)
    if high <= low:
        low, high = low - 1.0, low + 1.0
        if from_zero:
            low = 0.0
    step = (WIDTH - 2 * EDGE) / (len(values) - 1)
    stretches: list[list[str]] = [[]]
    for place, value in enumerate(values):
        if value is None:
            stretches.append([])
            continue
        y = HEIGHT - EDGE - (value - low) / (high - low) * (HEIGHT - 2 * EDGE)
        stretches[-1].append(f"{EDGE + place * step:.1f},{y:.1f}")
    return [" ".join(stretch) for stretch in stretches if len(stretch) > 1]


def count_bars(counts: Sequence[int]) -> list[dict[str, str]]:
    """A bar for each count that is not zero, always to be seen, zero at the bottom; none at all when nothing was counted."""
    highest = max(counts, default=0)
    if not highest:
        return []
    step = WIDTH / len(counts)
    bars = []
    for place, count in enumerate(counts):
        height = max(1.5, count / highest * (HEIGHT - EDGE)) if count else 0.0
        if height:
            bars.append(
                {
                    "x": f"{place * step:.1f}",
                    "y": f"{HEIGHT - height:.1f}",
                    "width": f"{step - 1:.1f}",
                    "height": f"{height:.1f}",
                }
            )
    return bars
