"""Moments as an operator types them: `10m` (ago), `14:30`, `2026-11-21 14:30:05`, RFC 3339."""

import argparse
from datetime import datetime, timedelta

from controlplane.cli.arguments import seconds
from supervision.runtime.clock import SystemClock


def since(text: str) -> float:
    """Unix seconds. Times without a zone are local; a time of day that is still to come today was yesterday."""
    now = SystemClock().wall()
    try:
        return now - seconds(text)
    except argparse.ArgumentTypeError:
        pass
    here = datetime.fromtimestamp(now).astimezone()
    for form in ("%H:%M", "%H:%M:%S"):
        try:
            clock = datetime.strptime(text, form)  # noqa: DTZ007  # a time of day, made aware in the next line
        except ValueError:
            continue
        at = here.replace(hour=clock.hour, minute=clock.minute, second=clock.second, microsecond=0)
        return (at if at <= here else at - timedelta(days=1)).timestamp()
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no moment such as 10m (ago), 14:30 or 2026-11-21T14:30:05Z"
        ) from None
    return (at if at.tzinfo is not None else at.astimezone()).timestamp()
