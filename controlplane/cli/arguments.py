"""Options that several commands take, so that they read the same everywhere."""

import argparse
import math
import re
from argparse import ArgumentParser

START_TIMEOUT_S = 120.0
"""Default patience of what waits for processes to come up: readiness may never come, and a pipeline must not hang."""

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)?")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def seconds(text: str) -> float:
    """`90`, `500ms`, `5s`, `10m`, `2h`, `1d`, as tree files write durations, and combinations such as `1h30m`."""
    total, at = 0.0, 0
    for part in _DURATION.finditer(text):
        if part.start() != at:
            break
        total += float(part[1]) * _SECONDS[part[2] or "s"]
        at = part.end()
    if not text or at != len(text) or not math.isfinite(total):
        raise argparse.ArgumentTypeError(f"{text!r} is not a duration such as 30, 500ms, 5s, 10m, 2h or 1d")
    return total


def patience(text: str) -> float | None:
    """A duration, or `0` for no limit."""
    return seconds(text) or None


def count(text: str) -> int:
    """A number from 0."""
    if not text.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is not a number")
    return int(text)


def add_keys(parser: ArgumentParser, *, nargs: str = "+") -> None:
    parser.add_argument(
        "keys",
        nargs=nargs,
        metavar="KEY",
        help="Key of a tree, supervisor or child (shop/web/api@2), or a pattern: * within a part, ** across parts.",
    )


def add_yes(parser: ArgumentParser) -> None:
    parser.add_argument("-y", "--yes", action="store_true", help="Do not ask for confirmation.")


def add_wait(parser: ArgumentParser, *, default: float | None) -> None:
    said = "no limit" if default is None else f"{default:g}s"
    parser.add_argument(
        "--timeout",
        type=patience,
        default=default,
        metavar="TIME",
        help=f"How long to wait until it is done, 0 for no limit (default: {said}). The request stands all the same.",
    )
    parser.add_argument(
        "--no-wait", action="store_true", help="Return as soon as the node has taken the request."
    )
