"""A finding's floors as a small picture: the line so far, and the band in which it goes on. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 220.0, 44.0
AHEAD = 0.25
"""Of the time that was seen, this part is shown ahead."""


@dataclass(frozen=True, slots=True)
class Picture:
    """Points of SVG shapes in a box of WIDTH x HEIGHT; "" where there is nothing to draw."""

    line: str
    ahead: str
    band: str
    onset: str
    limit: str


def picture(
    points: Sequence[Sequence[float]],
    *,
    since: float,
    rate: float,
    low: float,
    high: float,
    limit: float | None,
) -> Picture:
    """`points` are (Unix seconds, value) in order; `low` and `high` bound the growth in a second."""
    if len(points) < 2:
        return Picture("", "", "", "", "")
    (first, _), (last, now) = points[0], points[-1]
    until = last + (last - first) * AHEAD
    ahead = until - last
    values = [value for _, value in points]
    top = max(*values, now + high * ahead)
    bottom = min(*values, now + low * ahead)
    if limit is not None and bottom <= limit <= top + (top - bottom):
        top = max(top, limit)
    reach = (top - bottom) or 1.0

    def x(at: float) -> float:
        return round((at - first) / ((until - first) or 1.0) * WIDTH, 1)

    def y(value: float) -> float:
        return round(HEIGHT - 3 - (value - bottom) / reach * (HEIGHT - 6), 1)

    line = " ".join(f"{x(at)},{y(value)}" for at, value in points)
    band = f"{x(last)},{y(now)} {x(until)},{y(now + high * ahead)} {x(until)},{y(now + low * ahead)}"
    goes_on = f"{x(last)},{y(now)} {x(until)},{y(now + rate * ahead)}"
    onset = f"{x(since)}" if first <= since <= last else ""
    return Picture(
        line, goes_on, band, onset, f"{y(limit)}" if limit is not None and bottom <= limit <= top else ""
    )
