"""Durations, times, counts and lists as sentences for operators write them."""

from datetime import UTC, datetime


def duration(seconds: float) -> str:
    """At most two units, largest first: `0.4s`, `12s`, `3m12s`, `4h05m`, `6d02h`. Negative counts as zero."""
    seconds = max(0.0, seconds)
    if seconds < 9.95:
        return f"{seconds:.1f}s" if seconds % 1 >= 0.05 and seconds % 1 < 0.95 else f"{round(seconds)}s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    if whole < 86400:
        return f"{whole // 3600}h{whole % 3600 // 60:02d}m"
    return f"{whole // 86400}d{whole % 86400 // 3600:02d}h"


def size(count: int) -> str:
    """Bytes in binary units: `512 B`, `1.5 MiB`."""
    value = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024:
            return f"{value:.0f} {unit}" if unit == "B" or value >= 100 else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} TiB"


def clock_time(unix: float, *, now: float | None = None, millis: bool = False) -> str:
    """Local time of day; with the date in front unless `now` (Unix seconds) is on the same day."""
    at = datetime.fromtimestamp(unix, UTC).astimezone()
    text = at.strftime("%H:%M:%S") + (f".{at.microsecond // 1000:03d}" if millis else "")
    if now is not None and datetime.fromtimestamp(now, UTC).astimezone().date() == at.date():
        return text
    return at.strftime("%Y-%m-%d ") + text


def iso_time(unix: float) -> str:
    """UTC, for machines: `2026-11-21T03:14:44.123Z`."""
    return datetime.fromtimestamp(unix, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def count(number: int, noun: str, plural: str | None = None) -> str:
    """`1 child`, `3 children`."""
    return f"{number} {noun if number == 1 else plural or noun + 's'}"


def listing(names: list[str], *, at_most: int = 6) -> str:
    """`a, b and c`; past `at_most` names the rest is a number."""
    if len(names) > at_most:
        return ", ".join(names[:at_most]) + f" and {len(names) - at_most} more"
    if len(names) < 2:
        return "".join(names)
    return ", ".join(names[:-1]) + " and " + names[-1]
